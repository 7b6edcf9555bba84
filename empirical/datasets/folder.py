"""Folders of image files: one's own (`folder:PATH`) and CelebA's aligned faces.

PATH/anything.png, or PATH/CLASS/anything.png where the sub-folders are the classes, or either of them below PATH/train
and PATH/test; or PATH itself is one image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from empirical.datasets.cache import cached
from empirical.datasets.raw import RawImages, resize
from empirical.datasets.sources import find
from theory.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
GREY, COLOUR = ("1", "L"), ("RGB", "RGBA", "P", "LA", "CMYK", "YCbCr")
FACES, PARTITION = "img_align_celeba", "list_eval_partition.txt"
PARTS = {"train": "0", "test": "2"}  # 1 is validation


@dataclass(frozen=True)
class FolderSource:
    path: Path

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Its image files in the order of their names; or the one file, if the path is one."""
        if self.path.is_file() and split == "train":
            return [self.path]
        top = next((top for top in (self.path, Path(data_dir or "") / self.path) if top.is_dir()), None)
        if top is None:
            raise UserError(f"folder: found no folder {self.path}, want one with images")
        if (top / split).is_dir():
            top = top / split
        elif split != "train":
            raise UserError(f"folder: found no {top / split}, want it for the split {split!r}")
        found = sorted(file for file in top.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not found:
            raise UserError(f"folder: found no images in {top}, want some of {', '.join(SUFFIXES)}")
        return found

    def read(self, files: list[Path], split: str, size: int | None) -> RawImages:
        folders = [file.parent for file in files]
        names = sorted(set(folders))
        labels, classes = None, None
        if len(names) > 1:
            labels = np.array([names.index(folder) for folder in folders], dtype=np.int64)
            classes = tuple(folder.name for folder in names)
        return cached("folder", files, split, size, lambda: RawImages(decode(files, size), labels, classes))


@dataclass(frozen=True)
class CelebaSource:
    """celeba/img_align_celeba/000001.jpg, ... and celeba/list_eval_partition.txt, torchvision's layout; no labels."""

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """The list of the splits, and the folder of the faces."""
        partition = find("celeba", (PARTITION,), data_dir, ("celeba",), None)
        faces = partition.parent / FACES
        if not faces.is_dir():
            raise UserError(f"celeba: found no folder {faces}, want the aligned faces, 000001.jpg and on, in it")
        return [partition, faces]

    def read(self, files: list[Path], split: str, size: int | None) -> RawImages:
        partition, faces = files
        rows = [line.split() for line in partition.read_text().splitlines()]
        if not all(len(row) == 2 for row in rows):
            raise UserError(f"{partition}: got lines other than 'NAME 0', want a name and 0, 1 or 2 on each")
        chosen = [faces / name for name, part in rows if part == PARTS[split]]
        return cached("celeba", files, split, size, lambda: RawImages(decode(chosen, size)))


def decode(files: Sequence[Path], size: int | None) -> np.ndarray:
    """uint8 (N, size, size, C): C is 1 if every image is grey, else 3. UserError names the file that fails."""
    from tqdm import tqdm  # not at the top: it slows down --help

    images = [_image(file, size) for file in tqdm(files, desc="images", disable=None, leave=False)]
    channels = max((image.shape[-1] for image in images), default=1)
    shapes = {image.shape[:2] for image in images}
    if len(shapes) > 1:
        raise UserError(f"size: got None for images of {len(shapes)} sizes, want one to resize them to")
    return np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])


def _image(file: Path, size: int | None) -> np.ndarray:
    try:
        with Image.open(file) as image:
            if image.mode not in GREY + COLOUR:
                raise UserError(f"{file}: got mode {image.mode}, want 8 bits a channel")
            return resize(image.convert("L" if image.mode in GREY else "RGB"), size)
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        raise UserError(f"{file}: got no image that can be read ({error})") from error


CELEBA = CelebaSource()
