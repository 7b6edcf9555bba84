"""The dataset of a run: its schema, and what it says in numbers."""
