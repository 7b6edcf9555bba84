"""What a study of rows of images says in numbers: rates, agreement and what attention adds, a training seed the unit.

Every number is first made of one training seed, over all its samples or images, and then a mean with Student's t
interval over seeds; a ratio is of one seed too.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval, mean_interval
from compare.result import summary


def variants(dataset: xr.Dataset) -> list[str]:
    """Return the variants with attention, in the order of the dataset."""
    return list(dict.fromkeys(dataset.pair_variant.values.tolist()))


def matched(dataset: xr.Dataset) -> str:
    """Return the variant without attention."""
    return next(variant for variant in summary.variants_of(dataset) if variant not in variants(dataset))


def rate(dataset: xr.Dataset, variant: str, quality: str = "consistent") -> Interval:
    """Return the rate of a variant's samples, mean over its training seeds."""
    return mean_interval(dataset[quality].sel(source=summary.networks_of(dataset, variant)).mean("sample").values)


def machine_r2(dataset: xr.Dataset, machine: str, variant: str) -> np.ndarray:
    """Return the mean r2 of a machine with each training seed of a variant, (seeds,)."""
    chosen = dataset.r2.sel(machine=machine, network=summary.networks_of(dataset, variant))
    return chosen.mean("sample").values


def matched_r2(dataset: xr.Dataset, variant: str) -> np.ndarray:
    """Return the mean r2 of the matched CNN with each network of a variant, (seeds,)."""
    return dataset.matched_r2.sel(network_pair=_pairs(dataset, variant)).mean("sample").values


def other_seeds_r2(dataset: xr.Dataset, variant: str) -> np.ndarray:
    """Return the mean r2 of all other training seeds with each one of a variant, (seeds,); NaN of one alone."""
    names = summary.networks_of(dataset, variant)
    between = dataset.network_r2.sel(network=names, other_network=names).mean("sample").values
    np.fill_diagonal(between, np.nan)
    return np.nanmean(between, axis=1) if len(names) > 1 else np.full(1, np.nan)


def added(dataset: xr.Dataset, measure: str, form: str, variant: str, where: str) -> np.ndarray:
    """Return cosine, slope or explained of a form, mean over the steps that are asked, of each pair: (seeds,)."""
    chosen = dataset[measure].sel(form=form, where=where, network_pair=_pairs(dataset, variant))
    return chosen.mean("step").values


def by_step(dataset: xr.Dataset, measure: str, form: str, variant: str, where: str) -> xr.DataArray:
    """Return a measure at the steps that are asked, (pair, step)."""
    chosen = dataset[measure].sel(form=form, where=where, network_pair=_pairs(dataset, variant))
    return chosen.dropna("step", how="all")


def ceiling(dataset: xr.Dataset, measure: str, variant: str, where: str) -> np.ndarray:
    """Return the mean measure of all other pairs of the variant with each one, over the steps asked: (seeds,)."""
    return ceiling_by_step(dataset, measure, variant, where).mean("step").values


def ceiling_by_step(dataset: xr.Dataset, measure: str, variant: str, where: str) -> xr.DataArray:
    """Return the same at each of those steps, (pair, step); a pair is never held against itself."""
    pairs = _pairs(dataset, variant)
    others = dataset[measure].sel(form=pairs, where=where, network_pair=pairs).mean("form")
    return others.dropna("step", how="all")


def forms(dataset: xr.Dataset, role: str) -> list[str]:
    """Return the forms of a role: theory, null or ceiling."""
    return dataset.form.values[dataset.role.values == role].tolist()


def _pairs(dataset: xr.Dataset, variant: str) -> list[str]:
    return dataset.network_pair.values[dataset.pair_variant.values == variant].tolist()
