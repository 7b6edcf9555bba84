"""Resized images kept in the cache, so that a set is resized once."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from empirical.atomic import replacing
from empirical.datasets.raw import Raw, resize
from empirical.datasets.sources import cache_folder


def resized(name: str, files: list[Path], split: str, size: int | None, read: Callable[[], Raw]) -> Raw:
    """read() with its images resized to size x size; from the cache if the same files were resized before."""
    kept = cache_folder() / "resized" / f"{_key(name, files, split, size)}.npz"
    try:
        with np.load(kept, allow_pickle=False) as arrays:
            return Raw(arrays["images"], arrays.get("labels"), _names(arrays.get("classes")))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not there, or not whole
    raw = read()
    if size is None or raw.images.shape[1:3] == (size, size):
        return raw
    raw = replace(raw, images=np.stack([resize(image, size) for image in raw.images]))
    _keep(kept, raw)
    return raw


def _key(name: str, files: list[Path], split: str, size: int | None) -> str:
    """Of the files as they are now: path, length and time of change."""
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((name, stats, split, size)).encode()).hexdigest()[:32]


def _names(classes) -> tuple[str, ...] | None:
    return None if classes is None else tuple(str(name) for name in classes)


def _keep(path: Path, raw: Raw) -> None:
    arrays = {"images": raw.images, "labels": raw.labels, "classes": raw.classes}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(temporary, **{name: np.asarray(array) for name, array in arrays.items() if array is not None})
    except OSError:
        pass  # a cache that cannot be written is done without
