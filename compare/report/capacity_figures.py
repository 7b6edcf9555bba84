"""The figure of the study: loss, agreement, rate and what closed forms add against training steps, by capacity."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.report.plots import save_figure
from compare.result import capacity as own
from compare.result import summary
from compare.result.names import IDEAL


def draw(dataset: xr.Dataset, folder: Path) -> list[Path]:
    """Write approach.png into `folder`; returns its path."""
    folder.mkdir(exist_ok=True)
    return [save_figure(folder / "approach.png", partial(_approach, dataset=dataset),
                        (7.2, 5.0 if own.closed_forms(dataset) else 2.9))]


def _approach(figure: Figure, dataset: xr.Dataset) -> None:
    window, steps, forms = own.window_machine(dataset), summary.most_steps(dataset), own.closed_forms(dataset)
    grid = figure.subplots(1 + bool(forms), 3, squeeze=False)
    for axes in grid.flat[3 + len(forms):]:
        axes.set_axis_off()
    panels = grid.flat[:3 + len(forms)]
    for axes in panels[4:]:
        axes.sharey(panels[3])
    quantities = [
        lambda name: own.loss(dataset, name, window),
        lambda name: summary.machine_agreement(dataset, "r2", window, name, steps),
        lambda name: summary.rate(dataset, "consistent", summary.networks_of(dataset, name, steps)),
        *(partial(summary.gain, dataset, form, window, steps=steps) for form in forms),
    ]
    titles = (f"loss of eps above {window}", f"median r2 with {window}", "share consistent",
              *(f"r2 above {window}:\n{form}" for form in forms))
    of_label = dict(zip(dataset.variant.values.tolist(), zip(dataset.capacity.values.tolist(),
                                                             dataset.trained_steps.values.tolist())))
    for capacity in dict.fromkeys(dataset.capacity.values.tolist()):
        labels = sorted((step, name) for name, (kind, step) in of_label.items() if kind == capacity)
        for axes, quantity in zip(panels, quantities):
            found = [quantity(name) for _, name in labels]
            centre = np.array([interval.estimate for interval in found])
            reach = np.abs(np.array([[interval.low, interval.high] for interval in found]).T - centre)
            axes.errorbar([step for step, _ in labels], centre, yerr=reach, marker="o", markersize=3, elinewidth=0.6,
                          label=capacity)
    for k, name in enumerate(own.machines(dataset)):
        style = {"color": "0.2" if name == IDEAL else "0.5", "linestyle": (0, (1 + 2 * k, 2)), "linewidth": 0.8}
        panels[0].axhline(own.loss(dataset, name, window).estimate, **style, label=name)
        panels[2].axhline(summary.rate(dataset, "consistent", name).estimate, **style)
    trained = _apart(np.unique(dataset.trained_steps))
    for axes, title in zip(panels, titles):
        axes.set(title=title, xscale="log", xlabel="training steps")
        axes.set_xticks(trained, [f"{step:,}" for step in trained])
        axes.minorticks_off()
    panels[1].set_ylim(0.0, 1.02)
    panels[2].set_ylim(0.0, 1.02)
    for axes in panels[3:]:
        axes.axhline(0.0, color="0.5", linewidth=0.8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _apart(steps: np.ndarray) -> list[int]:
    """Those whose labels have room beside each other on a logarithmic axis."""
    kept: list[int] = []
    for step in steps.tolist():
        if not kept or step > 1.5 * kept[-1]:
            kept.append(step)
    return kept
