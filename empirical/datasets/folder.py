"""Folders of image files: one's own (`folder:PATH`) and CelebA's aligned faces.

PATH/anything.png, or PATH/CLASS/anything.png where the folders that hold the images are the classes, or either of them
below PATH/train and PATH/test; or PATH itself is one image. Files and folders whose names begin with a dot are left
out; links to folders are followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empirical.datasets.cache import cached
from empirical.datasets.decode import decode
from empirical.datasets.raw import RawImages, Size
from empirical.datasets.sources import DatasetNotFound, find
from theory.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
FACES, PARTITION = "img_align_celeba", "list_eval_partition.txt"
PARTS = {"train": "0", "test": "2"}  # 1 is validation


@dataclass(frozen=True)
class FolderSource:
    """Find and read the images below `path`; a `DatasetSource`. `skip_bad` leaves out those that cannot be read."""

    path: Path
    skip_bad: bool = False

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Return its image files in the order of their names; or the one file, if the path is one."""
        if self.path.is_file() and split == "train":
            return [self.path]
        top = self._top(data_dir, split)
        found = sorted(_images_below(top, ()))
        if not found:
            raise UserError(f"folder: found no images in {top}, want some of {', '.join(SUFFIXES)}")
        _check_leaves(found)
        return found

    def read(self, files: list[Path], split: str, size: Size) -> RawImages:
        """Return the images, with a class for each folder that holds some if there are several."""
        name = "folder, bad ones skipped" if self.skip_bad else "folder"
        return cached(name, files, split, size, lambda: self._decoded(files, size))

    def _top(self, data_dir: str | Path | None, split: str) -> Path:
        top = next((top for top in (self.path, Path(data_dir or "") / self.path) if top.is_dir()), None)
        if top is None:
            raise DatasetNotFound(f"folder: found no folder {self.path}, want one with images")
        if (top / split).is_dir():
            return top / split
        if split != "train":
            raise DatasetNotFound(f"folder: found no {top / split}, want it for the split {split!r}")
        return top

    def _decoded(self, files: list[Path], size: Size) -> RawImages:
        images, skipped = decode(files, size, self.skip_bad)
        left = {files[i] for i in skipped}
        kept = [file for file in files if file not in left]
        top = _common(files)
        names = [file.relative_to(top).as_posix() for file in kept]
        folders = [file.parent.relative_to(top).as_posix() for file in kept]
        classes = tuple(sorted(set(folders)))
        labels = np.array([classes.index(folder) for folder in folders], dtype=np.int64)
        several = len(classes) > 1
        return RawImages(images, labels if several else None, classes if several else None, tuple(names),
                         tuple(str(file) for file in files if file in left))


def _images_below(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the image files in a folder and below; not again those of a folder that a link leads back to."""
    here = folder.resolve()
    if here in above:
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _images_below(path, (*above, here))
        elif path.suffix.lower() in SUFFIXES and path.is_file():
            yield path


def _check_leaves(files: list[Path]) -> None:
    """Raise a UserError for a folder that holds images beside a folder that does."""
    holding = {file.parent for file in files}
    for folder in sorted(holding):
        above = next((parent for parent in folder.parents if parent in holding), None)
        if above is not None:
            beside = next(file for file in files if file.parent == above)
            raise UserError(f"folder: got {beside.name} beside the folder {folder.relative_to(above)} in {above}, want "
                            "images in a folder, or folders of images that are the classes")


def _common(files: list[Path]) -> Path:
    """Return the lowest folder that all are below."""
    folders = {file.parent for file in files}
    first = min(folders)
    return next(top for top in (first, *first.parents) if all(folder.is_relative_to(top) for folder in folders))


@dataclass(frozen=True)
class CelebaSource:
    """Find and read CelebA; a `DatasetSource`.

    celeba/img_align_celeba/000001.jpg, ... and celeba/list_eval_partition.txt, torchvision's layout; no labels.
    """

    def files(self, data_dir: str | Path | None, split: str) -> list[Path]:
        """Return the list of the splits, and the folder of the faces."""
        partition = find("celeba", (PARTITION,), data_dir, ("celeba",), None)
        faces = partition.parent / FACES
        if not faces.is_dir():
            raise DatasetNotFound(f"celeba: found no folder {faces}, want the aligned faces, 000001.jpg and on, in it")
        return [partition, faces]

    def read(self, files: list[Path], split: str, size: Size) -> RawImages:
        """Return the faces of the split."""
        partition, faces = files
        rows = [line.split() for line in partition.read_text(encoding="utf-8", errors="replace").splitlines()]
        if not all(len(row) == 2 for row in rows):
            raise UserError(f"{partition}: got lines other than 'NAME 0', want a name and 0, 1 or 2 on each")
        there = sum(1 for path in faces.iterdir() if path.suffix.lower() in SUFFIXES)
        if len(rows) < there:
            raise UserError(f"{partition}: got {len(rows)} lines for {there} images in {faces}, want the list whole")
        chosen = [name for name, part in rows if part == PARTS[split]]
        if not chosen:
            raise UserError(f"{partition}: got no images of the split {split!r}, want lines 'NAME {PARTS[split]}'")
        read = lambda: RawImages(decode([faces / name for name in chosen], size)[0], files=tuple(chosen))
        return cached("celeba", files, split, size, read)


CELEBA = CelebaSource()
