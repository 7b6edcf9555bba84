"""The Gaussian score: what follows from mean and covariance of D alone, the baseline that is not easily beaten."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.linalg import eigh, svd

from theory.errors import UserError
from theory.machines.machine import ScoreMachine


class WienerScore(ScoreMachine):
    """The posterior mean for x0 ~ N(m, S), the best affine denoiser (Wiener filter; Wang & Vastola 2024).

        x0 = m + S (S + sigma^2 I)^-1 (x - m),   m = mean of D,   S = (1 - rho) S_D + rho tr(S_D) / d I
    S_D: covariance of D (divided by N) over the d = C * H * W pixels
    rho: shrinkage towards white, so that few images in many pixels do not pass for certainty; by Ledoit & Wolf (2004)
        from D itself, or `shrinkage=`, a number in [0, 1]
    images (N, C, H, W) float in [-1, 1]; labels (N,) integers for class-conditional use, or None.
    Limits: sigma -> 0, x itself (its part inside the span of D without shrinkage); sigma -> infinity, the mean image.
    """

    def __init__(self, images, labels=None, shrinkage: float | None = None):
        super().__init__(images, labels)
        if shrinkage is not None and not 0.0 <= shrinkage <= 1.0:
            raise UserError(f"shrinkage: got {shrinkage!r}, want None or a number in [0, 1]")
        self.shrinkage = shrinkage
        self._moments = lru_cache(maxsize=16)(self._moments_of)

    def _denoise(self, x, sigma, request):
        mean, axes, variances, floor = self._moments(tuple(request.order.tolist()), request.left_out)
        flat = x.reshape(len(x), -1) - mean
        noise = sigma[:, None] ** 2
        inside = flat @ axes.T  # coordinates along the axes of D; the rest of the space has variance `floor`
        gain = variances / (variances + noise) - floor / (floor + noise)
        return (mean + floor / (floor + noise) * flat + (gain * inside) @ axes).reshape(x.shape)

    def _posterior(self, x, sigma, request):
        raise UserError("attribute: WienerScore knows only D's mean and covariance, want a machine of its patches")

    def _moments_of(self, order: tuple[int, ...], left_out: int):
        """Mean (d,), principal axes (rank, d), their variances after shrinkage, and the variance everywhere else."""
        present = self._bank.present(list(order), left_out)
        lanes = np.moveaxis(self._bank.blocks[list(order)], -1, 1)  # (blocks, n, C, H, W)
        images = lanes[present].reshape(present.sum(), -1).astype(np.float64)
        N, d = images.shape
        mean = images.mean(axis=0)
        centred = images - mean
        variances, axes = _principal_axes(centred)
        rho = self.shrinkage if self.shrinkage is not None else _ledoit_wolf(centred, variances)
        floor = rho * variances.sum() / d
        return mean, axes, (1.0 - rho) * variances + floor, floor


def _principal_axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances (rank,) and unit axes (rank, d) of rows (N, d), by the smaller of two decompositions."""
    N, d = centred.shape
    if N > d:
        variances, axes = eigh(centred.T @ centred / N)
        return np.maximum(variances, 0.0), axes.T
    _, singular, axes = svd(centred, full_matrices=False)
    return singular**2 / N, axes


def _ledoit_wolf(centred: np.ndarray, variances: np.ndarray) -> float:
    """rho = min(1, b^2 / d^2): sampling error of the covariance over its distance from white (Ledoit & Wolf 2004)."""
    N, d = centred.shape
    squared_norm = (variances**2).sum()  # |S_D|^2, Frobenius
    distance = squared_norm - variances.sum() ** 2 / d
    error = (((centred**2).sum(axis=1) ** 2).mean() - squared_norm) / N
    return float(min(1.0, error / distance)) if distance > 0.0 else 1.0
