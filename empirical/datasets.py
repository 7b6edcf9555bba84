"""Data sets by name: images in [-1, 1], labels, and a fingerprint that says exactly which data they were."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from empirical.toy import ToyLayout

TOY_COUNT = 4096


@dataclass(frozen=True, eq=False)
class Dataset:
    """images float32 (N, C, H, W) in [-1, 1]; labels int64 (N,) or None; layout, of the toy set only."""

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    layout: ToyLayout | None = None

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over shape, dtype and bytes of the images, then of the labels where there are any."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            if array is not None:
                digest.update(f"{array.shape} {array.dtype.str} ".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def load(name: str, *, data_dir=None, seed: int = 0, **options) -> Dataset:
    """The data set `name`. ValueError for a name that is not known.

    data_dir: folder to look in first, for sets that are files (the toy set is made, not read)
    seed: the draw, for sets that are made
    options of "toy": layout (ToyLayout, default ToyLayout()), count (images drawn, default 4,096)
    """
    if name not in _LOADERS:
        raise ValueError(f"name: got {name!r}, want one of: {', '.join(_LOADERS)}")
    return _LOADERS[name](data_dir=data_dir, seed=seed, **options)


def _load_toy(*, data_dir, seed: int, layout: ToyLayout | None = None, count: int = TOY_COUNT) -> Dataset:
    layout = ToyLayout() if layout is None else layout
    return Dataset("toy", layout.generate(count, seed), layout=layout)


_LOADERS = {"toy": _load_toy}
