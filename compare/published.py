"""Figures of the papers, to stand beside ours."""

FKTB_CONSISTENT = {"random": 0.0538, "cnn": 0.1088, "cnn-top1": 0.2164, "cnn-identity": 0.2544, "cnn-learned": 0.6403}
"""Share of consistent samples on four colour pairs (Finn, Keller, Theodosis & Ba 2025), by our variants' names."""

CHANCE_CONSISTENT = {"one-to-one": 5056 / 65536, "all": 16720 / 65536}
"""Share among uniformly random colours of four pairs, by the family of maps; exact, by enumeration."""
