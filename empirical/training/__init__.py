"""Training a network: what is trained how, and the loop."""
