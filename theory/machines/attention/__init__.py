"""Attention in closed form: a rule says who attends to whom (`maps`), a coupling what it then does, one a file."""
