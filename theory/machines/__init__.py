"""The closed-form machines, one a file."""
