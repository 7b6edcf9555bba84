"""A Gaussian of low rank plus white: its filter, its density, and its fit to images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from theory.engine.bank import Bank
from theory.engine.scan_options import ScanOptions

NO_VARIANCE = 1e-10
"""Variances below this, relative to the largest, are what rounding left of none: an axis cannot be told from them."""


class Gaussian(NamedTuple):
    """N(mean, S) over d pixels, S with `variances` along `axes` and the variance `floor` everywhere else."""

    mean: np.ndarray  # (d,)
    axes: np.ndarray  # (rank, d), orthonormal
    variances: np.ndarray  # (rank,)
    floor: np.ndarray  # ()

    @classmethod
    def of_images(cls, flat: np.ndarray, shrinkage: float | None, rank: int | None = None) -> Gaussian:
        """The moments of images (N, d), the covariance shrunk towards white: (1 - rho) S_D + rho tr(S_D) / d I.

        shrinkage: rho, by default of [LW2004]; rank: axes to keep, the others share their variance evenly.
        """
        mean = flat.mean(axis=0)
        centred = flat - mean
        variances, axes = _principal_axes(centred)
        rho = _ledoit_wolf(centred, variances) if shrinkage is None else shrinkage
        floor = rho * variances.sum() / flat.shape[1]
        return cls(mean, axes, (1.0 - rho) * variances + floor, np.array(floor)).of_rank(rank)

    @classmethod
    def of_covariance(cls, mean: np.ndarray, covariance: np.ndarray, rank: int | None = None) -> Gaussian:
        """mean (d,), covariance (d, d)."""
        variances, axes = eigh(covariance)
        return cls(mean, axes.T, np.maximum(variances, 0.0), np.array(0.0)).of_rank(rank)

    def of_rank(self, rank: int | None) -> Gaussian:
        """The largest `rank` axes kept, the variance of all others spread evenly over what they span."""
        d = len(self.mean)
        if rank is None or rank >= len(self.variances):
            return self
        order = np.argsort(self.variances)[::-1]
        kept, rest = order[:rank], order[rank:]
        spread = self.variances[rest].sum() + (d - len(order)) * self.floor
        return Gaussian(self.mean, self.axes[kept], self.variances[kept], np.array(spread / (d - rank)))

    def filtered(self, flat: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """S (S + sigma^2)^-1 applied to (B, d) at noise (B,)."""
        elsewhere, along = self._gains(sigma)
        return elsewhere * flat + (along * (flat @ self.axes.T)) @ self.axes

    def variance(self, sigma: np.ndarray) -> np.ndarray:
        """The posterior's, (B, d): sigma^2 times the filter's diagonal."""
        elsewhere, along = self._gains(sigma)
        return sigma[:, None] ** 2 * (elsewhere + along @ self.axes**2)

    def log_density(self, flat: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """log N(x; mean, S + sigma^2), (B,)."""
        noise, offset = sigma[:, None] ** 2, flat - self.mean
        inside = offset @ self.axes.T
        outside = offset - inside @ self.axes
        spread, rest = self.variances + noise, flat.shape[1] - len(self.variances)
        quadratic = (inside**2 / spread).sum(axis=1) + (outside**2).sum(axis=1) / (self.floor + noise[:, 0])
        determinant = np.log(spread).sum(axis=1) + rest * np.log(self.floor + noise[:, 0])
        return -0.5 * (quadratic + determinant + flat.shape[1] * np.log(2.0 * np.pi))

    def _gains(self, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The filter's gain where the variance is `floor` (B, 1), and how much more it is along the axes (B, rank)."""
        noise = sigma[:, None] ** 2
        elsewhere = self.floor / (self.floor + noise)
        return elsewhere, self.variances / (self.variances + noise) - elsewhere


def flat_images(bank: Bank, request: ScanOptions) -> np.ndarray:
    """The training images of a request, (N, d) float64."""
    present = bank.present(request.order, request.left_out)
    lanes = np.moveaxis(bank.blocks[request.order], -1, 1)  # (blocks, n, C, H, W)
    return lanes[present].reshape(present.sum(), -1).astype(np.float64)


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
