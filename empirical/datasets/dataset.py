"""What a data set is: images in [-1, 1], labels, and a fingerprint that says exactly which data they were."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from empirical.pairs import PairedImages
from empirical.toy import ToyLayout
from theory.errors import UserError


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold images and what belongs to them.

    Parameters
    ----------
    name : str
        As in `empirical.datasets.load`.
    images : numpy.ndarray, float32 (N, C, H, W)
        In [-1, 1].
    labels : numpy.ndarray, int64 (N,), optional
    classes : tuple of str, optional
        What label i is called.
    layout : ToyLayout or PairedImages, optional
        How the images were made, of the sets that are.
    files : tuple of str, optional
        The file of each image, of sets that are folders of images.
    skipped : tuple of str
        Files that were left out because they could not be read.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    layout: ToyLayout | PairedImages | None = None
    files: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 over shape, dtype and bytes of the images, then of the labels where there are any."""
        digest = hashlib.sha256()
        for array in (self.images, self.labels):
            if array is not None:
                digest.update(f"{array.shape} {array.dtype.str} ".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def subset(self, count: int, seed: int) -> Dataset:
        """Return `count` of the images, the first of a permutation by `seed`; raise a UserError if there are fewer."""
        if not 1 <= count <= len(self.images):
            raise UserError(f"subset: got {count}, want 1 to {len(self.images)}, the images of {self.name}")
        kept = np.random.default_rng(seed).permutation(len(self.images))[:count]
        labels = None if self.labels is None else self.labels[kept]
        files = None if self.files is None else tuple(self.files[i] for i in kept)
        return replace(self, images=self.images[kept], labels=labels, files=files)

    def with_mirrored(self) -> Dataset:
        """Return it with every image's mirror image, left for right, after the images: twice as many."""
        labels = None if self.labels is None else np.concatenate([self.labels] * 2)
        files = None if self.files is None else self.files * 2
        return replace(self, images=np.concatenate([self.images, self.images[..., ::-1]]), labels=labels, files=files)
