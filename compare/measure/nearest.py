"""The training image nearest to an image, and how far it is."""

from __future__ import annotations

import numpy as np

AT_ONCE = 1 << 27
"""Bytes of training images in float64 at once."""


def nearest(images: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training image nearest to each image: its index (S,), and the root mean squared difference a pixel (S,).

    images (S, C, H, W), training (N, C, H, W). Of equally near ones the first. By differences, not expanded squares.
    """
    flat, D = images.reshape(len(images), -1).astype(np.float64), training[0].size
    index, smallest = np.zeros(len(flat), dtype=np.int64), np.full(len(flat), np.inf)
    at_once = max(1, AT_ONCE // (8 * D))
    for start in range(0, len(training), at_once):
        block = training[start : start + at_once].reshape(-1, D).astype(np.float64)
        for s, image in enumerate(flat):
            squared = ((block - image) ** 2).mean(axis=1)
            best = squared.argmin()
            if squared[best] < smallest[s]:
                index[s], smallest[s] = start + best, squared[best]
    return index, np.sqrt(smallest)
