"""How far two denoisers are from each other, or from the truth, at the same noisy image."""

from __future__ import annotations

import numpy as np

from compare.measure.agreement import agreement

MEASURES = {"cosine_distance": "1 - cos between the noise that the two predict",
            "r2": "squared Pearson correlation of the two x0hat"}


def pointwise_agreement(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return MEASURES of each image, (2, images), of two posterior means at x (images, C, H, W); r2 of a constant is
    NaN."""
    return np.stack([noise_cosine_distance(x - first, x - second), agreement(first, second).r2])


def noise_cosine_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return 1 - cos between predicted noises (..., C, H, W), each up to a factor; leading axes broadcast.

    From the angle between them, 2 sin^2(angle / 2): at high noise every eps is nearly phi itself, and cosines that
    differ only beyond 1 - 1e-16 would all look the same.
    """
    u, v = _directions(first), _directions(second)
    angle = 2.0 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    return 2.0 * np.sin(angle / 2.0) ** 2


def squared_error(truth: np.ndarray, x0: np.ndarray) -> np.ndarray:
    """Return the mean squared difference of candidates x0 (K, B, C, H, W) from truth (B, C, H, W): (K, B)."""
    return ((x0 - truth) ** 2).mean(axis=(-3, -2, -1))


def _directions(eps: np.ndarray) -> np.ndarray:
    """(..., C, H, W) -> (..., C H W) of norm 1, or 0."""
    eps = eps.reshape(*eps.shape[:-3], -1)
    norm = np.linalg.norm(eps, axis=-1, keepdims=True)
    return np.divide(eps, norm, out=np.zeros_like(eps), where=norm > 0.0)
