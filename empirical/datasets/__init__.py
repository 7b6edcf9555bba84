"""Data sets by name: images in [-1, 1], labels, and a fingerprint that says exactly which data they were."""

from __future__ import annotations

from pathlib import Path

from empirical.datasets.arrays import ArraySource
from empirical.datasets.cifar import CIFAR10
from empirical.datasets.dataset import Dataset
from empirical.datasets.folder import CELEBA, FolderSource
from empirical.datasets.idx import FASHION_MNIST, MNIST
from empirical.datasets.raw import Size, shape_of
from empirical.datasets.sources import DatasetNotFound, DatasetSource
from empirical.toy import ToyLayout
from theory.errors import UserError

__all__ = ["Dataset", "DatasetNotFound", "DatasetSource", "FILES", "NAMES", "load"]

SIZE = 32
TOY_COUNT = 4096
SPLITS = ("train", "test")

FILES: dict[str, DatasetSource] = {"mnist": MNIST, "fashion-mnist": FASHION_MNIST, "cifar10": CIFAR10, "celeba": CELEBA}
PATHS = ("folder", "npz", "npy")
NAMES = ("toy", *FILES, *(f"{prefix}:PATH" for prefix in PATHS))


def load(name: str, *, data_dir: str | Path | None = None, split: str = "train", subset: int | None = None,
         seed: int = 0, size: Size = SIZE, skip_bad: bool = False, **toy) -> Dataset:
    """Return the data set `name`, one of NAMES.

    Parameters
    ----------
    name : str
        "toy", "mnist", "fashion-mnist", "cifar10", "celeba", "folder:PATH", "npz:FILE" or "npy:FILE".
    data_dir : str or Path, optional
        Folder to look in first, for sets that are files.
    split : {"train", "test"}
        Which part.
    subset : int, optional
        So many images, drawn without replacement by `seed`; the fingerprint is that of what is returned.
    seed : int
        Of that draw, and of the toy set's.
    size : int, (int, int) or None
        Images become size x size pixels, or height x width, by their central part of that shape and bilinear
        interpolation with antialiasing; None leaves them. The toy set is never resized.
    skip_bad : bool
        Whether a folder's files that cannot be read are left out, and listed in the set's `skipped`; else they are an
        error.
    **toy
        Options of "toy": layout (ToyLayout, default ToyLayout()), count (images drawn, default 4,096; None: every
        distinct image once).

    Raises
    ------
    DatasetNotFound
        The set, or that split of it, is not there, and cannot be fetched.
    UserError
        The name is not known, or files are broken.

    Examples
    --------
    >>> load("toy", count=100).images.shape
    (100, 3, 4, 2)
    """
    if split not in SPLITS:
        raise UserError(f"split: got {split!r}, want one of {', '.join(SPLITS)}")
    if size is not None:
        shape_of(size)
    if name == "toy":
        dataset = _toy(split, seed, **toy)
    elif toy:
        raise UserError(f"{next(iter(toy))}: got one for {name!r}, want it for the toy set only")
    else:
        source = _source(name, skip_bad)
        raw = source.read(source.files(data_dir, split), split, size)
        dataset = Dataset(name, raw.pixels(), raw.labels, raw.classes, files=raw.files, skipped=raw.skipped)
    return dataset if subset is None else dataset.subset(subset, seed)


def _source(name: str, skip_bad: bool) -> DatasetSource:
    kind, _, path = name.partition(":")
    if kind in PATHS and path:
        path = Path(path).expanduser()
        return FolderSource(path, skip_bad) if kind == "folder" else ArraySource(path, kind)
    if name not in FILES:
        raise UserError(f"name: got {name!r}, want one of: {', '.join(NAMES)}")
    return FILES[name]


def _toy(split: str, seed: int, layout: ToyLayout | None = None, count: int | None = TOY_COUNT) -> Dataset:
    if split != "train":
        raise DatasetNotFound(f"split: got {split!r}, but the toy set has only 'train'")
    layout = ToyLayout() if layout is None else layout
    return Dataset("toy", layout.enumerate() if count is None else layout.generate(count, seed), layout=layout)
