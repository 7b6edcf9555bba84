"""The networks of an image study, and the images that they were trained on: exactly those, or none at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from compare.result.image_names import variant_name
from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.datasets import load
from empirical.training.image_config import ImageTrainConfig
from theory.schedules import CosineSchedule


class Validation(NamedTuple):
    """Images (V, C, H, W) that no network was trained on, their labels (V,) or None, and where they come from."""

    images: np.ndarray
    labels: np.ndarray | None
    source: str


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What the networks were trained on and the machines are made from.

    images (N, C, H, W); labels (N,) where the networks know the class, else None; boundary "zeros" or "circular", the
    networks' padding; validation: other images of the same kind, or None
    """

    images: np.ndarray
    labels: np.ndarray | None
    boundary: str
    fingerprint: str
    validation: Validation | None = None

    @property
    def classes(self) -> np.ndarray | None:
        """The labels that there are, or None."""
        return None if self.labels is None else np.unique(self.labels)

    def count(self, labels: np.ndarray | None) -> int | np.ndarray:
        """How many images a machine draws on: all, or (B,), those of each label."""
        return len(self.images) if labels is None else np.array([(self.labels == label).sum() for label in labels])


class ImageNetwork(NamedTuple):
    """A network with the face of a machine; attention: its rule, or None; receptive_field: odd, or None for unknown."""

    variant: str
    training_seed: int
    denoiser: NetworkDenoiser
    attention: str | None = None
    receptive_field: int | None = None

    @property
    def name(self) -> str:
        return f"{self.variant}-{self.training_seed}"


def first_of_each(networks: Sequence[ImageNetwork]) -> list[ImageNetwork]:
    """The first network of each variant, on which its fits are made; in the order of the networks."""
    variants = dict.fromkeys(network.variant for network in networks)
    return [next(network for network in networks if network.variant == variant) for variant in variants]


def recipes_of(stems: Sequence[Path]) -> list[ImageTrainConfig]:
    """How the networks of these checkpoints were trained. ValueError: a toy network, or other data or padding than the
    first, or the same variant and seed twice."""
    configs = []
    for stem in stems:
        record = json.loads(stem.with_name(stem.name + ".json").read_text(encoding="utf-8"))["config"]
        if record["dataset"] == "toy":
            raise ValueError(f"checkpoint: got {stem}, a toy network, want one that was trained on images")
        configs.append(ImageTrainConfig.from_json(record))
    check_recipes(configs)
    return configs


SHARED = ("dataset", "subset", "data_seed", "split", "size", "padding", "conditional")
"""The entries of ImageTrainConfig that all networks of a study have in common."""


def check_recipes(configs: Sequence[ImageTrainConfig]) -> None:
    """ValueError unless the networks share data and padding, and differ in variant or seed."""
    for name in SHARED:
        values = list(dict.fromkeys(getattr(config, name) for config in configs))
        if len(values) > 1:
            raise ValueError(f"networks: got {name} {' and '.join(map(str, values))}, want the same for all")
    names = [(variant_name(config.network, config.attention), config.seed) for config in configs]
    if len(set(names)) < len(names):
        raise ValueError(f"networks: got {', '.join(f'{variant} seed {seed}' for variant, seed in names)}, "
                         "want each variant and seed once")


def load_network(stem: Path, training: TrainingSet, device: str = "cpu") -> ImageNetwork:
    """The network of a checkpoint. ValueError: it was trained on other images than these."""
    network, record = checkpoint.load(stem, device)
    if record["data_fingerprint"] != training.fingerprint:
        raise ValueError(f"networks: {stem.name} was trained on images with fingerprint "
                         f"{record['data_fingerprint'][:8]}, but found are {training.fingerprint[:8]}; want the "
                         "images that it was trained on")
    config = ImageTrainConfig.from_json(record["config"])
    return ImageNetwork(variant_name(config.network, config.attention), config.seed,
                        NetworkDenoiser(network, CosineSchedule(), prediction=record["prediction"]), config.attention,
                        network.receptive_field)


def snapshots(stem: Path) -> list[tuple[int, Path]]:
    """(training step, path) of the networks kept on the way to this one, NAME-STEP beside it, in order."""
    found = [path.with_suffix("") for path in stem.parent.glob(f"{stem.name}-*.safetensors")]
    steps = [(path.name.removeprefix(f"{stem.name}-"), path) for path in found]
    return sorted((int(step), path) for step, path in steps if step.isdecimal())


def training_set(config: ImageTrainConfig, validation: int, data_dir: Path | None = None) -> TrainingSet:
    """The images of a recipe, and up to `validation` others: of the test split, or where there is none, of the images
    that the subset left. There are none without either, or of other classes only."""
    dataset = config.load(data_dir)
    labels = dataset.labels if config.conditional else None
    found = _others(config, validation, data_dir)
    return TrainingSet(dataset.images, labels, config.padding, dataset.fingerprint,
                       None if found is None else _of_classes(found, labels))


def _others(config: ImageTrainConfig, count: int, data_dir: Path | None) -> Validation | None:
    whole = load(config.dataset, data_dir=data_dir, split=config.split, size=config.size)
    try:
        test = load(config.dataset, data_dir=data_dir, split="test", size=config.size)
    except ValueError:
        test = whole
    split = test is not whole and config.split != "test"
    pool, taken = (test, 0) if split else (whole, config.subset or len(whole.images))
    if taken == len(pool.images):
        return None
    drawn = pool.subset(min(taken + count, len(pool.images)), config.data_seed)
    return Validation(drawn.images[taken:], drawn.labels[taken:] if config.conditional else None,
                      "test split" if split else "images that the subset left")


def _of_classes(found: Validation, labels: np.ndarray | None) -> Validation | None:
    """Those whose class has training images."""
    if labels is None:
        return found
    known = np.isin(found.labels, labels)
    return Validation(found.images[known], found.labels[known], found.source) if known.any() else None
