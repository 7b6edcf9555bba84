"""What each training image says by itself of the pixels of one query, a few blocks of images at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, reduce

import numpy as np

from theory.engine.bank import Bank
from theory.engine.geometry import Axis
from theory.engine.image_evidence import ImageEvidence
from theory.engine.log_product import log_product
from theory.engine.scan_options import ScanOptions

EVIDENCE_BYTES = 1 << 27
"""Memory for the evidence and means that are held at once."""


class Evidence:
    """`ImageEvidence`, S_i(x) and mu_i(x), for one query x (C, H, W) at noise sigma, in parts of the request.

    Nothing is computed before it is asked for; a single part is computed once, several each time they are gone through.
    """

    def __init__(self, x: np.ndarray, sigma: float, bank: Bank, request: ScanOptions, axes: tuple[Axis, Axis]):
        self.x, self.sigma, self.axes = x, sigma, axes
        at_once = max(1, EVIDENCE_BYTES // (bank.images_per_block * x[0].size * (16 + 4 * len(x))))
        orders = [request.order[start : start + at_once] for start in range(0, len(request.order), at_once)]
        self._orders = [order for order in orders if bank.present(order, request.left_out).any()]
        self._bank, self._request = bank, request
        self._last: tuple[int, ImageEvidence] | None = None

    def parts(self) -> Iterator[tuple[np.ndarray, ImageEvidence]]:
        """The blocks of each part, and what its images say."""
        for number, order in enumerate(self._orders):
            if self._last is None or self._last[0] != number:
                request = replace(self._request, order=order)
                self._last = number, self._request.engine.image_evidence(self.x, self.sigma, self._bank, request,
                                                                         *self.axes)
            yield order, self._last[1]

    def by_pixel(self) -> Iterator[np.ndarray]:
        """S (n, P) of each part, pixels in row-major order."""
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
