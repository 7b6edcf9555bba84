"""What an image result says beyond `compare.result.summary`: how often one machine beats another, and novelty."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval, binomial_interval
from compare.result.summary import bootstrap


def wins(dataset: xr.Dataset, machine: str, other: str, network: str) -> Interval:
    """Share of all samples whose image by `machine` has the larger Pearson r with the network's; Clopper-Pearson.

    A sample on which either r is undefined, or both are equal, is no win.
    """
    r = dataset.pearson_r.sel(network=network)
    better = (r.sel(machine=machine) > r.sel(machine=other)).values
    return binomial_interval(int(better.sum()), better.size)


def distance(dataset: xr.Dataset, source: str) -> Interval:
    """Median distance of a machine's or network's samples to their nearest training images, RMS a pixel."""
    return bootstrap(dataset, dataset.nearest_distance.sel(source=source).values, np.nanmedian)


def path_agreement(dataset: xr.Dataset, machine: str, variant: str) -> np.ndarray:
    """Median Pearson r of the two posterior means at the points of the network's own trajectory, (steps,)."""
    chosen = dataset.path_pearson_r.sel(machine=machine, fitted_variant=variant)
    return chosen.median("diagnosed_sample").transpose("step").values


def training_agreement(dataset: xr.Dataset, machine: str) -> list[Interval]:
    """Median Pearson r with the first network after each number of training steps."""
    values = dataset.snapshot_pearson_r.sel(machine=machine).transpose("snapshot_step", "sample").values
    return [bootstrap(dataset, row, np.nanmedian) for row in values]
