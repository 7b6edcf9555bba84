"""What a result says in numbers: medians, ceilings and paired differences, each with its 95 % interval.

The samples of one variant's training seeds start from the same noise, so they are not independent: wherever several
seeds are taken together, the bootstrap draws whole noise samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval, bootstrap_interval


def networks_of(dataset: xr.Dataset, variant: str, steps: int) -> list[str]:
    """Names of the variant's networks at `steps` sampling steps, one a training seed."""
    chosen = (dataset.variant == variant) & (dataset.network_steps == steps)
    return dataset.network.values[chosen.values].tolist()


def variants_of(dataset: xr.Dataset) -> list[str]:
    """The variants in the order of the dataset."""
    return list(dict.fromkeys(dataset.variant.values.tolist()))


def most_steps(dataset: xr.Dataset) -> int:
    """The networks' finest sampling, the one that answers are read at."""
    return int(dataset.network_steps.max())


def machine_agreement(dataset: xr.Dataset, metric: str, machine: str | Sequence[str], variant: str,
                      steps: int) -> Interval:
    """Median over samples and training seeds of pearson_r, r2 or R2 of a machine with a variant.

    machine: one, or one for each training seed
    """
    return bootstrap(dataset, _samples(dataset, metric, machine, variant, steps), np.nanmedian)


def gain(dataset: xr.Dataset, machine: str | Sequence[str], baseline: str, variant: str, steps: int,
         statistic=np.nanmean) -> Interval:
    """Mean (or another statistic) of the paired differences r2(machine) - r2(baseline), on the same noise.

    machine: one, or one for each training seed
    """
    pair = [_samples(dataset, "r2", name, variant, steps) for name in (machine, baseline)]
    return bootstrap(dataset, pair[0] - pair[1], statistic)


def seed_ceiling(dataset: xr.Dataset, metric: str, variant: str, steps: int) -> Interval:
    """Median agreement of two training seeds of the variant, over all pairs of its two or more seeds."""
    return _network_agreement(dataset, metric, list(combinations(networks_of(dataset, variant, steps), 2)))


def step_ceiling(dataset: xr.Dataset, metric: str, variant: str) -> Interval:
    """Median agreement of the variant's coarsest sampling with its own finest."""
    few, many = int(dataset.network_steps.min()), most_steps(dataset)
    pairs = list(zip(networks_of(dataset, variant, few), networks_of(dataset, variant, many)))
    return _network_agreement(dataset, metric, pairs)


def bootstrap(dataset: xr.Dataset, values: np.ndarray, statistic) -> Interval:
    """Of values (samples, ...) of the run, by its own seed."""
    return bootstrap_interval(values, statistic, seed=json.loads(dataset.attrs["seeds_json"])["seed"])


def _samples(dataset: xr.Dataset, metric: str, machine: str | Sequence[str], variant: str, steps: int) -> np.ndarray:
    """(samples, training seeds)"""
    networks = networks_of(dataset, variant, steps)
    each = lambda names: xr.DataArray(np.broadcast_to(names, len(networks)), dims="pair")
    return dataset[metric].sel(machine=each(machine), network=each(networks)).transpose("sample", "pair").values


def _network_agreement(dataset: xr.Dataset, metric: str, pairs: list[tuple[str, str]]) -> Interval:
    return bootstrap(dataset, _between(dataset, metric, pairs), np.nanmedian)


def _between(dataset: xr.Dataset, metric: str, pairs: list[tuple[str, str]]) -> np.ndarray:
    """(samples, pairs)"""
    first, second = (xr.DataArray(list(names), dims="pair") for names in zip(*pairs))
    chosen = dataset[f"network_{metric}"].sel(network=first, other_network=second)
    return chosen.transpose("sample", "pair").values
