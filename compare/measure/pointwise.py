"""How alike two denoisers are at the same noisy image, without ELS taken off: what the residual test leaves out."""

from __future__ import annotations

import numpy as np

from compare.measure.agreement import agreement
from compare.study.calibration import cosine_distance_of_noise

MEASURES = {"cosine_distance": "1 - cos between the noise that the two predict",
            "r2": "squared Pearson correlation of the two x0hat"}


def alike(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """MEASURES of each image, (2, images), of two posterior means at x (images, C, H, W); r2 of a constant is NaN."""
    return np.stack([cosine_distance_of_noise(x - first, x - second), agreement(first, second).r2])
