"""Machines whose pixels attend to other pixels, one coupling a file."""
