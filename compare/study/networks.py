"""The networks of a study, and the one training set that all of them and the machines are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch

from compare.result.identity import NetworkIdentity, variant_name
from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.datasets import Dataset, DatasetNotFound, load
from empirical.networks import NETWORKS
from empirical.pairs import PairedImages
from empirical.toy import ToyLayout
from empirical.toy_networks import SHIPPED, VARIANTS
from empirical.training.image_config import ImageTrainConfig
from empirical.training.recipe import Recipe
from empirical.training.toy_config import TrainConfig
from theory import CosineSchedule
from theory.errors import UserError

SCHEDULE = CosineSchedule()

SHARED = ("dataset", "subset", "data_seed", "split", "size", "skip_bad", "augment", "layout",
          "padding", "conditional")
"""The entries of ImageTrainConfig that all networks of a study have in common."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Images (V, C, H, W) that no network was trained on, their labels (V,) or None, and where they come from."""

    images: np.ndarray
    labels: np.ndarray | None
    source: str


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What the networks were trained on and the machines are made from.

    images (N, C, H, W); labels (N,) where the networks know the class, else None; boundary "zeros" or "circular", the
    networks' padding; validation: other images of the same kind, or None; layout: of the sets that are made
    """

    images: np.ndarray
    labels: np.ndarray | None
    boundary: str
    fingerprint: str
    validation: Validation | None = None
    layout: ToyLayout | PairedImages | None = None

    @property
    def classes(self) -> np.ndarray | None:
        """The labels that there are, or None."""
        return None if self.labels is None else np.unique(self.labels)

    def count(self, labels: np.ndarray | None) -> int | np.ndarray:
        """How many images a machine draws on: all, or (B,), those of each label."""
        return len(self.images) if labels is None else np.array([(self.labels == label).sum() for label in labels])


@dataclass(frozen=True, eq=False)
class NetworkEntry:
    """A network of a study with the face of a machine.

    attention: its rule, or None; receptive_field: odd, or None for unknown; recipe: how it was trained, or None;
    training_step: that its weights are from, -1 for unknown; digest: of its weights and of how they are used
    """

    variant: str
    training_seed: int
    denoiser: NetworkDenoiser
    attention: str | None = None
    receptive_field: int | None = None
    recipe: Recipe | None = None
    training_step: int = -1
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.variant}-{self.training_seed}"

    def identity(self, steps: int) -> NetworkIdentity:
        """Who it is in a result, at so many sampling steps."""
        return NetworkIdentity(self.variant, self.training_seed, steps, self.training_step)

    def attention_map(self, x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """The network's own alpha (B, P, P) at x = x0 + sigma n (B, C, H, W), sigma (B,); float64, rows sum to 1."""
        weight = next(self.denoiser.network.parameters())
        on_device = lambda values: torch.as_tensor(values, dtype=weight.dtype, device=weight.device)
        phi = on_device(x / np.sqrt(1.0 + sigma**2)[:, None, None, None])
        alpha = self.denoiser.network.attention_map(phi, on_device(self.denoiser.schedule.time(sigma))).double()
        return (alpha / alpha.sum(-1, keepdim=True)).cpu().numpy()


def first_of_each(networks: Sequence[NetworkEntry]) -> list[NetworkEntry]:
    """Return the first network of each variant, on which its fits are made; in the order of the networks."""
    return list({network.variant: network for network in reversed(networks)}.values())[::-1]


def load_network(stem: Path, device: str) -> tuple[NetworkEntry, str]:
    """Return a trained network, and the fingerprint of the data that it was trained on."""
    network, record = checkpoint.load(stem, device)
    toy = record["config"]["dataset"] == "toy"
    recipe = (TrainConfig if toy else ImageTrainConfig).from_json(record["config"])
    denoiser = NetworkDenoiser(network, SCHEDULE, prediction=record.get("prediction", "eps"))
    return _entry(recipe, denoiser, record.get("step", -1), checkpoint.digest(stem)), record["data_fingerprint"]


def untrained_network(recipe: Recipe, dataset: Dataset, device: str) -> NetworkEntry:
    """Return the network of a recipe as it is before any training."""
    architecture, arguments = recipe.architecture(dataset)
    denoiser = NetworkDenoiser(NETWORKS[architecture](**arguments).to(device).eval(), SCHEDULE)
    return _entry(recipe, denoiser, 0, "")


def _entry(recipe: Recipe, denoiser: NetworkDenoiser, step: int, digest: str) -> NetworkEntry:
    variant = variant_name(recipe.network if isinstance(recipe, ImageTrainConfig) else "cnn", recipe.attention)
    return NetworkEntry(variant, recipe.seed, denoiser, recipe.attention, denoiser.network.receptive_field, recipe,
                        step, digest)


# The toy set


def expand_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return checkpoints by name or path; the name of a shipped collection stands for all of it."""
    collections = {path.name: sorted(file.stem for file in path.glob("*.safetensors"))
                   for path in SHIPPED.parent.iterdir() if path.name.partition("-")[0] == "toy"}
    return tuple(name for given in names
                 for name in ([f"{given}/{member}" for member in collections[given]] if given in collections
                              else [given]))


def find_all(names: Sequence[str]) -> list[Path]:
    """Return where toy networks are, without suffix. UserError: one that is not there, or of another kind."""
    stems = [checkpoint.find(name) for name in names]
    for stem in stems:
        dataset = checkpoint.read_record(stem)["config"]["dataset"]
        if dataset != "toy":
            raise UserError(f"networks: got {stem.name}, trained on {dataset}, want toy networks")
    return stems


def weights_of(names: Sequence[str], stems: Sequence[Path]) -> dict:
    """Return the SHA-256 of the networks' weights, for a resolved configuration."""
    return {"dataset": "toy", "weights": dict(zip(names, map(checkpoint.digest, stems)))}


def load_toy(stems: Sequence[Path], device: str) -> tuple[list[NetworkEntry], TrainingSet]:
    """Return toy networks of checkpoints, see `toy_networks`."""
    return toy_networks([load_network(stem, device) for stem in stems])


def toy_networks(found: Sequence[tuple[NetworkEntry, str]]) -> tuple[list[NetworkEntry], TrainingSet]:
    """Return toy networks, by variant and training seed, and the training set of all of them.

    found: each network, and the fingerprint of its data. UserError: networks of different data or padding.
    """
    networks = [entry for entry, _ in found]
    recipe, dataset = networks[0].recipe, networks[0].recipe.load()
    if {fingerprint for _, fingerprint in found} != {dataset.fingerprint}:
        raise UserError("networks: got networks that were trained on different data, want one training set")
    paddings = sorted({network.recipe.padding for network in networks})
    if len(paddings) > 1:
        raise UserError(f"networks: got paddings {', '.join(paddings)}, want one")
    networks.sort(key=lambda network: (list(VARIANTS).index(network.variant), network.training_seed))
    training = TrainingSet(dataset.images, None, recipe.padding, dataset.fingerprint, layout=dataset.layout)
    return networks, training


# Images


def image_networks(found: Sequence[tuple[NetworkEntry, str]], training: TrainingSet) -> list[NetworkEntry]:
    """Return networks of image recipes. UserError: one that was trained on other images than these."""
    for entry, fingerprint in found:
        if fingerprint != training.fingerprint:
            raise UserError(f"networks: {entry.name} was trained on other images than are found now, want the images "
                            "that it was trained on")
    return [entry for entry, _ in found]


def recipes_of(stems: Sequence[Path]) -> list[ImageTrainConfig]:
    """Return how the networks of these checkpoints were trained.

    UserError: a toy network, or what `check_recipes` says.
    """
    records = [checkpoint.read_record(stem)["config"] for stem in stems]
    for stem, record in zip(stems, records):
        if record["dataset"] == "toy":
            raise UserError(f"checkpoint: got {stem}, a toy network, want one that was trained on images")
    configs = [ImageTrainConfig.from_json(record) for record in records]
    check_recipes(configs)
    return configs


def check_recipes(configs: Sequence[ImageTrainConfig]) -> None:
    """UserError unless the networks share data and padding, and differ in variant or seed."""
    for name in SHARED:
        values = list(dict.fromkeys(getattr(config, name) for config in configs))
        if len(values) > 1:
            raise UserError(f"networks: got {name} {' and '.join(map(str, values))}, want the same for all")
    names = [f"{variant_name(config.network, config.attention)} seed {config.seed}" for config in configs]
    if len(set(names)) < len(names):
        raise UserError(f"networks: got {', '.join(names)}, want each variant and seed once")


def snapshots(stem: Path) -> list[tuple[int, Path]]:
    """Return (training step, path) of the networks kept on the way to this one, NAME-STEP beside it, in order."""
    found = [path.with_suffix("") for path in stem.parent.glob(f"{stem.name}-*.safetensors")]
    steps = [(path.name.removeprefix(f"{stem.name}-"), path) for path in found]
    return sorted((int(step), path) for step, path in steps if step.isdecimal())


def image_training_set(config: ImageTrainConfig, validation: int, data_dir: Path | None = None) -> TrainingSet:
    """Return the images of a recipe, and up to `validation` others: of the test split, or where there is none, of the
    images that the subset left. There are none without either, or of other classes only."""
    dataset = config.load(data_dir)
    labels = dataset.labels if config.conditional else None
    found = _held_out_images(config, validation, data_dir)
    return TrainingSet(dataset.images, labels, config.padding, dataset.fingerprint,
                       None if found is None else _of_classes(found, labels), dataset.layout)


def _held_out_images(config: ImageTrainConfig, count: int, data_dir: Path | None) -> Validation | None:
    pool, taken, source = _test_split(config, data_dir), 0, "test split"
    if pool is None and config.subset is not None:
        pool, taken = load(config.dataset, data_dir=data_dir, split=config.split, size=config.size,
                           skip_bad=config.skip_bad), config.subset
        source = "images that the subset left"
    if pool is None or taken == len(pool.images):
        return None
    drawn = pool.subset(min(taken + count, len(pool.images)), config.data_seed)
    return Validation(drawn.images[taken:], drawn.labels[taken:] if config.conditional else None, source)


def _test_split(config: ImageTrainConfig, data_dir: Path | None) -> Dataset | None:
    """The data set's test split, or None where there is none or the networks were trained on it."""
    if config.split == "test":
        return None
    try:
        return replace(config, split="test", subset=None, augment=None).load(data_dir)
    except DatasetNotFound:
        return None


def _of_classes(found: Validation, labels: np.ndarray | None) -> Validation | None:
    """Return those whose class has training images."""
    if labels is None:
        return found
    known = np.isin(found.labels, labels)
    return Validation(found.images[known], found.labels[known], found.source) if known.any() else None


def of_record(config: Mapping, data_dir: Path | None = None):
    """Return the data set that a result's configuration names. UserError: what loading it says."""
    if config["dataset"] == "toy":
        made = next((network for network in config["networks"].values() if isinstance(network, dict)), None)
        return (TrainConfig() if made is None else TrainConfig.from_json(made)).load()
    names = {field.name for field in fields(ImageTrainConfig)} & {*SHARED}
    recipe = {name: config[name] for name in names & config.keys()} | {"padding": config["boundary"]}
    return ImageTrainConfig.from_json(ImageTrainConfig(dataset=config["dataset"]).to_json() | recipe).load(data_dir)
