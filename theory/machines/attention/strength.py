"""The strength of evidence sharing that a training set itself asks for: one temper for all windows' evidence."""

from __future__ import annotations

import numpy as np

from theory import arguments
from theory.engine.geometry import BOUNDARIES, local_axis, windows_holding
from theory.errors import UserError

PAIRS = 1 << 16
"""Pairs of training images that are drawn, with a fixed seed: enough for a percent."""

AT_ONCE = 1 << 24
"""Pixels of differences that are held at once."""


def derived_strength(images, patch_size: int, sigma, boundary: str = "zeros"):
    """Return the strength of `AttentionScore` that makes the evidence of all windows a log-likelihood ratio.

    ::

        lambda(sigma) = E[A] / (E[B] + Var[A] / (4 sigma^2)),     A = sum_u c_u delta_u^2,   B = sum_u c_u^2 delta_u^2

    delta is the difference of two training images, E and Var are over pairs of them, and c_u counts the windows that
    hold pixel u. The evidence of all windows for one image against another, T = sum_x (S_i(x) - S_j(x)), has E[T] =
    A / (2 sigma^2) and Var[T] = B / sigma^2 over the noise where windows stay where they are: each noisy pixel counts
    c_u times. If T is Gaussian, lambda T is a log-likelihood ratio, E exp(-lambda T) = 1 under i, for lambda = 2 E[T] /
    Var[T]; one lambda for all pairs has their spread in the variance too. At high noise each noisy pixel counts once,
    lambda = E[A] / E[B], inside an image 1 / k^2; below sigma^2 = Var[A] / (4 E[B]) pairs differ by more than the noise
    does, and it falls as sigma^2.

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, N at least 2.
    patch_size : int
        k, odd, at least 1.
    sigma : float or array (B,)
        Standard deviation of the noise.
    boundary : "zeros" or "circular"
        As in `EquivariantLocalScore`.

    Returns
    -------
    float or array (B,)
        lambda, above 0, at most 1; NaN if all images are one.

    Raises
    ------
    UserError
        An argument is not as said here.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import derived_strength
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
    >>> (9 * derived_strength(images, 3, [0.1, 1.0, 100.0], boundary="circular")).round(2)
    array([0.05, 0.84, 1.  ])
    """
    images = arguments.training_images(images)
    if len(images) < 2:
        raise UserError("images: got one, want at least two, which differ")
    size, boundary = arguments.odd_patch_size(patch_size), arguments.choice("boundary", boundary, BOUNDARIES)
    noise = arguments.noise_levels(sigma, np.size(sigma)).reshape(np.shape(sigma))
    axes = [local_axis(length, size, boundary) for length in images.shape[2:]]
    counts = np.outer(*(windows_holding(axis.index, axis.size).sum(axis=1) for axis in axes)).astype(np.float64)
    once, twice = _differences(images, [counts, counts**2])
    with np.errstate(invalid="ignore"):
        return once.mean() / (twice.mean() + once.var() / (4.0 * noise**2))


def _differences(images: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """sum_u w_u delta_u^2 of PAIRS pairs of images, of each weight (H, W): (weights, PAIRS)."""
    rng = np.random.default_rng(0)
    first = rng.integers(len(images), size=PAIRS)
    second = (first + rng.integers(1, len(images), size=PAIRS)) % len(images)
    found = []
    for some in np.array_split(np.arange(PAIRS), PAIRS * images[0].size // AT_ONCE + 1):
        squares = ((images[first[some]].astype(np.float64) - images[second[some]]) ** 2).sum(axis=1)
        found.append([np.einsum("nhw,hw->n", squares, weight) for weight in weights])
    return np.concatenate(found, axis=1)
