"""Reading results, and selecting in them by coordinates."""

from functools import cache
from pathlib import Path

import numpy as np
import xarray as xr

from compare.result import schema

RESULTS = Path(__file__).parents[1] / "results"


@cache
def result(folder: str, name: str = "result") -> xr.Dataset:
    """Return a dataset of docs/results."""
    return schema.read(RESULTS / folder / f"{name}.nc")


def chosen(dataset: xr.Dataset, dim: str, **wanted) -> str:
    """Return the one label over `dim` whose coordinates are as wanted; a tuple lists what may be."""
    mask = np.ones(dataset.sizes[dim], dtype=bool)
    for name, value in wanted.items():
        mask &= np.isin(dataset[name].values, value)
    labels = dataset[dim].values[mask].tolist()
    if len(labels) != 1:
        raise ValueError(f"{dim}: got {len(labels)} with {wanted}, want one")
    return labels[0]


def variants(dataset: xr.Dataset) -> list[str]:
    """Return the variants in the dataset's order."""
    return list(dict.fromkeys(dataset.variant.values.tolist()))


def seeds(dataset: xr.Dataset, variant: str) -> list[int]:
    """Return the training seeds of a variant."""
    return sorted(set(dataset.training_seed.values[dataset.variant.values == variant].tolist()))


def network(dataset: xr.Dataset, variant: str, seed: int, steps: int | None = None) -> str:
    """Return the label of a network, by default at the most sampling steps."""
    return chosen(dataset, "network", variant=variant, training_seed=seed,
                  network_steps=int(dataset.network_steps.max()) if steps is None else steps)
