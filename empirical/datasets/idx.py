"""MNIST and Fashion-MNIST in their IDX files, plain or gzipped.

IDX: two zero bytes, a type byte (8 = unsigned byte), the number of dimensions; each dimension as a big-endian 32-bit
integer; the values, last dimension fastest.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.datasets.cache import cached
from empirical.datasets.raw import RawImages
from empirical.datasets.sources import Download, find
from theory.errors import UserError

UNSIGNED_BYTE = 8
DEBIAN = "/usr/share/datasets/fashion-mnist"  # of the package dataset-fashion-mnist


@dataclass(frozen=True)
class IdxSource:
    """One of the two sets: where its four files lie and whence they come.

    folders: below data_dir or absolute, tried in turn        downloads: file name to its Download
    """

    name: str
    folders: tuple[str, ...]
    downloads: dict[str, Download]
    classes: tuple[str, ...]

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        stem = {"train": "train", "test": "t10k"}[split]
        names = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
        return [find(self.name, (name, f"{name}.gz"), data_dir, self.folders, self.downloads[f"{name}.gz"])
                for name in names]

    def read(self, files: list[Path], split: str, size: int | None) -> RawImages:
        def read():
            images, labels = (read_idx(file, dimensions) for file, dimensions in zip(files, (3, 1)))
            return RawImages(images[..., None], labels.astype(np.int64), self.classes).resized(size)

        return cached(self.name, files, split, size, read)


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array of an IDX file, gzipped if its name ends so. UserError if it is not whole."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{path}: got a broken gzip file ({error}), want a whole one") from error
    header = 4 + 4 * dimensions
    if len(content) < header or content[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        raise UserError(f"{path}: got no IDX header of {dimensions} dimensions of bytes, want one")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - header != np.prod(shape, dtype=np.int64):
        raise UserError(f"{path}: got {len(content) - header} bytes after the header, want those of shape {shape}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


MNIST = IdxSource(
    "mnist", ("MNIST/raw", "mnist"),
    {f"{name}.gz": Download((f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz",
                             f"https://storage.googleapis.com/cvdf-datasets/mnist/{name}.gz"), f"md5:{md5}")
     for name, md5 in {
         "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
         "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
         "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
         "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
     }.items()},
    tuple("0123456789"),
)
FASHION_MNIST = IdxSource(
    "fashion-mnist", ("FashionMNIST/raw", "fashion-mnist", DEBIAN),
    {f"{name}.gz": Download((f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}.gz",), f"md5:{md5}")
     for name, md5 in {
         "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
         "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
         "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
         "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
     }.items()},
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
