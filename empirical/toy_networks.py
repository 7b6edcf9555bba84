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

VARIANTS = {"cnn": None, "cnn-top1": "top1", "cnn-identity": "identity", "cnn-learned": "learned"}  # name: attention
SEEDS = (0, 1, 2)
CHECKPOINTS = Path(__file__).parent / "checkpoints"
SHIPPED = CHECKPOINTS / "toy"
GAP = TrainConfig(layout=ToyLayout(arrangement="grid", gap=2), count=None)
LONG = 20_000
"""Steps of learned attention where pairs lie apart: its loss still falls when the CNN is long at its optimum."""

RECIPES: dict[str, dict[str, TrainConfig]] = {
    "toy": {name: TrainConfig(attention=attention) for name, attention in VARIANTS.items()},
    "toy-gap": {"cnn": GAP, "cnn-learned": replace(GAP, attention="learned", steps=LONG)},
}
"""By collection and variant."""


def recipe(name: str, seed: int = 0, collection: str = "toy") -> TrainConfig:
    """The configuration of a shipped variant and training seed."""
    if collection not in RECIPES:
        raise ValueError(f"collection: got {collection!r}, want one of: {', '.join(RECIPES)}")
    if name not in RECIPES[collection]:
        raise ValueError(f"name: got {name!r}, want one of: {', '.join(RECIPES[collection])}")
    return replace(RECIPES[collection][name], seed=seed)


def shipped(name: str, seed: int = 0, collection: str = "toy") -> Path:
    """The shipped checkpoint of a variant and training seed, without suffix, for `empirical.checkpoint.load`."""
    recipe(name, seed, collection)
    if seed not in SEEDS:
        raise ValueError(f"seed: got {seed}, shipped are {', '.join(map(str, SEEDS))}")
    return CHECKPOINTS / collection / f"{name}-{seed}"
