"""The papers' figures and our own: each from results on disk or machine runs, numbers first, then a drawing of them."""
