"""Intervals: the bootstrap for medians and means over samples, Clopper-Pearson for rates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit
from scipy.stats import binomtest

from theory.errors import UserError

LEVEL = 0.95
"""Coverage of every interval."""

FEWEST = 5
"""Independent samples below which no interval is given: a bootstrap of fewer says nothing."""


WITHOUT_NAN: dict[Callable, Callable] = {np.nanmedian: np.median, np.nanmean: np.mean}
"""The same numbers, many times as fast, where nothing is undefined."""


class Interval(NamedTuple):
    """An estimate with its two-sided interval.

    n counts all values given, undefined those among them that are NaN; independent counts the samples that are drawn on
    their own (rows of the bootstrap). The ends of a bootstrap of fewer than FEWEST are NaN.
    """

    estimate: float
    low: float
    high: float
    n: int
    undefined: int = 0
    independent: int = 0

    @property
    def sign(self) -> int:
        """1 or -1 if the whole interval lies above or below 0, else 0."""
        return int(self.low > 0.0) - int(self.high < 0.0)


def bootstrap(n: int, statistic: Callable[[np.ndarray], np.ndarray], resamples: int = 2000, seed: int = 0) -> Interval:
    """Return the percentile bootstrap interval of a statistic of n independent samples, given by their indices.

    Parameters
    ----------
    n : int
        Samples, drawn with replacement n at a time.
    statistic : callable
        Of indices (draws, n) into the samples; returns (draws,).
    resamples, seed
        Number of draws, and their seed: the same seed gives the same interval.

    Raises
    ------
    ValueError
        resamples < 1.

    References
    ----------
    Efron & Tibshirani 1993, section 13.3.
    """
    if resamples < 1:
        raise UserError(f"resamples: got {resamples}, want at least 1")
    estimate, low, high = float(statistic(np.arange(n)[None])[0]), np.nan, np.nan
    if n >= FEWEST:
        draws = np.random.default_rng(seed).integers(n, size=(resamples, n))
        low, high = np.quantile(statistic(draws), [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    return Interval(estimate, float(low), float(high), n, independent=n)


def bootstrap_interval(values, statistic: Callable = np.nanmedian, resamples: int = 2000, seed: int = 0) -> Interval:
    """Return the `bootstrap` interval of a statistic of values.

    For the difference of two things measured on the same noise, give the differences: the interval is then paired.

    Parameters
    ----------
    values : (n,) or (n, m)
        A row is one independent draw (one noise image), drawn as a whole; the m values in it (one for each training
        seed, say) share that noise and are not independent of each other. NaN values are left out of the statistic and
        counted in `undefined`; with none defined, estimate and ends are NaN.
    statistic : callable
        np.nanmedian (default) or np.nanmean, or any function of (array, axis=) that ignores NaN.
    resamples, seed
        As in `bootstrap`.

    Raises
    ------
    ValueError
        No values, more than two axes, resamples < 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise UserError(f"values: got shape {values.shape}, want (n,) or (n, m) with at least one value")
    undefined = int(np.isnan(values).sum())
    rows = values.reshape(len(values), -1)
    rows = rows[~np.isnan(rows).all(axis=1)]
    if not len(rows):
        return Interval(np.nan, np.nan, np.nan, values.size, undefined)
    if not undefined:
        statistic = WITHOUT_NAN.get(statistic, statistic)
    found = bootstrap(len(rows), lambda drawn: statistic(rows[drawn].reshape(len(drawn), -1), axis=1), resamples,
                      seed)
    return found._replace(n=values.size, undefined=undefined)


def binomial_interval(successes: int, n: int) -> Interval:
    """Return the Clopper-Pearson interval of a rate: the exact one, which never covers less than LEVEL.

        low = B^-1(a/2; s, n - s + 1),  high = B^-1(1 - a/2; s + 1, n - s),  a = 1 - LEVEL,  B^-1 the beta quantile.

    successes s out of n independent samples. ValueError: n < 1, s outside 0..n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise UserError(f"successes: got {successes} of n = {n}, want n of at least 1 and successes from 0 to n")
    found = binomtest(successes, n).proportion_ci(LEVEL, method="exact")
    return Interval(successes / n, float(found.low), float(found.high), n, independent=n)


def mean_interval(values) -> Interval:
    """Return the mean of independent units, such as training seeds, with Student's t interval.

        mean +- t(1 - a/2; n - 1) s / sqrt(n),   a = 1 - LEVEL, s the standard deviation with n - 1.

    Parameters
    ----------
    values : array_like, shape (n,)
        One number a unit. Of one unit the ends are NaN.

    Raises
    ------
    ValueError
        No values, or more than one axis.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise UserError(f"values: got shape {values.shape}, want (n,) with at least one value")
    mean, n = float(values.mean()), values.size
    if n == 1:
        return Interval(mean, np.nan, np.nan, n, independent=n)
    half = float(stdtrit(n - 1, (1.0 + LEVEL) / 2.0) * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n, independent=n)
