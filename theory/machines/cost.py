"""What a call will cost, before it is made: a small part of it is timed, here and now."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LONG_ENOUGH = 0.2
"""Seconds of a trial beyond which no larger one is made."""


@dataclass(frozen=True)
class Cost:
    """What one call of `denoise` takes.

    Attributes
    ----------
    pairs : int
        Comparisons of a window of the queries with one of D.
    bytes : int
        Memory of the training set as the machine keeps it, and of the call's own numbers; about.
    seconds : float
        Predicted from trials on this machine, after what a machine makes once (compiled code, a covariance).
    """

    pairs: int
    bytes: int
    seconds: float


def predicted_seconds(run: Callable[[np.ndarray], object], order: np.ndarray, first: int) -> float:
    """Seconds of run(order), from run on more and more of its first blocks, until that takes long enough.

    first: blocks of the first trial; all of them: run is timed as a whole, once it has run
    """
    run(order[:first])
    counts, took = [first], [_timed(run, order[:first])]
    while counts[-1] < len(order):
        if len(counts) > 1 and took[-1] > LONG_ENOUGH:
            each = max(took[-1] - took[-2], 0.0) / (counts[-1] - counts[-2])  # a part of a call is the same for any D
            return took[-1] + (len(order) - counts[-1]) * each
        counts.append(min(len(order), max(counts[-1] + 1, int(counts[-1] * _growth(took[-1])))))
        took.append(_timed(run, order[: counts[-1]]))
    return took[-1]


def _growth(took: float) -> float:
    """By how much to enlarge a trial: to what should take long enough, two to eight times as much."""
    return min(8.0, max(2.0, 1.5 * LONG_ENOUGH / max(took, 1e-6)))


def _timed(run: Callable[[np.ndarray], object], order: np.ndarray) -> float:
    start = time.perf_counter()
    run(order)
    return time.perf_counter() - start
