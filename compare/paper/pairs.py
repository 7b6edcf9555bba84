"""KG figures 1, 5, 6, 7, 23 and 24: what machines and networks draw from the same noise, sample by sample.

The first samples of each result are shown, none is picked.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.paper.source import Source
from compare.report import scatter as points
from compare.report.grid import Row, grid, images_kept
from compare.result.identity import variant_parts
from compare.result.summary import els_of, first_network, local_of, variants_of
from theory.errors import UserError

R = "Pearson r of machine and network"


def first_networks(source: Source) -> xr.Dataset:
    """KG figure 1: ELS above the first network of each result."""
    rows = [row._replace(values=None) for name, result in source.real.items()
            for row in _pair(name, result, variants_of(result)[0])]
    return _some(rows, source, 12)


def local_networks(source: Source) -> xr.Dataset:
    """KG figure 5: ELS above each network without attention, and r of the two."""
    return _some([row for one in source.variants(attention=False) for row in _pair(*one)], source, 12)


def attention_networks(source: Source, shown: int) -> xr.Dataset:
    """KG figures 6, 23 and 24: ELS above each network with attention, and its twin without where there is one."""
    rows = []
    for name, result, variant in source.variants(attention=True):
        rows += _pair(name, result, variant)
        twin, _ = variant_parts(variant)
        if twin in variants_of(result):
            rows.append(Row(f"{twin}, no attention", _generated(result, twin)))
    if not rows:
        raise UserError(f"--results: found no network with attention in {source.results_folder}/*/result.nc, want one "
                         "(unet-identity, say)")
    return _some(rows, source, shown)


def architectures(source: Source) -> xr.Dataset:
    """KG figure 7: every network without attention, and LS and ELS from the same noise with their r below."""
    rows = []
    for name, result, variant in source.variants(attention=False):
        rows.append(Row(f"{name}: {variant}", _generated(result, variant)))
        rows += [Row(kind, result.predicted.sel(machine=machine).values, _r(result, machine, variant))
                 for kind, machines in (("LS", local_of(result, variant)), ("ELS", [els_of(result, variant)]))
                 for machine in machines]
    return _some(rows, source, 12)


def _generated(result: xr.Dataset, variant: str) -> np.ndarray:
    return result.generated.sel(network=first_network(result, variant)).values


def _r(result: xr.Dataset, machine: str, variant: str) -> np.ndarray:
    return result.pearson_r.sel(machine=machine, network=first_network(result, variant)).values


def _pair(name: str, result: xr.Dataset, variant: str) -> list[Row]:
    """ELS above the network, and r of the two."""
    els = els_of(result, variant)
    return [Row(f"{name}: ELS", result.predicted.sel(machine=els).values),
            Row(variant, _generated(result, variant), _r(result, els, variant))]


def _some(rows: list[Row], source: Source, full: int) -> xr.Dataset:
    """The first samples that all results have images of."""
    most = max(3, full // 3) if source.quick else full
    shown = min(images_kept(one, most) for one in source.real.values())
    H = max(row.images.shape[2] for row in rows)
    if any(row.images.shape[2:] != (H, H) for row in rows):
        raise UserError("--results: got images of different sizes, want one size")
    return grid([row._replace(images=row.images[:shown]) for row in rows], R)


def scatter(source: Source) -> xr.Dataset:
    """KG figures 10 to 12: r of ELS against r of the ideal score, of each sample and network without attention."""
    return points.data({f"{name}, {variant}": points.pair(result, variant)
                        for name, result, variant in source.variants(attention=False)})
