"""What each training image says by itself of the pixels of one query, a few blocks of images at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, reduce

import numpy as np

from theory._kernels.numerics import FLOAT64_LOGIT, NEGLIGIBLE
from theory._kernels.softmax import LN2
from theory.engine.bank import Bank
from theory.engine.geometry import Axis
from theory.engine.image_evidence import ImageEvidence, measured_exactly
from theory.engine.log_product import MAX_TERMS, log_product
from theory.engine.scan_options import ScanOptions

EVIDENCE_BYTES = 1 << 27
"""Memory for the evidence and means that are held at once."""

SUM_ERROR = 2.0**-46
"""Of a sum of positive terms: the error in float64 that is never exceeded."""


class Evidence:
    """`ImageEvidence`, S_i(x) and mu_i(x), for one query x (C, H, W) at noise sigma, in parts of the request.

    Nothing is computed before it is asked for; a single part is computed once, several each time they are gone through.
    """

    def __init__(self, x: np.ndarray, sigma: float, bank: Bank, request: ScanOptions, axes: tuple[Axis, Axis]):
        self.x, self.sigma, self.axes = x, sigma, axes
        self._bank, self._request = bank, request
        numbers = (80 if self.far else 16) + 4 * len(x)
        at_once = max(1, EVIDENCE_BYTES // (bank.images_per_block * x[0].size * numbers))
        orders = [request.order[start : start + at_once] for start in range(0, len(request.order), at_once)]
        self._orders = [order for order in orders if bank.present(order, request.left_out).any()]
        self._last: tuple[int, ImageEvidence] | None = None

    def parts(self) -> Iterator[tuple[np.ndarray, ImageEvidence]]:
        """The blocks of each part, and what its images say."""
        for number, order in enumerate(self._orders):
            if self._last is None or self._last[0] != number:
                asked = self.x, self.sigma, self._bank, replace(self._request, order=order), *self.axes
                images = self._request.engine.image_evidence(*asked)
                if self.far:
                    images = measured_exactly(images, self.base, self.x, self.sigma, self._bank, order, *self.axes)
                self._last = number, images
            yield order, self._last[1]

    @cached_property
    def far(self) -> bool:
        """Whether a window may be so far from a candidate that float64 rounds evidence that images differ by."""
        largest = np.abs(self.x).max() + self._bank.largest
        size = len(self.x) * self.axes[0].size * self.axes[1].size
        return bool(size * largest**2 / (2.0 * self.sigma**2) > FLOAT64_LOGIT * LN2)

    @cached_property
    def base(self) -> np.ndarray:
        """What S is relative to (H, W): where it is measured exactly the nearest candidate's logit, else 0."""
        if not self.far:
            return np.zeros(self.x.shape[1:])
        asked = self.x[None], np.array([self.sigma]), self._bank, replace(self._request, top=0), *self.axes
        return self._request.engine.posterior(*asked)[0].peak[0]

    def by_pixel(self) -> Iterator[np.ndarray]:
        """S (n, P) of each part, relative to `base`, pixels in row-major order."""
        for _, images in self.parts():
            yield images.evidence.reshape(len(images.evidence), -1)

    @cached_property
    def log_normaliser(self) -> np.ndarray:
        """log sum_i exp(S_i(x)), (P,): S_i(x) less this is log w_i(x), ELS's posterior over the training images."""
        return reduce(np.logaddexp, (_log_sum(S) for S in self.by_pixel()))

    def log_overlap(self) -> np.ndarray:
        """log sum_i sqrt(w_i(x) w_i(x')), (P, P): the Bhattacharyya coefficient of two pixels' posteriors."""
        halves = ((S - self.log_normaliser) / 2.0 for S in self.by_pixel())
        return reduce(np.logaddexp, (log_product(half.T, half) for half in halves))


def _log_sum(S: np.ndarray) -> np.ndarray:
    """log sum_i exp(S_i(x)), a third of the time that scipy's logsumexp takes for more general arguments."""
    peak = S.max(axis=0)
    return peak + np.log(np.exp(S - peak).sum(axis=0))


def shared(S: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """S + S weights^T, S (n, P), weights (P, P) >= 0: of longer floats in float64, but for those near the largest of
    each pixel, which alone count in a softmax over images."""
    rough = S.astype(np.float64, copy=False)
    sums = rough + rough @ weights.T
    if S.dtype == np.float64:
        return sums
    error = SUM_ERROR * (np.abs(rough) + np.abs(rough) @ weights.T)
    images, pixels = np.nonzero(sums + error >= (sums - error).max(axis=0) - NEGLIGIBLE * LN2)
    exact = sums.astype(S.dtype)
    for some in np.array_split(np.arange(len(images)), len(images) * len(weights) // MAX_TERMS + 1):
        i, x = images[some], pixels[some]
        exact[i, x] = S[i, x] + (S[i] * weights[x]).sum(axis=1)
    return exact
