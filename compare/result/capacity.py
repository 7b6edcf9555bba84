"""What a capacity study says in numbers, each with its 95 % interval; training seeds of one variant taken together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval
from compare.result.summary import bootstrap


def machines(dataset: xr.Dataset) -> list[str]:
    return dataset.machine.values.tolist()


def window_machine(dataset: xr.Dataset) -> str:
    """Return ELS of the largest window: by theorem no CNN of that window has a smaller loss."""
    sizes = dataset.patch_size.max("step").where(dataset.machine_kind == "equivariant_local", 0)
    return machines(dataset)[int(sizes.values.argmax())]


def closed_forms(dataset: xr.Dataset) -> list[str]:
    """Return the closed forms of attention, as derived."""
    return dataset.machine.values[dataset.setting.values == "derived"].tolist()


def loss(dataset: xr.Dataset, name: str, above: str | None = None) -> Interval:
    """Return the mean over t of the denoising loss of eps, less that of `above` at the same noised images.

    name: a machine's label, or a variant, whose training seeds are taken together.
    """
    values = _loss(dataset, name) if above is None else _loss(dataset, name) - _loss(dataset, above)
    return bootstrap(dataset, values.values, np.nanmean)


def _loss(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """(point,)"""
    if name in machines(dataset):
        return dataset.machine_loss.sel(machine=name).mean("step")
    chosen = dataset.network_loss.isel(subject=np.flatnonzero(dataset.subject_variant.values == name))
    return chosen.mean(["subject", "step"])
