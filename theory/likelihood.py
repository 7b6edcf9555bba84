"""How likely is an image? The density that a machine gives it, exactly but for the steps of an integral.

Along the probability flow in the machines' convention, x = x0 + sigma n, with s = log sigma,

    dx / ds = x - x0(x, sigma)          d log p / ds = -(d - div x0(x, sigma))

and div x0 is the posterior's variance over sigma^2: exact, no trace is estimated. At the last sigma p is a Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory import arguments
from theory.errors import UserError

FAR = 1e4
"""Noise at which every machine gives its prior mean and variance, in units of the last sigma and of the pixels."""


@dataclass(frozen=True)
class LogLikelihood:
    """Log density of each image under D noised to sigmas[0].

    Attributes
    ----------
    nats : array (B,)
        log p(x), of x in pixel units.
    bits_per_dim : array (B,)
        -log2 p(x) / (C H W). Of images of 256 levels in [-1, 1], that plus log2(127.5) = 6.99 is bits per level.
    error : array (B,)
        What the steps of the integral may cost, in nats: the difference from every other step left out.
    """

    nats: np.ndarray
    bits_per_dim: np.ndarray
    error: np.ndarray


def log_likelihood(machine, x, sigmas, **options) -> LogLikelihood:
    """Return the log density at x of the training set noised to sigmas[0], by the machine's probability flow.

    ::

        log p(x) = log N(x(sigma_n); m, sigma_n^2 + v) + integral of (d - div x0) / sigma from sigma_0 to sigma_n
        dx / dsigma = (x - x0(x, sigma)) / sigma

    Parameters
    ----------
    machine : a machine with moments(x, sigma) -> (x0, variance)
        IdealScore, EquivariantScore, LocalScore, EquivariantLocalScore, WienerScore and others of one posterior.
    x : array (B, C, H, W)
        Images, numpy or torch, of floats: where to ask for the density of the smoothed data.
    sigmas : array (n + 1,)
        Noise levels in pixel units, increasing, the first above 0; n at least 2. The last should be many times the
        data's own spread.
    **options
        The machine's own, such as `labels` and `patch_size`.

    Returns
    -------
    LogLikelihood
        Fields nats, bits_per_dim and error, each (B,), float64.

    Raises
    ------
    UserError
        An argument is not as said here, or x0 of the machine is the mean of no one posterior.

    Notes
    -----
    Steps are of fourth order (Runge and Kutta's) in log sigma. m and v are the machine's mean and variance for endless
    noise. For IdealScore and WienerScore the flow is that of a density, and so this is its logarithm. A local machine's
    score is no gradient of one density in general: this is the density of its own flow's images of Gaussian noise.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import IdealScore, log_likelihood
    >>> one = IdealScore(-0.5 * np.ones((1, 1, 2, 2)))
    >>> found = log_likelihood(one, -0.5 * np.ones((1, 1, 2, 2)), np.geomspace(0.1, 10.0, 20))
    >>> bool(np.allclose(found.nats, -4 / 2 * np.log(2 * np.pi * 0.1**2)))
    True
    """
    levels = _increasing(sigmas)
    state = arguments.floats("x", x).astype(np.float64)
    if not callable(getattr(machine, "moments", None)):
        raise UserError(f"machine: got {type(machine).__name__}, want one with moments(x, sigma)")
    moments = lambda v, sigma: [np.asarray(part) for part in machine.moments(v, float(sigma), **options)]
    fine = _log_density(moments, state, levels)
    coarse = _log_density(moments, state, np.unique([*levels[::2], levels[-1]]))
    return LogLikelihood(fine, -fine / (np.log(2.0) * state[0].size), np.abs(fine - coarse))


def _log_density(moments, x: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """log p at x, (B,), by steps from level to level."""
    d, gained = x[0].size, np.zeros(len(x))

    def slopes(x, sigma):
        x0, variance = moments(x, sigma)
        return x - x0, d - variance.sum(axis=(1, 2, 3)) / sigma**2

    for here, there in zip(levels, levels[1:]):
        h, middle = np.log(there / here), np.sqrt(here * there)
        v1, g1 = slopes(x, here)
        v2, g2 = slopes(x + h / 2.0 * v1, middle)
        v3, g3 = slopes(x + h / 2.0 * v2, middle)
        v4, g4 = slopes(x + h * v3, there)
        x = x + h / 6.0 * (v1 + 2.0 * (v2 + v3) + v4)
        gained += h / 6.0 * (g1 + 2.0 * (g2 + g3) + g4)
    return gained + _log_gaussian(moments, x, levels[-1])


def _log_gaussian(moments, x: np.ndarray, sigma: float) -> np.ndarray:
    """log N(x; m, sigma^2 + v), (B,), m and v the machine's for endless noise."""
    mean, variance = moments(np.zeros_like(x), FAR * max(1.0, sigma))
    spread = sigma**2 + variance
    return -0.5 * ((x - mean) ** 2 / spread + np.log(2.0 * np.pi * spread)).sum(axis=(1, 2, 3))


def _increasing(sigmas) -> np.ndarray:
    """sigmas (n + 1,), finite, above 0, increasing, n at least 2."""
    levels = arguments.real_numbers("sigmas", sigmas)
    if levels.ndim != 1 or len(levels) < 3:
        raise UserError(f"sigmas: got shape {levels.shape}, want (n + 1,) noise levels for n steps, n at least 2")
    if not (np.isfinite(levels).all() and (np.diff(levels) > 0.0).all() and levels[0] > 0.0):
        raise UserError(f"sigmas: got {np.array2string(levels, threshold=6)}, want finite noise levels that increase, "
                        "the first above 0")
    return levels
