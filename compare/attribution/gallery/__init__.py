"""The gallery of a run: an index of its samples, and an inspector's page for each."""
