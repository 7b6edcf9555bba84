"""Resized images kept in the cache, so that the files of a set are decoded and resized once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from empirical.array_file import read_arrays, write_arrays
from empirical.datasets.raw import RawImages, Size
from empirical.datasets.sources import cache_folder
from theory.errors import UserError

LAYOUT = 2  # of the kept files
NAMES = ("classes", "files")


def cached(name: str, files: list[Path], split: str, size: Size, read: Callable[[], RawImages]) -> RawImages:
    """Return read(), or what it gave last time for the same files: same paths, lengths and times of change.

    size None, images as their files have them: nothing is kept.
    """
    if size is None:
        return read()
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(repr((LAYOUT, name, stats, split, size)).encode()).hexdigest()[:32]
    path = cache_folder() / "resized" / f"{key}.npz"
    try:
        arrays = read_arrays(path)
        return RawImages(arrays["images"], arrays.get("labels"), *(_names(arrays.get(name)) for name in NAMES),
                         _names(arrays.get("skipped")) or ())
    except (UserError, KeyError):
        pass  # not there, or not whole
    raw = read()
    _store(path, raw)
    return raw


def _names(classes) -> tuple[str, ...] | None:
    return None if classes is None else tuple(str(name) for name in classes)


def _store(path: Path, raw: RawImages) -> None:
    arrays = {"images": raw.images, "labels": raw.labels} | {name: getattr(raw, name) for name in (*NAMES, "skipped")}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {name: np.asarray(array) for name, array in arrays.items() if array is not None})
    except OSError:
        pass  # a cache that cannot be written is done without
