"""CIFAR-10 in its Python version: six pickled batches, in a folder or in the archive as it is distributed.

A batch is a dict with `data`, uint8 (10000, 3072), a row the red, the green and the blue plane of 32 x 32 pixels, and
`labels`, a list of 0..9. Nothing in it is executed (`empirical.datasets.inert_pickle`).
"""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.datasets import inert_pickle
from empirical.datasets.raw import RawImages, Size
from empirical.datasets.sources import DatasetNotFound, Download, find
from theory.errors import UserError

FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
SIDE = 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DOWNLOAD = Download((f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",),
                    "sha256:6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce")


@dataclass(frozen=True)
class CifarSource:
    """Find and read CIFAR-10; a `DatasetSource`."""

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Return the batches, or the archive."""
        folders = (FOLDER, "cifar10", f"cifar10/{FOLDER}")
        first = find("cifar10", (BATCHES[split][0], ARCHIVE), data_dir, folders, DOWNLOAD)
        files = [first] if first.name == ARCHIVE else [first.with_name(name) for name in BATCHES[split]]
        for file in files:
            if not file.is_file():
                raise DatasetNotFound(f"cifar10: found no {file}, want it beside {first.name}")
        return files

    def read(self, files: list[Path], split: str, size: Size) -> RawImages:
        contents = _members(files[0], split) if files[0].name == ARCHIVE else {f: _content(f) for f in files}
        batches = [_batch(file, content) for file, content in contents.items()]
        images, labels = (np.concatenate(parts) for parts in zip(*batches))
        return RawImages(images, labels, CLASSES).resized(size)


def _content(file: Path) -> bytes:
    if file.stat().st_size > inert_pickle.LIMIT:
        raise UserError(f"{file}: got {file.stat().st_size} bytes, want at most {inert_pickle.LIMIT}")
    return file.read_bytes()


def _members(archive: Path, split: str) -> dict[Path, bytes]:
    try:
        with tarfile.open(archive) as tar:
            members = {name: tar.getmember(f"{FOLDER}/{name}") for name in BATCHES[split]}
            large = [name for name, member in members.items() if member.size > inert_pickle.LIMIT]
            if large:
                raise UserError(f"{archive}: got {members[large[0]].size} bytes in {large[0]}, want at most "
                                f"{inert_pickle.LIMIT}")
            return {archive / name: tar.extractfile(member).read() for name, member in members.items()}
    except (tarfile.TarError, KeyError, AttributeError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"{archive}: got a broken archive ({error}), want {ARCHIVE} whole") from error


def _batch(file: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) and labels (n,) of one batch."""
    try:
        batch = inert_pickle.loads(content)
        labels = np.asarray(batch["labels"], dtype=np.int64)
        images = batch["data"].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(f"{file}: got no CIFAR batch ({error}), want one") from error
    return images, labels


CIFAR10 = CifarSource()
