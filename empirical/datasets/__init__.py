"""Data sets by name: images in [-1, 1], labels, and a fingerprint that says exactly which data they were."""

from __future__ import annotations

import sys
from pathlib import Path

from empirical.datasets.arrays import ArraySource
from empirical.datasets.cifar import CIFAR10
from empirical.datasets.dataset import Dataset
from empirical.datasets.folder import CELEBA, FolderSource
from empirical.datasets.idx import FASHION_MNIST, MNIST
from empirical.datasets.raw import Size, shape_of
from empirical.datasets.sources import DatasetNotFound, DatasetSource
from empirical.pairs import PairedImages, PairsLayout
from empirical.toy import ToyLayout
from theory.errors import UserError

__all__ = ["Dataset", "DatasetNotFound", "DatasetSource", "FILES", "NAMES", "load", "say_skipped"]

SIZE = 32
COUNT = 4096  # images of the sets that are made: toy and pairs
SPLITS = ("train", "test")
AUGMENTATIONS = ("flip",)

FILES: dict[str, DatasetSource] = {"mnist": MNIST, "fashion-mnist": FASHION_MNIST, "cifar10": CIFAR10, "celeba": CELEBA}
PATHS = ("folder", "npz", "npy")
PAIRS = "pairs"
NAMES = ("toy", *FILES, f"{PAIRS}:NAME", *(f"{prefix}:PATH" for prefix in PATHS))


def load(name: str, *, data_dir: str | Path | None = None, split: str = "train", subset: int | None = None,
         seed: int = 0, size: Size = SIZE, skip_bad: bool = False,
         augment: str | None = None, **made) -> Dataset:
    """Return the data set `name`, one of NAMES.

    Parameters
    ----------
    name : str
        "toy", "mnist", "fashion-mnist", "cifar10", "celeba", "folder:PATH", "npz:FILE", "npy:FILE"; or "pairs:NAME",
        rows of images of such a set of one channel, as "pairs:mnist", see `empirical.pairs`.
    data_dir : str or Path, optional
        Folder to look in first, for sets that are files.
    split : {"train", "test"}
        Which part; of pairs, those combinations that training draws, or the held-out ones.
    subset : int, optional
        So many images, drawn without replacement by `seed`; the fingerprint is that of what is returned.
    seed : int
        Of that draw, and of the toy set's and the pairs'.
    size : int, (int, int) or None
        Images become size x size pixels, or height x width, by their central part of that shape and bilinear
        interpolation with antialiasing; None leaves them. The toy set and pairs have the size of their layout.
    skip_bad : bool
        Whether a folder's files that cannot be read are left out, and listed in the set's `skipped`; else they are an
        error.
    augment : {None, "flip"}
        "flip": every image is followed, after the last one, by its mirror image, left for right; `subset` counts
        images before that.
    **made
        Options of the sets that are made: layout (ToyLayout or PairsLayout, default ToyLayout() or PairsLayout()),
        count (images drawn, default 4,096; of the toy set also None: every distinct image once).

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
    if augment is not None and augment not in AUGMENTATIONS:
        raise UserError(f"augment: got {augment!r}, want one of {', '.join(AUGMENTATIONS)}")
    if size is not None:
        shape_of(size)
    if name == "toy":
        dataset = _toy(split, seed, **made)
    elif name.partition(":")[0] == PAIRS:
        dataset = _pairs(name, data_dir, split, seed, **made)
    elif made:
        raise UserError(f"{next(iter(made))}: got one for {name!r}, want it for the toy set and for pairs only")
    else:
        source = _source(name, skip_bad)
        raw = source.read(source.files(data_dir, split), split, size)
        dataset = Dataset(name, raw.pixels(), raw.labels, raw.classes, files=raw.files, skipped=raw.skipped)
    dataset = dataset if subset is None else dataset.subset(subset, seed)
    return dataset if augment is None else dataset.with_mirrored()


def say_skipped(dataset: Dataset) -> None:
    """Print the files that were left out, if any, on stderr."""
    if dataset.skipped:
        print("\n  ".join([f"{dataset.name}: left out {len(dataset.skipped)} files that cannot be read:",
                           *dataset.skipped]), file=sys.stderr)


def _source(name: str, skip_bad: bool) -> DatasetSource:
    kind, _, path = name.partition(":")
    if kind in PATHS and path:
        path = Path(path).expanduser()
        return FolderSource(path, skip_bad) if kind == "folder" else ArraySource(path, kind)
    if name not in FILES:
        raise UserError(f"name: got {name!r}, want one of: {', '.join(NAMES)}")
    return FILES[name]


def _toy(split: str, seed: int, layout: ToyLayout | None = None, count: int | None = COUNT) -> Dataset:
    if split != "train":
        raise DatasetNotFound(f"split: got {split!r}, but the toy set has only 'train'")
    layout = ToyLayout() if layout is None else layout
    return Dataset("toy", layout.enumerate() if count is None else layout.generate(count, seed), layout=layout)


def _pairs(name: str, data_dir, split: str, seed: int, layout: PairsLayout | None = None,
           count: int = COUNT) -> Dataset:
    layout = PairsLayout() if layout is None else layout
    of = name.partition(":")[2]
    if of == "toy" or of.partition(":")[0] == PAIRS:
        raise UserError(f"name: got {name!r}, want pairs of a set of images, as {PAIRS}:mnist")
    source = load(of, data_dir=data_dir, subset=layout.pool, seed=layout.pool_seed, size=layout.side)
    if source.images.shape[1] != 1:
        raise UserError(f"name: got {name!r}, of {source.images.shape[1]} channels, want pairs of grey images")
    if split == "test" and not layout.held_out:
        raise DatasetNotFound(f"split: got {split!r}, but no combination is held out of {name}")
    rows = PairedImages(layout, (source.images[:, 0] + 1) / 2)
    return Dataset(name, rows.render(*rows.sample(count, seed, held_out=split == "test")), layout=rows)
