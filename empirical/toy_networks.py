"""The shipped toy networks: variants of one CNN, two or three training seeds each, and the recipes that made them.

Two collections, each a folder of `empirical/checkpoints` and one training set: "toy", the default layout, where a 5 x 5
window sees most of the image; "toy-gap", two pairs a row, two background pixels between pairs, every image once, where
such a window sees its own pair and no other.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from empirical.config import TrainConfig
from empirical.toy import ToyLayout

VARIANTS = {"cnn": None, "cnn-top1": "top1", "cnn-identity": "identity", "cnn-learned": "learned"}  # name: attention
SEEDS = (0, 1, 2)
CHECKPOINTS = Path(__file__).parent / "checkpoints"
SHIPPED = CHECKPOINTS / "toy"
RECIPES = {"toy": TrainConfig(), "toy-gap": TrainConfig(layout=ToyLayout(arrangement="grid", gap=2), count=None)}
MEMBERS = {"toy": dict.fromkeys(VARIANTS, SEEDS), "toy-gap": dict.fromkeys(("cnn", "cnn-learned"), (0, 1))}


def recipe(name: str, seed: int = 0, collection: str = "toy") -> TrainConfig:
    """The configuration of a variant: that of its collection but for the attention and the seed."""
    if collection not in RECIPES:
        raise ValueError(f"collection: got {collection!r}, want one of: {', '.join(RECIPES)}")
    if name not in VARIANTS:
        raise ValueError(f"name: got {name!r}, want one of: {', '.join(VARIANTS)}")
    return replace(RECIPES[collection], attention=VARIANTS[name], seed=seed)


def shipped(name: str, seed: int = 0, collection: str = "toy") -> Path:
    """The shipped checkpoint of a variant and training seed, without suffix, for `empirical.checkpoint.load`."""
    recipe(name, seed, collection)
    if name not in MEMBERS[collection]:
        raise ValueError(f"name: got {name!r}, shipped in {collection} are {', '.join(MEMBERS[collection])}")
    seeds = MEMBERS[collection][name]
    if seed not in seeds:
        raise ValueError(f"seed: got {seed}, shipped are {', '.join(map(str, seeds))}")
    return CHECKPOINTS / collection / f"{name}-{seed}"
