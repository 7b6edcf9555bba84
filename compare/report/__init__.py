"""Text and figures of a dataset."""
