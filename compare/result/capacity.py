"""What the study says in numbers, each with its 95 % interval; training seeds of one label are taken together."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval
from compare.result.names import AS_DERIVED
from compare.result.summary import bootstrap


def machines(dataset: xr.Dataset) -> list[str]:
    return dataset.machine.values.tolist()


def window_machine(dataset: xr.Dataset) -> str:
    """The equivariant local machine of the largest window: by theorem no CNN of that window has a smaller loss."""
    sizes = dataset.patch_size.max("step") * (dataset.strength == 0.0).all("step")
    return machines(dataset)[int(sizes.values.argmax())]


def closed_forms(dataset: xr.Dataset) -> list[str]:
    """The closed forms of attention, as derived."""
    return [name for name in machines(dataset) if name.endswith(AS_DERIVED)]


def denoisers(dataset: xr.Dataset, name: str) -> list[str]:
    """A machine itself, or a label's networks, one a training seed."""
    every = dataset.denoiser.values.tolist()
    return [name] if name in every else [found for found in every if found.rsplit("/", 1)[0] == name]


def loss(dataset: xr.Dataset, name: str, above: str | None = None) -> Interval:
    """Mean over t of the denoising loss of eps, less that of `above` at the same noised images."""
    mean = lambda which: dataset.denoising_loss.sel(denoiser=denoisers(dataset, which)).mean(["denoiser", "step"])
    values = mean(name) if above is None else mean(name) - mean(above)
    return bootstrap(dataset, values.values, np.nanmean)
