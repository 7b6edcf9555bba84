"""The shipped toy networks: four variants of one CNN, three training seeds each, and the recipe that made them."""

from __future__ import annotations

from pathlib import Path

from empirical.config import TrainConfig

VARIANTS = {"cnn": None, "cnn-top1": "top1", "cnn-identity": "identity", "cnn-learned": "learned"}  # name: attention
SEEDS = (0, 1, 2)
SHIPPED = Path(__file__).parent / "checkpoints" / "toy"


def recipe(name: str, seed: int = 0) -> TrainConfig:
    """The configuration of a variant: TrainConfig's defaults but for the attention and the seed."""
    if name not in VARIANTS:
        raise ValueError(f"name: got {name!r}, want one of: {', '.join(VARIANTS)}")
    return TrainConfig(attention=VARIANTS[name], seed=seed)


def shipped(name: str, seed: int = 0) -> Path:
    """The shipped checkpoint of a variant and training seed, without suffix, for `empirical.checkpoint.load`."""
    recipe(name, seed)
    if seed not in SEEDS:
        raise ValueError(f"seed: got {seed}, shipped are {', '.join(map(str, SEEDS))}")
    return SHIPPED / f"{name}-{seed}"
