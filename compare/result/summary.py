"""What a result says in numbers: medians, rates, ceilings and paired differences, each with its 95 % interval.

The samples of one variant's training seeds start from the same noise, so they are not independent: wherever several
seeds are taken together, the bootstrap draws whole noise samples. The rate of one source is a plain binomial.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval, binomial_interval, bootstrap_interval
from compare.result.identity import ATTENTION_KINDS, machine, machines

Names = str | Sequence[str]
"""One machine, or one for each training seed."""


def networks_of(dataset: xr.Dataset, variant: str, steps: int | None = None) -> list[str]:
    """Return the labels of the variant's networks at `steps` sampling steps (here and below: None for the finest), one
    a training seed."""
    chosen = (dataset.variant == variant) & (dataset.network_steps == (steps or most_steps(dataset)))
    return dataset.network.values[chosen.values].tolist()


def first_network(dataset: xr.Dataset, variant: str) -> str:
    """Return the label of the variant's first training seed at most sampling steps."""
    return networks_of(dataset, variant)[0]


def variants_of(dataset: xr.Dataset) -> list[str]:
    """Return the variants in the order of the dataset."""
    return list(dict.fromkeys(dataset.variant.values.tolist()))


def steps_of(dataset: xr.Dataset) -> list[int]:
    """Return the numbers of sampling steps of the networks, the finest first."""
    return np.unique(dataset.network_steps)[::-1].tolist()


def most_steps(dataset: xr.Dataset) -> int:
    """Return the networks' finest sampling, the one that answers are read at."""
    return int(dataset.network_steps.max())


def ideal_of(dataset: xr.Dataset) -> str:
    """Return the ideal score machine."""
    return machine(dataset, kind="ideal")


def els_of(dataset: xr.Dataset, variant: str) -> str:
    """Return the equivariant local machine whose k(t) is fitted to the variant by cosine."""
    return machine(dataset, kind="equivariant_local", fitted_to=variant, window_rule="cosine")


def local_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """Return the local machine that is fitted to the variant, if there is one."""
    return machines(dataset, kind="local", fitted_to=variant)


def attending_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """Return the machines with attention whose lambda(t) is fitted to the variant."""
    return machines(dataset, kind=ATTENTION_KINDS, setting="fitted", fitted_to=variant)


def machine_agreement(dataset: xr.Dataset, metric: str, machine: Names, variant: str,
                      steps: int | None = None) -> Interval:
    """Return the median over samples and training seeds of pearson_r, r2 or R2 of a machine with a variant."""
    return bootstrap(dataset, _samples(dataset, metric, machine, variant, steps), np.nanmedian)


def gain(dataset: xr.Dataset, machine: Names, baseline: str, variant: str, statistic=np.nanmean) -> Interval:
    """Return the mean (or another statistic) of the paired differences r2(machine) - r2(baseline)."""
    pair = [_samples(dataset, "r2", name, variant) for name in (machine, baseline)]
    return bootstrap(dataset, pair[0] - pair[1], statistic)


def seed_ceiling(dataset: xr.Dataset, metric: str, variant: str, steps: int | None = None) -> Interval:
    """Return the median agreement of two training seeds of the variant, over all pairs of its two or more seeds."""
    return _network_agreement(dataset, metric, list(combinations(networks_of(dataset, variant, steps), 2)))


def step_ceiling(dataset: xr.Dataset, metric: str, variant: str) -> Interval:
    """Return the median agreement of the variant's coarsest sampling with its own finest."""
    steps = steps_of(dataset)
    pairs = list(zip(networks_of(dataset, variant, steps[-1]), networks_of(dataset, variant, steps[0])))
    return _network_agreement(dataset, metric, pairs)


def rate(dataset: xr.Dataset, quality: Names, source: Names) -> Interval:
    """Return the share of all samples that have a quality ("consistent", "clean", "novel"), or several at once.

    Of one machine or network: Clopper-Pearson; of several from the same noise together: bootstrap over noise samples.
    """
    having = dataset[list(np.atleast_1d(quality))].to_dataarray().all("variable")
    flags = having.sel(source=np.atleast_1d(source)).transpose("sample", "source").values
    single = flags.shape[1] == 1
    return binomial_interval(int(flags.sum()), len(flags)) if single else bootstrap(dataset, flags, np.nanmean)


def variant_rate(dataset: xr.Dataset, quality: Names, variant: str) -> Interval:
    """Return the `rate` over all training seeds of a variant."""
    return rate(dataset, quality, networks_of(dataset, variant))


def rate_difference(dataset: xr.Dataset, machine: str, variant: str) -> Interval:
    """Return the consistency rate of the machine minus the variant's, paired by noise sample, over training seeds."""
    own = dataset.consistent.sel(source=machine).values[:, None].astype(float)
    networks = dataset.consistent.sel(source=networks_of(dataset, variant)).transpose("sample", "source").values
    return bootstrap(dataset, own - networks, np.nanmean)


def wins(dataset: xr.Dataset, machine: str, other: str, network: str) -> Interval:
    """Return the share of all samples whose image by `machine` has the larger Pearson r with the network's.

    A sample on which either r is undefined, or both are equal, is no win. Clopper-Pearson.
    """
    r = dataset.pearson_r.sel(network=network)
    better = (r.sel(machine=machine) > r.sel(machine=other)).values
    return binomial_interval(int(better.sum()), better.size)


def distance(dataset: xr.Dataset, source: str) -> Interval:
    """Return the median distance of a source's samples to their nearest training images, RMS a pixel."""
    return bootstrap(dataset, dataset.nearest_distance.sel(source=source).values, np.nanmedian)


def path_agreement(dataset: xr.Dataset, machine: str, variant: str) -> np.ndarray:
    """Return the median r of the two posterior means at the points of the network's own trajectory, (steps,)."""
    chosen = dataset.path_pearson_r.sel(machine=machine, fitted_variant=variant)
    return chosen.median("diagnosed_sample").transpose("step").values


def training_agreement(dataset: xr.Dataset, machine: str) -> list[Interval]:
    """Return the median r with the first network after each number of training steps."""
    values = dataset.snapshot_pearson_r.sel(machine=machine).transpose("snapshot_step", "sample").values
    return [bootstrap(dataset, row, np.nanmedian) for row in values]


def bootstrap(dataset: xr.Dataset, values: np.ndarray, statistic) -> Interval:
    """Return the bootstrap interval of values (samples, ...) of the run, drawn by its own seed."""
    return bootstrap_interval(values, statistic, seed=json.loads(dataset.attrs["seeds_json"])["seed"])


def _samples(dataset: xr.Dataset, metric: str, machine: Names, variant: str,
             steps: int | None = None) -> np.ndarray:
    """(samples, training seeds)"""
    networks = networks_of(dataset, variant, steps)
    each = lambda names: xr.DataArray(np.broadcast_to(names, len(networks)), dims="pair")
    return dataset[metric].sel(machine=each(machine), network=each(networks)).transpose("sample", "pair").values


def _network_agreement(dataset: xr.Dataset, metric: str, pairs: list[tuple[str, str]]) -> Interval:
    first, second = (xr.DataArray(list(names), dims="pair") for names in zip(*pairs))
    chosen = dataset[f"network_{metric}"].sel(network=first, other_network=second)
    return bootstrap(dataset, chosen.transpose("sample", "pair").values, np.nanmedian)
