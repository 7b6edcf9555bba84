"""The training image nearest to an image, and how far it is."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

AT_ONCE = 1 << 27
"""Bytes of training images in float64 at once."""


def nearest(images: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the training image nearest to each image, and the root mean squared difference a pixel.

    Parameters
    ----------
    images : (S, C, H, W)
    training : (N, C, H, W)

    Returns
    -------
    index, distance : (S,), (S,)
        Of equally near training images the first; distances are summed from differences, so that a copy is at 0.
    """
    flat, D = images.reshape(len(images), -1).astype(np.float64), training[0].size
    index, smallest = np.zeros(len(flat), dtype=np.int64), np.full(len(flat), np.inf)
    at_once = max(1, AT_ONCE // (8 * D))
    for start in range(0, len(training), at_once):
        block = training[start : start + at_once].reshape(-1, D).astype(np.float64)
        squared = cdist(flat, block, "sqeuclidean")
        best, least = squared.argmin(axis=1), squared.min(axis=1)
        nearer = least < smallest
        index[nearer], smallest[nearer] = start + best[nearer], least[nearer]
    return index, np.sqrt(smallest / D)
