"""r of ELS against r of the ideal score, a point a sample; above the diagonal ELS wins (KG figures 6 and 10 to 12)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from compare.result.schema import variable
from compare.result.summary import els_of, first_network, ideal_of


def pair(result: xr.Dataset, variant: str) -> tuple[np.ndarray, np.ndarray]:
    """Return r of the ELS fitted to the variant and r of the ideal score with its first network, (S,) each."""
    r = result.pearson_r.sel(network=first_network(result, variant))
    return r.sel(machine=els_of(result, variant)).values, r.sel(machine=ideal_of(result)).values


def data(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> xr.Dataset:
    """Return the numbers of the figure, a panel for each `pair`, by its title."""
    S = max(len(els) for els, _ in pairs.values())
    padded = [[np.pad(r, (0, S - len(r)), constant_values=np.nan) for r in which] for which in zip(*pairs.values())]
    return xr.Dataset(
        {"els": variable(("panel", "sample"), np.stack(padded[0]), "Pearson r of ELS and network"),
         "ideal": variable(("panel", "sample"), np.stack(padded[1]), "Pearson r of ideal score and network")},
        {"panel": variable("panel", np.array(list(pairs), dtype=object), "result and network")})


def draw(figure, dataset: xr.Dataset) -> None:
    """Draw the panels, at most three a row."""
    count, columns = dataset.sizes["panel"], min(3, dataset.sizes["panel"])
    panels = figure.subplots(-(-count // columns), columns, sharex=True, sharey=True, squeeze=False)
    for i, axes in enumerate(panels.flat):
        if i < count:
            _panel(axes, dataset.isel(panel=i))
        else:
            axes.set_axis_off()
    for axes in panels[:-1].flat[count - columns :]:  # the last of its column: ticks that sharing has hidden
        axes.tick_params(labelbottom=True)
    low = float(np.nanmin([dataset.els.min(), dataset.ideal.min(), 0.0]))
    panels.flat[0].set(xlim=(low - 0.05, 1.02), ylim=(low - 0.05, 1.02))
    figure.supxlabel("r of the ideal score with the network", fontsize=7)
    figure.supylabel("r of ELS with the network", fontsize=7)


def _panel(axes, one: xr.Dataset) -> None:
    defined = np.isfinite(one.els) & np.isfinite(one.ideal)
    above = (one.els > one.ideal)[defined]
    axes.plot([-1, 1], [-1, 1], color="0.6", linewidth=0.8)
    axes.plot(one.ideal, one.els, "o", color="C0", markersize=2.5, alpha=0.7, markeredgewidth=0)
    axes.set(title=f"{one.panel.item()}\nELS above on {int(above.sum())} of {above.size}", aspect="equal")


def size(dataset: xr.Dataset) -> tuple[float, float]:
    """Return width and height in inches."""
    columns = min(3, dataset.sizes["panel"])
    return 2.2 * columns + 0.3, 2.4 * -(-dataset.sizes["panel"] // columns) + 0.2
