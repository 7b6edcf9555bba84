"""The capacity study as text and figure: losses against the bounds, agreement with the machines, rates."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.report.plots import reach
from compare.report.report import Picture, Report
from compare.report.table import Section, format_interval, table_section
from compare.result import capacity as own
from compare.result import summary


def _sections(dataset: xr.Dataset) -> list[Section]:
    config, chance = json.loads(dataset.attrs["config_json"]), json.loads(dataset.attrs["chance_json"])
    window, forms = own.window_machine(dataset), own.closed_forms(dataset)
    bare = [window, *(name for name in own.machines(dataset) if name not in (window, *forms))]
    header = ["source", "seeds", "loss", f"loss minus {window}", f"median r2 with {window}",
              *(f"with {name}" for name in bare[1:]), "with another seed",
              *(f"mean r2 above {window}: {form}" for form in forms),
              f"consistent (random {chance['consistent']:.3f})"]
    rows = [_network(dataset, variant, window, bare, forms) for variant in summary.variants_of(dataset)]
    rows += [_machine(dataset, name, window, len(header)) for name in own.machines(dataset)]
    title = (f"{len(config['networks'])} networks on {dataset.attrs['training_images']:,} images of "
             f"{dataset.sizes['channel']} x {dataset.sizes['y']} x {dataset.sizes['x']}; loss of eps, mean over "
             f"{config['steps']} noise levels of {dataset.sizes['point']} noised images each; "
             f"{dataset.sizes['sample']} samples, seed {config['seed']}, networks "
             f"at {summary.most_steps(dataset)} DDIM steps, machines at {config['steps']}; 95 % "
             "intervals over images and noises, networks fixed; computed in "
             f"{dataset.attrs['wall_seconds']:.0f} s\n")
    return [table_section("capacity", title, header, rows)]


def _network(dataset: xr.Dataset, variant: str, window: str, bare: list[str], forms: list[str]) -> list:
    networks = summary.networks_of(dataset, variant)
    return [variant, str(len(networks)), format_interval(own.loss(dataset, variant), ".4f"),
            format_interval(own.loss(dataset, variant, window), "+.4f"),
            *(summary.machine_agreement(dataset, "r2", name, variant) for name in bare),
            summary.seed_ceiling(dataset, "r2", variant) if len(networks) > 1 else "",
            *(format_interval(summary.gain(dataset, form, window, variant), "+.3f") for form in forms),
            summary.rate(dataset, "consistent", networks)]


def _machine(dataset: xr.Dataset, name: str, window: str, columns: int) -> list:
    above = "" if name == window else format_interval(own.loss(dataset, name, window), "+.4f")
    return [name, "", format_interval(own.loss(dataset, name), ".4f"), above, *[""] * (columns - 5),
            summary.rate(dataset, "consistent", name)]


# The figure: loss, agreement, rate and what closed forms add against training steps, by capacity


def _pictures(dataset: xr.Dataset) -> dict[str, Picture]:
    return {"approach.png": Picture(_draw, dataset, (7.2, 5.0 if own.closed_forms(dataset) else 2.9))}


def _draw(figure: Figure, dataset: xr.Dataset) -> None:
    quantities = _quantities(dataset)
    upper, forms = 3, len(quantities) - 3
    grid = figure.subplots(1 + bool(forms), upper, squeeze=False)
    panels = grid.flat[:upper + forms]
    for axes in grid.flat[upper + forms:]:
        axes.set_axis_off()
    for axes in panels[upper + 1:]:
        axes.sharey(panels[upper])
    for capacity in dict.fromkeys(dataset.capacity.values.tolist()):
        _curves(panels, list(quantities.values()), dataset, capacity)
    _bounds(panels, dataset)
    trained = _apart(np.unique(dataset.training_step))
    for axes, title in zip(panels, quantities):
        axes.set(title=title, xscale="log", xlabel="training steps")
        axes.set_xticks(trained, [f"{step:,}" for step in trained])
        axes.minorticks_off()
    for axes in panels[1:upper]:
        axes.set_ylim(0.0, 1.02)
    for axes in panels[upper:]:
        axes.axhline(0.0, color="0.5", linewidth=0.8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _quantities(dataset: xr.Dataset) -> dict:
    """What is drawn of a variant, by title."""
    window = own.window_machine(dataset)
    return {
        f"loss of eps above {window}": lambda name: own.loss(dataset, name, window),
        f"median r2 with {window}": lambda name: summary.machine_agreement(dataset, "r2", window, name),
        "share consistent": lambda name: summary.variant_rate(dataset, "consistent", name),
    } | {f"r2 above {window}:\n{form}": partial(summary.gain, dataset, form, window)
         for form in own.closed_forms(dataset)}


def _curves(panels, quantities, dataset: xr.Dataset, capacity: str) -> None:
    of = dataset.isel(network=np.flatnonzero(dataset.capacity.values == capacity))
    labels = sorted(set(zip(of.training_step.values.tolist(), of.variant.values.tolist())))
    for axes, quantity in zip(panels, quantities):
        found = [quantity(name) for _, name in labels]
        axes.errorbar([step for step, _ in labels], [interval.estimate for interval in found], yerr=reach(found),
                      marker="o", markersize=3, elinewidth=0.6, label=capacity)


def _bounds(panels, dataset: xr.Dataset) -> None:
    """The machines' own loss and rate, as lines."""
    window = own.window_machine(dataset)
    for k, name in enumerate(own.machines(dataset)):
        ideal = dataset.machine_kind.values[k] == "ideal"
        style = {"color": "0.2" if ideal else "0.5", "linestyle": (0, (1 + 2 * k, 2)), "linewidth": 0.8}
        panels[0].axhline(own.loss(dataset, name, window).estimate, **style, label=name)
        panels[2].axhline(summary.rate(dataset, "consistent", name).estimate, **style)


def _apart(steps: np.ndarray) -> list[int]:
    """Those whose labels have room beside each other on a logarithmic axis."""
    kept: list[int] = []
    for step in steps.tolist():
        if not kept or step > 1.5 * kept[-1]:
            kept.append(step)
    return kept


REPORT = Report(_sections, _pictures)
report, tidy, draw = REPORT.text, REPORT.tidy, REPORT.draw
