"""Arrays of images in one .npz file.

    x_train, y_train, x_test, y_test      or      x (or images), y (or labels), split ("train", "test", ...), classes

x: uint8 (N, H, W, C) or (N, H, W); y: integers (N,); all but x may be missing.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.datasets.raw import RawImages
from theory.errors import UserError

IMAGES, LABELS = ("x", "images"), ("y", "labels")


@dataclass(frozen=True)
class NpzSource:
    path: Path

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """The file, as it is named or below data_dir."""
        for top in (Path(), Path(data_dir or "")):
            if (top / self.path).is_file():
                return [top / self.path]
        raise UserError(f"npz: found no file {self.path}, want one")

    def read(self, files: list[Path], split: str, size: int | None) -> RawImages:
        try:
            with files[0].open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return _raw(dict(arrays), split).resized(size)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{files[0]}: {str(error).splitlines()[0]}") from error


def _raw(arrays: dict[str, np.ndarray], split: str) -> RawImages:
    images, labels = (_first(arrays, [f"{name}_{split}" for name in names] + list(names)) for names in (IMAGES, LABELS))
    if images is None:
        raise UserError(f"got arrays {', '.join(arrays)}, want x, images, or x_{split}")
    if split == "test" and f"x_{split}" not in arrays and f"images_{split}" not in arrays and "split" not in arrays:
        raise UserError("got no test images, want x_test, or x with split")
    if "split" in arrays:
        kept = arrays["split"] == split
        images, labels = images[kept], None if labels is None else labels[kept]
    if images.ndim == 3:
        images = images[..., None]
    classes = tuple(str(name) for name in arrays["classes"]) if "classes" in arrays else None
    return RawImages(images, None if labels is None else labels.astype(np.int64), classes)


def _first(arrays: dict[str, np.ndarray], names: list[str]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)
