"""MNIST and Fashion-MNIST in their IDX files, plain or gzipped.

IDX: two zero bytes, a type byte (8 = unsigned byte), the number of dimensions; each dimension as a big-endian 32-bit
integer; the values, last dimension fastest.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.datasets.cache import cached
from empirical.datasets.raw import RawImages, Size
from empirical.datasets.sources import Download, find
from theory.errors import UserError

UNSIGNED_BYTE = 8
LIMIT = 2**30  # bytes of a file; the largest of the two sets has 47 million
ZALANDO = "b2617bb6d3ffa2e429640350f613e3291e10b141"  # the commit of their repository
DEBIAN = "/usr/share/datasets/fashion-mnist"  # of the package dataset-fashion-mnist


@dataclass(frozen=True)
class IdxSource:
    """Find and read one of the two sets; a `DatasetSource`.

    Parameters
    ----------
    folders : tuple of str
        Below data_dir or absolute, tried in turn.
    downloads : dict
        `Download` of each file by its name.
    """

    name: str
    folders: tuple[str, ...]
    downloads: dict[str, Download]
    classes: tuple[str, ...]

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Return the images and the labels."""
        stem = {"train": "train", "test": "t10k"}[split]
        names = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
        return [find(self.name, (name, f"{name}.gz"), data_dir, self.folders, self.downloads[f"{name}.gz"])
                for name in names]

    def read(self, files: list[Path], split: str, size: Size) -> RawImages:
        def read():
            images, labels = (read_idx(file, dimensions) for file, dimensions in zip(files, (3, 1)))
            return RawImages(images[..., None], labels.astype(np.int64), self.classes).resized(size)

        return cached(self.name, files, split, size, read)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the uint8 array of an IDX file, gzipped if its name ends so; raise a UserError if it is not whole."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = _inflated(path, content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{path}: got a broken gzip file ({error}), want a whole one") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        raise UserError(f"{path}: got no IDX header of {dimensions} dimensions of bytes, want one")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - header != math.prod(shape):
        raise UserError(f"{path}: got {len(content) - header} bytes after the header, want those of shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _inflated(path: Path, content: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        inflated = file.read(LIMIT + 1)
    if len(inflated) > LIMIT:
        raise UserError(f"{path}: holds more than {LIMIT} bytes, want at most so many")
    return inflated


MNIST = IdxSource(
    "mnist", ("MNIST/raw", "mnist"),
    {f"{name}.gz": Download((f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz",
                             f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}.gz"), f"sha256:{sha256}")
     for name, sha256 in {
         "train-images-idx3-ubyte": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
         "train-labels-idx1-ubyte": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
         "t10k-images-idx3-ubyte": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
         "t10k-labels-idx1-ubyte": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
     }.items()},
    tuple("0123456789"),
)
FASHION_MNIST = IdxSource(
    "fashion-mnist", ("FashionMNIST/raw", "fashion-mnist", DEBIAN),
    {f"{name}.gz": Download((f"https://fashion-mnist.s3.eu-central-1.amazonaws.com/{name}.gz",
                             "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
                             f"{ZALANDO}/data/fashion/{name}.gz"), f"sha256:{sha256}")
     for name, sha256 in {
         "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
         "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
         "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
         "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
     }.items()},
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
