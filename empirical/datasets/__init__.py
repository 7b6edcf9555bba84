"""Data sets by name: images in [-1, 1], labels, and a fingerprint that says exactly which data they were."""

from __future__ import annotations

from pathlib import Path

from empirical.datasets.cifar import CIFAR10
from empirical.datasets.dataset import Dataset
from empirical.datasets.folder import CELEBA, FolderSource
from empirical.datasets.idx import FASHION_MNIST, MNIST
from empirical.datasets.npz import NpzSource
from empirical.toy import ToyLayout
from theory.errors import UserError

__all__ = ["Dataset", "FILES", "NAMES", "load"]

SIZE = 32
TOY_COUNT = 4096
SPLITS = ("train", "test")

FILES = {"mnist": MNIST, "fashion-mnist": FASHION_MNIST, "cifar10": CIFAR10, "celeba": CELEBA}
PATHS = {"folder": FolderSource, "npz": NpzSource}
NAMES = ("toy", *FILES, *(f"{prefix}:PATH" for prefix in PATHS))


def load(name: str, *, data_dir: str | Path | None = None, split: str = "train", subset: int | None = None,
         seed: int = 0, size: int | None = SIZE, **toy) -> Dataset:
    """The data set `name`, one of NAMES. UserError for a name that is not known, or files missing or broken.

    data_dir: folder to look in first, for sets that are files
    split: "train" or "test"
    subset: so many images, drawn without replacement by `seed`; the fingerprint is that of what is returned
    seed: of that draw, and of the toy set's
    size: images become size x size, by the central square and bilinear interpolation with antialiasing; None leaves
        them. The toy set is never resized
    options of "toy": layout (ToyLayout, default ToyLayout()), count (images drawn, default 4,096; None: every distinct
        image once)
    """
    if split not in SPLITS:
        raise UserError(f"split: got {split!r}, want one of {', '.join(SPLITS)}")
    if name == "toy":
        dataset = _toy(split, seed, **toy)
    elif toy:
        raise UserError(f"{next(iter(toy))}: got one for {name!r}, want it for the toy set only")
    else:
        source = _source(name)
        raw = source.read(source.files(data_dir, split), split, size)
        dataset = Dataset(name, raw.pixels(), raw.labels, raw.classes)
    return dataset if subset is None else dataset.subset(subset, seed)


def _source(name: str):
    prefix, _, path = name.partition(":")
    if prefix in PATHS and path:
        return PATHS[prefix](Path(path).expanduser())
    if name not in FILES:
        raise UserError(f"name: got {name!r}, want one of: {', '.join(NAMES)}")
    return FILES[name]


def _toy(split: str, seed: int, layout: ToyLayout | None = None, count: int | None = TOY_COUNT) -> Dataset:
    if split != "train":
        raise UserError(f"split: got {split!r}, but the toy set has only 'train'")
    layout = ToyLayout() if layout is None else layout
    return Dataset("toy", layout.enumerate() if count is None else layout.generate(count, seed), layout=layout)
