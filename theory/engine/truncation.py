"""Certified answers: a bound on what was left out of a posterior mean, on its rounding, and on that of its dtype.

With Z the mass of the candidates kept, relative to the largest weight, and delta >= the mass of those left out,

    |x0 - exact| = |sum_left_out w (v - x0)| / (Z + mass left out) <= delta / (Z + delta) * max(high - x0, x0 - low)

where every value v lies in [low, high] (the channel's range over D). A candidate is left out only where its logit is
c powers of two below that of one kept, so delta = count * 2^-c. Logits that are each off by at most e nats move the
share q of any set of candidates to q e^2e / (1 + q (e^2e - 1)) at most, and so the mean by (high - low) times the
difference, with q at most the share of all but the nearest candidate. docs/theory/posterior.md
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory._kernels.numerics import FLOAT64_LOGIT, PRODUCT_ERROR
from theory.engine.softmax import Posterior
from theory.errors import UserError

FLOAT32_ROUNDING = 1e-4
"""Part of the bound, per unit of the channel's range, that float32 windows may cost."""

UNIT = 2.0**-53
"""Relative error of one float64 operation."""

SPREAD = 6.0
"""Standard deviations of a sum of rounding errors that is never exceeded: D of them add up to SPREAD sqrt(D) UNIT."""

LARGEST_NATS = 300.0
"""An error of logits beyond which nothing is known, e^2e still being a number."""


@dataclass(frozen=True)
class Accuracy:
    """What a call asks of its answer, and what its dtype can give."""

    tolerance: float | None  # how far an output may be from the exact mean; None: as near as can be
    stated: bool  # whether the call returns a bound
    eps: float  # of the answer's dtype: the spacing of numbers around 1
    tiny: float  # the smallest number above 0

    @property
    def asked(self) -> bool:
        """Whether a bound is needed at all."""
        return self.stated or self.tolerance is not None

    def budget(self, low: np.ndarray, high: np.ndarray) -> float:
        """What the answer's dtype leaves of the tolerance, or a part of it, for a dtype that may leave nothing."""
        own = self.eps * max(np.abs(low).max(), np.abs(high).max()) + self.tiny
        return max(self.tolerance - own, self.tolerance / 8.0)

    def stored(self, x0: np.ndarray, bound: np.ndarray) -> np.ndarray:
        """Return the bound of x0 in its dtype, large enough to be rounded itself; UserError beyond the tolerance."""
        whole = (bound + 0.51 * self.eps * np.abs(x0) + self.tiny) * (1.0 + self.eps) + self.tiny
        if self.tolerance is not None and (least := float(whole.max()) * (1.0 + self.eps)) > self.tolerance:
            raise UserError(f"tolerance: got {self.tolerance:g}, want at least {1.01 * least:.2g} for these queries "
                            f"in their dtype (spacing {self.eps:.2g})")
        return whole


def cutoff(count: int, span: float, budget: float) -> float:
    """Return the powers of two below the best candidate from which others may be left out, for budget / 4."""
    return max(1.0, np.log2(4.0 * count * max(span, 1e-30) / budget))


def needs_float64(span: float, budget: float) -> bool:
    """Whether float32 would use up too much of the budget."""
    return FLOAT32_ROUNDING * span > budget / 2.0


def bound(sums: Posterior, count: int, pixels: int, log2_cutoff: float, float64: bool, low: np.ndarray,
          high: np.ndarray) -> np.ndarray:
    """Return the bound on the mean's error, for each output value (B, Cv, Y, X).

    count: candidates of an output      pixels: of a window      low, high (Cv,): range of the values
    """
    low, high = low[:, None, None], high[:, None, None]
    mass, delta = sums.mass[:, None], count * 2.0**-log2_cutoff
    left_out = delta / (mass + delta) * np.maximum(high - sums.mean, sums.mean - low)
    if not float64:
        return left_out + FLOAT32_ROUNDING * (high - low)
    error = np.minimum(_logit_error(sums.peak, pixels, log2_cutoff), LARGEST_NATS)[:, None]
    growth = np.expm1(2.0 * error)
    others = np.clip((mass - 1.0 + delta) / (mass + delta) * (1.0 + growth), 0.0, 1.0)
    share = np.minimum(others, 1.0 / (1.0 + np.exp(error)))
    moved = (high - low) * share * (1.0 - share) * growth / (1.0 + share * growth)
    added = UNIT * (64.0 + SPREAD * count**0.5) * 2.0 * np.maximum(np.abs(low), np.abs(high))
    return left_out + moved + added


def _logit_error(peak: np.ndarray, pixels: int, log2_cutoff: float) -> np.ndarray:
    """How far a logit that counts may be off, in nats: relative to itself by squares, until these are measured exactly,
    absolutely by products."""
    steps = SPREAD * pixels**0.5 + 10.0
    largest = np.minimum(np.abs(peak), FLOAT64_LOGIT) + log2_cutoff
    return UNIT * steps * largest + PRODUCT_ERROR["float64"] * steps + 1e-14
