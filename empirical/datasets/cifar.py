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
from empirical.datasets.raw import RawImages
from empirical.datasets.sources import Download, find
from theory.errors import UserError

FOLDER, ARCHIVE = "cifar-10-batches-py", "cifar-10-python.tar.gz"
BATCHES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}
SIDE = 32
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DOWNLOAD = Download((f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}",), "md5:c58f30108f718f92721af3b95e74349a")


@dataclass(frozen=True)
class CifarSource:
    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """The batches, or the archive."""
        folders = (FOLDER, "cifar10", f"cifar10/{FOLDER}")
        first = find("cifar10", (BATCHES[split][0], ARCHIVE), data_dir, folders, DOWNLOAD)
        files = [first] if first.name == ARCHIVE else [first.with_name(name) for name in BATCHES[split]]
        for file in files:
            if not file.is_file():
                raise UserError(f"cifar10: found no {file}, want it beside {first.name}")
        return files

    def read(self, files: list[Path], split: str, size: int | None) -> RawImages:
        contents = _members(files[0], split) if files[0].name == ARCHIVE else {f: f.read_bytes() for f in files}
        batches = [_batch(file, content) for file, content in contents.items()]
        images, labels = (np.concatenate(parts) for parts in zip(*batches))
        return RawImages(images, labels, CLASSES).resized(size)


def _members(archive: Path, split: str) -> dict[Path, bytes]:
    try:
        with tarfile.open(archive) as tar:
            return {archive / name: tar.extractfile(f"{FOLDER}/{name}").read() for name in BATCHES[split]}
    except (tarfile.TarError, KeyError, AttributeError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"{archive}: got a broken archive ({error}), want {ARCHIVE} whole") from error


def _batch(file: Path, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) and labels (n,) of one batch."""
    try:
        batch = inert_pickle.loads(content)
        data, labels = inert_pickle.array(batch["data"]), np.asarray(batch["labels"], dtype=np.int64)
        images = data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file}: got no CIFAR batch ({error}), want one") from error
    return images, labels


CIFAR10 = CifarSource()
