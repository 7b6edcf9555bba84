"""What a toy result says of consistency: rates and their differences, each with its 95 % interval.

The rate of one source is a plain binomial; several training seeds are taken together as in `compare.summary`.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.intervals import Interval, binomial_interval
from compare.summary import bootstrap, networks_of


def rate(dataset: xr.Dataset, quality: str, source: str) -> Interval:
    """Share of all samples of one machine or network that are consistent, clean or novel; Clopper-Pearson."""
    flags = dataset[quality].sel(source=source).values
    return binomial_interval(int(flags.sum()), flags.size)


def variant_rate(dataset: xr.Dataset, quality: str, variant: str, steps: int) -> Interval:
    """The same over all training seeds of a variant; bootstrap over noise samples, or binomial if there is one seed."""
    networks = networks_of(dataset, variant, steps)
    if len(networks) == 1:
        return rate(dataset, quality, networks[0])
    flags = dataset[quality].sel(source=networks).transpose("sample", "source")
    return bootstrap(dataset, flags.values, np.nanmean)


def rate_difference(dataset: xr.Dataset, machine: str, variant: str, steps: int) -> Interval:
    """Consistency rate of the machine minus the variant's, paired by noise sample, over all training seeds."""
    own = dataset.consistent.sel(source=machine).values[:, None].astype(float)
    networks = dataset.consistent.sel(source=networks_of(dataset, variant, steps)).transpose("sample", "source").values
    return bootstrap(dataset, own - networks, np.nanmean)


def seeds_holding(dataset: xr.Dataset, machine: str, variant: str, steps: int) -> tuple[int, int]:
    """In how many training seeds' binomial intervals the machine's consistency rate lies, and out of how many."""
    share = rate(dataset, "consistent", machine).estimate
    intervals = [rate(dataset, "consistent", network) for network in networks_of(dataset, variant, steps)]
    return sum(interval.low <= share <= interval.high for interval in intervals), len(intervals)
