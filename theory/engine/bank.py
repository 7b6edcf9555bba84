"""The training set in the layout that the kernels scan: blocks of images, image index innermost, classes apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory._kernels.numerics import LANES, ROW
from theory.errors import UserError


@dataclass(frozen=True, eq=False)
class Bank:
    """Training images in blocks of n; each class (all images are one class without labels) has its own blocks."""

    blocks: np.ndarray  # (M, C, H, W, n) float32
    index: np.ndarray  # (M, n) int64: the image in each lane, -1 for none
    classes: dict[int, np.ndarray]  # label -> its blocks; empty without labels
    low: np.ndarray  # (C,): the smallest pixel of each channel
    high: np.ndarray  # (C,): the largest

    @classmethod
    def build(cls, images: np.ndarray, labels: np.ndarray | None = None, columns: int | None = None) -> Bank:
        """images (N, C, H, W) float32; labels (N,) of integers, or None; columns: candidates in a row, W by default."""
        names = [] if labels is None else np.unique(labels)
        groups = [np.arange(len(images))] if labels is None else [np.flatnonzero(labels == c) for c in names]
        fill = ROW // (LANES * (columns or images.shape[3]))
        lanes = LANES * max(1, min(fill, -(-max(map(len, groups)) // LANES)))
        counts = [-(-len(group) // lanes) for group in groups]
        index = np.full((sum(counts), lanes), -1, dtype=np.int64)
        first = np.concatenate([[0], np.cumsum(counts)])
        for start, group in zip(first, groups):
            index[start:].reshape(-1)[: len(group)] = group
        blocks = np.zeros((len(index), *images.shape[1:], lanes), dtype=np.float32)
        for block, members in zip(blocks, index):
            present = members >= 0
            block[..., present] = np.moveaxis(images[members[present]], 0, -1)
        classes = {int(c): np.arange(first[i], first[i + 1]) for i, c in enumerate(names)}
        return cls(blocks, index, classes, images.min(axis=(0, 2, 3)), images.max(axis=(0, 2, 3)))

    @property
    def largest(self) -> float:
        """The largest absolute pixel."""
        return float(max(np.abs(self.low).max(), np.abs(self.high).max()))

    @property
    def images_per_block(self) -> int:
        """n, the images in a block."""
        return self.index.shape[1]

    def present(self, order: np.ndarray, left_out: int = -1) -> np.ndarray:
        """Which lanes of the blocks `order` hold an image, and not the one left out (-1: none is): (blocks, n) bool."""
        index = self.index[order]
        return (index >= 0) & (index != left_out)

    def blocks_of(self, label: int | None = None, name: str = "labels") -> np.ndarray:
        """The blocks to visit: all, or those of one class; UserError for a class without images."""
        if label is None:
            return np.arange(len(self.blocks))
        if label not in self.classes:
            raise UserError(f"{name}: got class {label} without a training image, want one of {sorted(self.classes)}")
        return self.classes[label]
