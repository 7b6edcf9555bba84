"""The shipped toy networks: variants of one CNN, three training seeds each, and the recipes that made them.

Two collections, each a folder of `empirical/checkpoints` and one training set: "toy", the default layout, where a 5 x 5
window sees most of the image; "toy-gap", two pairs a row, two background pixels between pairs, every image once, where
such a window sees its own pair and no other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from empirical.toy import ToyLayout
from empirical.training.toy_config import TrainConfig
from theory.errors import UserError

VARIANTS = {"cnn": None, "cnn-top1": "top1", "cnn-identity": "identity", "cnn-learned": "learned"}  # name: attention
SEEDS = (0, 1, 2)
CHECKPOINTS = Path(__file__).parent / "checkpoints"
SHIPPED = CHECKPOINTS / "toy"
GAP_CONFIG = TrainConfig(layout=ToyLayout(arrangement="grid", gap=2), count=None)
LEARNED_STEPS = 20_000
"""Steps of learned attention where pairs lie apart: its loss still falls when the CNN is long at its optimum."""

COLLECTIONS: dict[str, dict[str, TrainConfig]] = {
    "toy": {name: TrainConfig(attention=attention) for name, attention in VARIANTS.items()},
    "toy-gap": {"cnn": GAP_CONFIG, "cnn-learned": replace(GAP_CONFIG, attention="learned", steps=LEARNED_STEPS)},
}
"""By collection and variant."""


def shipped_config(name: str, seed: int = 0, collection: str = "toy") -> TrainConfig:
    """Return the recipe of a shipped variant and training seed; raise a UserError for names that are none."""
    if collection not in COLLECTIONS:
        raise UserError(f"collection: got {collection!r}, want one of: {', '.join(COLLECTIONS)}")
    if name not in COLLECTIONS[collection]:
        raise UserError(f"name: got {name!r}, want one of: {', '.join(COLLECTIONS[collection])}")
    return replace(COLLECTIONS[collection][name], seed=seed)


def shipped(name: str, seed: int = 0, collection: str = "toy") -> Path:
    """Return a shipped checkpoint's path without suffix, for `empirical.checkpoint.load`, of a variant and seed."""
    shipped_config(name, seed, collection)
    if seed not in SEEDS:
        raise UserError(f"seed: got {seed}, shipped are {', '.join(map(str, SEEDS))}")
    return CHECKPOINTS / collection / f"{name}-{seed}"
