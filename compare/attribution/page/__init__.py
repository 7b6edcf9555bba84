"""The inspector: an inspected sample as one HTML page, and as a figure for print."""
