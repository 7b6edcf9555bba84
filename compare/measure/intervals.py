"""Intervals: the bootstrap for medians and means over samples, Clopper-Pearson for rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv


class Interval(NamedTuple):
    """An estimate with its two-sided interval. n counts all samples given, undefined those among them that are NaN."""

    estimate: float
    low: float
    high: float
    n: int
    undefined: int = 0


def bootstrap_interval(values, statistic: Callable = np.nanmedian, level: float = 0.95, resamples: int = 2000,
                       seed: int = 0) -> Interval:
    """Percentile bootstrap of a statistic over independent samples (Efron & Tibshirani 1993, section 13.3).

    values (n,) or (n, m): a row is one independent draw (one noise image), drawn with replacement as a whole; the m
    values in it (one for each training seed, say) share that noise and are not independent of each other.
    statistic: np.nanmedian (default) or np.nanmean, or any function of (array, axis=) that ignores NaN.
    For the difference of two things measured on the same noise, give the differences: the interval is then paired.
    NaN values are left out of the statistic and counted in `undefined`; with none defined, estimate and ends are NaN.
    The same seed gives the same interval.
    ValueError: no values, more than two axes, level outside (0, 1), resamples < 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise ValueError(f"values: got shape {values.shape}, want (n,) or (n, m) with at least one value")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: got {level}, want a number between 0 and 1")
    if resamples < 1:
        raise ValueError(f"resamples: got {resamples}, want at least 1")
    undefined = int(np.isnan(values).sum())
    if undefined == values.size:
        return Interval(np.nan, np.nan, np.nan, values.size, undefined)
    rows = values.reshape(len(values), -1)
    rows = rows[~np.isnan(rows).all(axis=1)]
    draws = np.random.default_rng(seed).integers(len(rows), size=(resamples, len(rows)))
    replicates = statistic(rows[draws].reshape(resamples, -1), axis=1)
    low, high = np.quantile(replicates, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Interval(float(statistic(rows.reshape(1, -1), axis=1)[0]), float(low), float(high), values.size, undefined)


def binomial_interval(successes: int, n: int, level: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a rate: the exact one, which never covers less than `level`.

        low = B^-1(a/2; s, n - s + 1),  high = B^-1(1 - a/2; s + 1, n - s),  a = 1 - level,  B^-1 the beta quantile.

    successes s out of n independent samples. ValueError: n < 1, s outside 0..n, level outside (0, 1).
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"successes: got {successes} of n = {n}, want n of at least 1 and successes from 0 to n")
    if not 0.0 < level < 1.0:
        raise ValueError(f"level: got {level}, want a number between 0 and 1")
    tail = (1.0 - level) / 2.0
    low = betaincinv(successes, n - successes + 1, tail) if successes > 0 else 0.0
    high = betaincinv(successes + 1, n - successes, 1.0 - tail) if successes < n else 1.0
    return Interval(successes / n, float(low), float(high), n)
