"""KG figures 1, 5, 6, 7, 23 and 24: what machines and networks draw from the same noise, sample by sample.

The first samples of each result are shown, none is picked.
"""

from __future__ import annotations

import xarray as xr

from compare.paper.source import Source, attentive
from compare.report import scatter as points
from compare.report.grid import Row, grid, images_kept
from compare.result.identity import variant_parts
from compare.result.summary import els_of, first_network, local_of, variants_of
from theory.errors import UserError

R = "Pearson r of machine and network"


def first_networks(source: Source) -> xr.Dataset:
    """KG figure 1: ELS above the first network of each result."""
    rows = []
    for name, result in source.real.items():
        variant = variants_of(result)[0]
        pair = _pair(result, els_of(result, variant), f"{name}: ELS", variant)
        rows += [row._replace(values=None) for row in pair]
    return _some(rows, source, 5, 12)


def local_networks(source: Source) -> xr.Dataset:
    """KG figure 5: ELS above each network without attention, and r of the two."""
    rows = []
    for name, result in source.real.items():
        for variant in variants_of(result):
            if not attentive(variant):
                rows += _pair(result, els_of(result, variant), f"{name}: ELS", variant)
    return _some(rows, source, 5, 12)


def attention_networks(source: Source, shown: int) -> xr.Dataset:
    """KG figures 6, 23 and 24: ELS above each network with attention, and its twin without where there is one."""
    rows = []
    for name, result in _with_attention(source).items():
        for variant in filter(attentive, variants_of(result)):
            rows += _pair(result, els_of(result, variant), f"{name}: ELS", variant)
            twin, _ = variant_parts(variant)
            if twin in variants_of(result):
                rows.append(Row(f"{twin}, no attention",
                                result.generated.sel(network=first_network(result, twin)).values))
    return _some(rows, source, 5, shown)


def architectures(source: Source) -> xr.Dataset:
    """KG figure 7: every network without attention, and LS and ELS from the same noise with their r below."""
    rows = []
    for name, result in source.real.items():
        for variant in variants_of(result):
            if attentive(variant):
                continue
            network = first_network(result, variant)
            rows.append(Row(f"{name}: {variant}", result.generated.sel(network=network).values))
            rows += [Row(kind, result.predicted.sel(machine=machine).values,
                         result.pearson_r.sel(machine=machine, network=network).values)
                     for kind, machines in (("LS", local_of(result, variant)), ("ELS", [els_of(result, variant)]))
                     for machine in machines]
    return _some(rows, source, 5, 12)


def _pair(result: xr.Dataset, machine: str, label: str, variant: str) -> list[Row]:
    network = first_network(result, variant)
    return [Row(label, result.predicted.sel(machine=machine).values),
            Row(variant, result.generated.sel(network=network).values,
                result.pearson_r.sel(machine=machine, network=network).values)]


def _with_attention(source: Source) -> dict[str, xr.Dataset]:
    found = {name: result for name, result in source.real.items() if any(map(attentive, variants_of(result)))}
    if not found:
        raise UserError(f"--results: found no network with attention in {source.results_folder}/*/result.nc, want one "
                         "(unet-identity, say)")
    return found


def _some(rows: list[Row], source: Source, quick: int, full: int) -> xr.Dataset:
    most = quick if source.quick else full
    shown = min(most, *(len(row.images) for row in rows), *(images_kept(one, most) for one in source.real.values()))
    H = max(row.images.shape[2] for row in rows)
    if any(row.images.shape[2:] != (H, H) for row in rows):
        raise UserError("--results: got images of different sizes, want one size")
    return grid([Row(row.label, row.images[:shown], None if row.values is None else row.values[:shown])
                 for row in rows], R)


def scatter(source: Source) -> xr.Dataset:
    """KG figures 10 to 12: r of ELS against r of the ideal score, of each sample and network without attention."""
    return points.data({f"{name}, {variant}": points.pair(result, variant)
                        for name, result in source.real.items() for variant in variants_of(result)
                        if not attentive(variant)})
