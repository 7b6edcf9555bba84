"""Arrays of images in a file of numpy: `npz:FILE` with names, `npy:FILE` the images alone.

    x_train, y_train, x_test, y_test      or      x (or images), y (or labels), split ("train", "test", ...), classes

x: uint8 (N, H, W, C) or (N, H, W), or floats (N, C, H, W) in [-1, 1]; y: integers (N,); all but x may be missing.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.datasets.raw import RawImages, Size
from empirical.datasets.sources import DatasetNotFound
from theory.errors import UserError

IMAGES, LABELS = ("x", "images"), ("y", "labels")
LIMIT = 4 * 2**30  # bytes of the arrays in a file, once they are unpacked
NPY, ZIP = b"\x93NUMPY", b"PK"  # how the two kinds of file begin


@dataclass(frozen=True)
class ArraySource:
    """Find and read a file of numpy; a `DatasetSource`. `kind` is "npz" or "npy"."""

    path: Path
    kind: str

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Return the file, as it is named or below data_dir."""
        for top in (Path(), Path(data_dir or "")):
            if (top / self.path).is_file():
                return [top / self.path]
        raise DatasetNotFound(f"{self.kind}: found no file {self.path}, want one")

    def read(self, files: list[Path], split: str, size: Size) -> RawImages:
        """Return its images of the split, and their labels and classes."""
        file = files[0]
        try:
            _check_kind(file, self.kind)
            raw = _from_npz(file, split) if self.kind == "npz" else _from_npy(file, split)
            return raw.resized(size)
        except DatasetNotFound as error:
            raise DatasetNotFound(f"{file}: {error}") from error
        except Exception as error:  # numpy and zipfile raise whatever they like on damaged files
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(f"{file}: {reason}") from error


def _check_kind(file: Path, kind: str) -> None:
    with file.open("rb") as opened:
        start = opened.read(6)
    for other, magic in (("npy", NPY), ("npz", ZIP)):
        if other != kind and start.startswith(magic):
            raise UserError(f"got an .{other} file, want an .{kind}; read it as {other}:{file}")
    if not start.startswith(NPY if kind == "npy" else ZIP):
        raise UserError(f"got no .{kind} file, want one as numpy writes it")


def _check_bytes(needed: int) -> None:
    if needed > LIMIT:
        raise UserError(f"holds arrays of {needed / 2**30:.1f} GiB, want at most {LIMIT / 2**30:.1f} GiB; take a part "
                        "of the images first")


def _from_npz(file: Path, split: str) -> RawImages:
    with zipfile.ZipFile(file) as members:
        wanted = {f"{name}{end}.npy" for name in (*IMAGES, *LABELS) for end in ("", f"_{split}")}
        wanted |= {"split.npy", "classes.npy"}
        _check_bytes(sum(member.file_size for member in members.infolist() if member.filename in wanted))
    with np.load(file, allow_pickle=False) as arrays:
        return _raw(arrays, split)


def _from_npy(file: Path, split: str) -> RawImages:
    if split != "train":
        raise DatasetNotFound("got no test images, want an .npz with x_test, or x with split")
    with np.errstate(over="ignore"):  # of a header that promises more than there can be
        images = np.load(file, mmap_mode="r", allow_pickle=False)
    _check_bytes(images.nbytes)
    return RawImages(_channels_last(np.array(images)))


def _raw(arrays: Mapping[str, np.ndarray], split: str) -> RawImages:
    images, labels = (_first(arrays, [f"{name}_{split}" for name in names] + list(names)) for names in (IMAGES, LABELS))
    if split == "test" and not {f"{name}_test" for name in IMAGES} & set(arrays) and "split" not in arrays:
        raise DatasetNotFound("got no test images, want x_test, or x with split")
    if images is None:
        raise UserError(f"got arrays {', '.join(arrays)}, want x, images, or x_{split}")
    images = _channels_last(images)
    if labels is not None and labels.dtype.kind not in "iu":
        raise UserError(f"labels: got {labels.dtype}, want integers")
    if labels is not None and labels.shape != (len(images),):
        raise UserError(f"labels: got {labels.shape} for {len(images)} images, want one an image")
    if "split" in arrays:
        parts = arrays["split"]
        if parts.shape != (len(images),):
            raise UserError(f"split: got {parts.shape} for {len(images)} images, want one an image")
        images, labels = images[parts == split], None if labels is None else labels[parts == split]
    classes = tuple(str(name) for name in arrays["classes"].ravel()) if "classes" in arrays else None
    return RawImages(images, None if labels is None else labels.astype(np.int64), classes)


def _channels_last(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) of bytes (N, H, W[, C]) or floats (N, [C, ]H, W)."""
    if images.ndim == 3:
        return images[..., None]
    return images.transpose(0, 2, 3, 1) if images.ndim == 4 and images.dtype.kind == "f" else np.atleast_1d(images)


def _first(arrays: Mapping[str, np.ndarray], names: list[str]) -> np.ndarray | None:
    return next((arrays[name] for name in names if name in arrays), None)
