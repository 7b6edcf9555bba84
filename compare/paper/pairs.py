"""KG figures 1, 5, 6, 7, 23 and 24: what machines and networks draw from the same noise, sample by sample.

The first samples of each result are shown, none is picked.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.paper.source import Source, attentive
from compare.report.grid import Row, grid
from compare.result.image_names import local_fitted
from compare.result.names import els_fitted
from compare.result.schema import described
from compare.result.summary import most_steps, networks_of, variants_of

R = "Pearson r of machine and network"


def first_networks(source: Source) -> xr.Dataset:
    """KG figure 1: ELS above the first network of each result."""
    rows = []
    for name, result in source.real.items():
        variant = variants_of(result)[0]
        pair = _pair(result, els_fitted(variant), f"{name}: ELS", variant)
        rows += [row._replace(values=None) for row in pair]
    return _some(rows, source, 5, 12)


def local_networks(source: Source) -> xr.Dataset:
    """KG figure 5: ELS above each network without attention, and r of the two."""
    rows = []
    for name, result in source.real.items():
        for variant in variants_of(result):
            if not attentive(variant):
                rows += _pair(result, els_fitted(variant), f"{name}: ELS", variant)
    return _some(rows, source, 5, 12)


def attention_networks(source: Source, shown: int) -> xr.Dataset:
    """KG figures 6, 23 and 24: ELS above each network with attention, and its twin without where there is one."""
    rows = []
    for name, result in _with_attention(source).items():
        for variant in filter(attentive, variants_of(result)):
            rows += _pair(result, els_fitted(variant), f"{name}: ELS", variant)
            twin = variant.rpartition("-")[0]
            if twin in variants_of(result):
                rows.append(Row(f"{twin}, no attention", result.generated.sel(network=_network(result, twin)).values))
    return _some(rows, source, 5, shown)


def architectures(source: Source) -> xr.Dataset:
    """KG figure 7: every network without attention, and LS and ELS from the same noise with their r below."""
    rows = []
    for name, result in source.real.items():
        for variant in variants_of(result):
            if attentive(variant):
                continue
            network = _network(result, variant)
            rows.append(Row(f"{name}: {variant}", result.generated.sel(network=network).values))
            rows += [Row(kind, result.predicted.sel(machine=machine).values,
                         result.pearson_r.sel(machine=machine, network=network).values)
                     for kind, machine in (("LS", local_fitted(variant)), ("ELS", els_fitted(variant)))
                     if machine in result.machine.values]
    return _some(rows, source, 5, 12)


def _pair(result: xr.Dataset, machine: str, label: str, variant: str) -> list[Row]:
    network = _network(result, variant)
    return [Row(label, result.predicted.sel(machine=machine).values),
            Row(variant, result.generated.sel(network=network).values,
                result.pearson_r.sel(machine=machine, network=network).values)]


def _network(result: xr.Dataset, variant: str) -> str:
    """Its first training seed, at most steps."""
    return networks_of(result, variant, most_steps(result))[0]


def _with_attention(source: Source) -> dict[str, xr.Dataset]:
    found = {name: result for name, result in source.real.items() if any(map(attentive, variants_of(result)))}
    if not found:
        raise ValueError(f"--results: found no network with attention in {source.results_folder}/*/result.nc, want one "
                         "(unet-identity, say)")
    return found


def _some(rows: list[Row], source: Source, quick: int, full: int) -> xr.Dataset:
    shown = min(quick if source.quick else full, *(len(row.images) for row in rows))
    H = max(row.images.shape[2] for row in rows)
    if any(row.images.shape[2:] != (H, H) for row in rows):
        raise ValueError("--results: got images of different sizes, want one size")
    return grid([Row(row.label, row.images[:shown], None if row.values is None else row.values[:shown])
                 for row in rows], R)


def scatter(source: Source) -> xr.Dataset:
    """KG figures 10 to 12: r of ELS against r of the ideal score, of each sample and network without attention."""
    panels, r_els, r_ideal = [], [], []
    for name, result in source.real.items():
        for variant in variants_of(result):
            if attentive(variant):
                continue
            r = result.pearson_r.sel(network=_network(result, variant))
            panels.append(f"{name}, {variant}")
            r_els.append(r.sel(machine=els_fitted(variant)).values)
            r_ideal.append(r.sel(machine="ideal").values)
    S = max(map(len, r_els))
    padded = lambda values: np.stack([np.pad(v, (0, S - len(v)), constant_values=np.nan) for v in values])
    return xr.Dataset(
        {"els": described(("panel", "sample"), padded(r_els), "Pearson r of ELS and network"),
         "ideal": described(("panel", "sample"), padded(r_ideal), "Pearson r of ideal score and network")},
        {"panel": described("panel", np.array(panels, dtype=object), "result and network")})


def draw_scatter(figure, dataset: xr.Dataset) -> None:
    columns = min(3, dataset.sizes["panel"])
    panels = figure.subplots(-(-dataset.sizes["panel"] // columns), columns, sharex=True, sharey=True, squeeze=False)
    for axes, i in zip(panels.flat, range(dataset.sizes["panel"])):
        one = dataset.isel(panel=i)
        defined = np.isfinite(one.els) & np.isfinite(one.ideal)
        above = (one.els > one.ideal)[defined]
        axes.plot([-1, 1], [-1, 1], color="0.6", linewidth=0.8)
        axes.plot(one.ideal, one.els, "o", color="C0", markersize=2.5, alpha=0.7, markeredgewidth=0)
        axes.set_title(f"{one.panel.item()}\nELS above on {int(above.sum())} of {above.size}")
        axes.set_aspect("equal")
    for axes in panels.flat[dataset.sizes["panel"]:]:
        axes.set_axis_off()
    low = float(np.nanmin([dataset.els.min(), dataset.ideal.min(), 0.0]))
    panels.flat[0].set(xlim=(low - 0.05, 1.02), ylim=(low - 0.05, 1.02))
    figure.supxlabel("r of the ideal score with the network", fontsize=7)
    figure.supylabel("r of ELS with the network", fontsize=7)


def scatter_size(dataset: xr.Dataset) -> tuple[float, float]:
    columns = min(3, dataset.sizes["panel"])
    return 2.2 * columns + 0.3, 2.4 * -(-dataset.sizes["panel"] // columns) + 0.2
