"""Certified truncation: candidates left out of a posterior mean, and a bound on what that can have changed.

With Z the mass of the candidates kept, relative to the largest weight, and delta >= the mass of those left out,

    |x0 - exact| = |sum_left_out w (v - x0)| / (Z + mass left out) <= delta / (Z + delta) * max(high - x0, x0 - low)

where every value v lies in [low, high] (the channel's range over D). A candidate is left out only where its logit is
c powers of two below that of one kept, so delta = count * 2^-c. docs/posterior.md
"""

from __future__ import annotations

import numpy as np

from theory._kernels.numerics import NEGLIGIBLE
from theory.engine.posterior import Posterior

ROUNDING = {False: 1e-4, True: 1e-9}
"""Part of the bound, per unit of the channel's range: what float32 windows (False) or float64 (True) may cost."""


def cut(count: int, span: float, tolerance: float) -> float:
    """Powers of two below the best candidate from which others may be left out, for at most tolerance / 2 in all."""
    return min(NEGLIGIBLE, max(1.0, np.log2(2.0 * count * max(span, 1e-30) / tolerance)))


def in_double(span: float, tolerance: float) -> bool:
    """Whether float32 would use up too much of the tolerance."""
    return ROUNDING[False] * span > tolerance / 2.0


def bound(sums: Posterior, count: int, negligible: float, double: bool, low: np.ndarray,
          high: np.ndarray) -> np.ndarray:
    """The bound for each output value (B, Cv, Y, X); low, high (Cv,): range of the values."""
    delta = count * 2.0**-negligible
    low, high = low[:, None, None], high[:, None, None]
    reach = np.maximum(high - sums.mean, sums.mean - low)
    return delta / (sums.mass[:, None] + delta) * reach + ROUNDING[double] * (high - low)
