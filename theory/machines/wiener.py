"""The Gaussian score: what follows from mean and covariance of D alone, the baseline that is not easily beaten.

    x0 = m + S (S + sigma^2 I)^-1 (x - m),   m = mean of D,   S = (1 - rho) S_D + rho tr(S_D) / d I

Window: the whole image. No candidates: the answer is affine in x, an average of nothing that could be named.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

from theory import arguments
from theory.machines.bounded_cache import BoundedCache
from theory.machines.machine import ScoreMachine

MOMENTS_BYTES = 1 << 30
"""Memory for the moments of classes and of sets without an image that a machine keeps."""

NO_VARIANCE = 1e-10
"""Variances below this, relative to the largest, are what rounding left of none: an axis cannot be told from them."""


class WienerScore(ScoreMachine):
    """Denoise by the Wiener filter, the posterior mean for x0 ~ N(m, S) and the best affine denoiser.

    ::

        x0 = m + S (S + sigma^2 I)^-1 (x - m),   m = mean of D,   S = (1 - rho) S_D + rho tr(S_D) / d I

    with S_D the covariance of D (divided by N) over the d = C * H * W pixels, and rho the shrinkage towards white, so
    that few images in many pixels do not pass for certainty.

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    labels : array (N,) of int, optional
        For class-conditional use.
    shrinkage : float, optional
        rho in [0, 1]; by default of [LW2004]_, from D itself.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    [WV2024]_ find it to predict networks at high noise. As sigma falls to 0, x itself (its part inside the span of D
    without shrinkage); as it grows, the mean image.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import WienerScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8))
    >>> mean = WienerScore(images).denoise(images[:2], 1e4)
    >>> bool(np.allclose(mean, images.mean(axis=0), atol=1e-3))
    True
    """

    def __init__(self, images, labels=None, shrinkage: float | None = None):
        super().__init__(images, labels)
        self.shrinkage = arguments.fraction("shrinkage", shrinkage)
        self._gaussians = BoundedCache(MOMENTS_BYTES)

    def _denoise(self, x, sigma, request):
        mean = self._gaussian(request)[0].reshape(x.shape[1:])
        return mean + self._filtered(x - mean, sigma, request)

    def _moments(self, x, sigma, request):
        _, axes, variances, floor = self._gaussian(request)
        elsewhere, along = _gains(variances, floor, sigma)
        variance = sigma[:, None] ** 2 * (elsewhere + along @ axes**2)  # sigma^2 times the filter's diagonal
        return self._denoise(x, sigma, request), variance.reshape(x.shape)

    def _with_pull_back(self, x, sigma, request):
        return self._denoise(x, sigma, request), lambda a: self._filtered(a, sigma, request)  # which is symmetric

    def _filtered(self, x, sigma, request):
        """S (S + sigma^2)^-1 x."""
        _, axes, variances, floor = self._gaussian(request)
        elsewhere, along = _gains(variances, floor, sigma)
        flat = x.reshape(len(x), -1)
        return (elsewhere * flat + (along * (flat @ axes.T)) @ axes).reshape(x.shape)

    def _gaussian(self, request):
        key = tuple(request.order.tolist()), request.left_out
        return self._gaussians.get(key, lambda: self._gaussian_of(request.order, request.left_out))

    def _gaussian_of(self, order: np.ndarray, left_out: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Mean (d,), principal axes (rank, d), their variances after shrinkage, and the variance everywhere else."""
        present = self._bank.present(order, left_out)
        lanes = np.moveaxis(self._bank.blocks[order], -1, 1)  # (blocks, n, C, H, W)
        images = lanes[present].reshape(present.sum(), -1).astype(np.float64)
        mean = images.mean(axis=0)
        centred = images - mean
        variances, axes = _principal_axes(centred)
        rho = self.shrinkage if self.shrinkage is not None else _ledoit_wolf(centred, variances)
        floor = rho * variances.sum() / images.shape[1]
        return mean, axes, (1.0 - rho) * variances + floor, floor


def _gains(variances: np.ndarray, floor: float, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The filter's gain where the variance is `floor` (B, 1), and how much more it is along the axes (B, rank)."""
    noise = sigma[:, None] ** 2
    elsewhere = floor / (floor + noise)
    return elsewhere, variances / (variances + noise) - elsewhere


def _principal_axes(centred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances (rank,) and unit axes (rank, d) of rows (N, d), from the smaller of two matrices of products."""
    N, d = centred.shape
    if N > d:
        variances, axes = eigh(centred.T @ centred / N)
        return np.maximum(variances, 0.0), axes.T
    variances, combinations = eigh(centred @ centred.T / N)
    there = variances > NO_VARIANCE * variances[-1]
    variances, combinations = variances[there], combinations[:, there]
    return variances, (combinations / np.sqrt(N * variances)).T @ centred


def _ledoit_wolf(centred: np.ndarray, variances: np.ndarray) -> float:
    """rho = min(1, b^2 / d^2): sampling error of the covariance over its distance from white, [LW2004]."""
    N, d = centred.shape
    squared_norm = (variances**2).sum()  # |S_D|^2, Frobenius
    distance = squared_norm - variances.sum() ** 2 / d
    error = (((centred**2).sum(axis=1) ** 2).mean() - squared_norm) / N
    return float(min(1.0, error / distance)) if distance > 0.0 else 1.0
