"""What a toy result says of consistency: rates and their differences, each with its 95 % interval.

The rate of one source is a plain binomial; several training seeds are taken together as in `compare.result.summary`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval, binomial_interval
from compare.result.summary import bootstrap, networks_of


def rate(dataset: xr.Dataset, quality: str | Sequence[str], source: str | Sequence[str]) -> Interval:
    """Share of all samples that have a quality ("consistent", "clean", "novel"), or several at once.

    Of one machine or network: Clopper-Pearson; of several from the same noise together: bootstrap over noise samples.
    """
    having = dataset[list(np.atleast_1d(quality))].to_dataarray().all("variable")
    flags = having.sel(source=np.atleast_1d(source)).transpose("sample", "source").values
    single = flags.shape[1] == 1
    return binomial_interval(int(flags.sum()), len(flags)) if single else bootstrap(dataset, flags, np.nanmean)


def variant_rate(dataset: xr.Dataset, quality: str | Sequence[str], variant: str, steps: int) -> Interval:
    """The same over all training seeds of a variant."""
    return rate(dataset, quality, networks_of(dataset, variant, steps))


def rate_difference(dataset: xr.Dataset, machine: str, variant: str, steps: int) -> Interval:
    """Consistency rate of the machine minus the variant's, paired by noise sample, over all training seeds."""
    own = dataset.consistent.sel(source=machine).values[:, None].astype(float)
    networks = dataset.consistent.sel(source=networks_of(dataset, variant, steps)).transpose("sample", "source").values
    return bootstrap(dataset, own - networks, np.nanmean)


def seeds_holding(dataset: xr.Dataset, machine: str | Sequence[str], variant: str, steps: int) -> tuple[int, int]:
    """In how many training seeds' binomial intervals the consistency rate of the machine, or of the seed's own machine,
    lies, and out of how many."""
    networks = networks_of(dataset, variant, steps)
    pairs = [[rate(dataset, "consistent", name) for name in pair]
             for pair in zip(np.broadcast_to(machine, len(networks)), networks)]
    return sum(network.low <= own.estimate <= network.high for own, network in pairs), len(networks)
