"""The figures of the toy study: samples side by side, consistency, and the distribution of r2."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.report.plots import mosaic, save_figure
from compare.result import summary, toy_summary
from compare.result.names import els_fitted
from compare.result.published import CHANCE_CONSISTENT, FKTB_CONSISTENT
from compare.result.toy_names import attention_fitted, attention_fixed, els_fixed

COLUMNS = 20
"""Samples that are shown side by side."""

GAP = 1
"""Pixels between them."""


def draw(dataset: xr.Dataset, folder: Path) -> list[Path]:
    """Write samples.png, consistency.png and r2.png into `folder`; returns their paths."""
    folder.mkdir(exist_ok=True)
    variants, machines = summary.variants_of(dataset), dataset.machine.values.tolist()
    row = 0.34  # inches
    column = row * (dataset.sizes["x"] + GAP) / (dataset.sizes["y"] + GAP)
    figures = {
        "samples.png": (_samples, 2.1 + column * min(COLUMNS, dataset.sizes["sample"]),
                        0.4 + row * len(_sample_rows(dataset))),
        "consistency.png": (_consistency, 3.4, 1.1 + 0.16 * (len(variants) + len(machines))),
        "r2.png": (_r2, 6.8, 1.2 + 1.9 * ((len(variants) + 1) // 2)),
    }
    return [save_figure(folder / name, partial(content, dataset=dataset), (width, height))
            for name, (content, width, height) in figures.items()]


def _sample_rows(dataset: xr.Dataset) -> list[tuple[str, str, np.ndarray]]:
    """(label, source, images) of each row: the machines that are fitted to none, then each variant with its own."""
    config = json.loads(dataset.attrs["config_json"])
    k, strength = config["fixed_patch_size"], config["fixed_strength"]
    row = lambda machine: (machine, machine, dataset.predicted.sel(machine=machine).values)
    rows = [row(name) for name in dataset.machine.values.tolist() if name.split()[0] in ("ideal", "wiener", "local")]
    rows += [row(els_fixed(k)), row(attention_fixed("uniform", k, strength))]
    for variant in summary.variants_of(dataset):
        network = summary.networks_of(dataset, variant, summary.most_steps(dataset))[0]
        rows.append((f"network {network}", network, dataset.generated.sel(network=network).values))
        rows += [row(els_fitted(variant)), row(attention_fitted(variant))]
    return rows


def _samples(figure: Figure, dataset: xr.Dataset) -> None:
    rows = _sample_rows(dataset)
    shown = min(COLUMNS, dataset.sizes["sample"])
    images = np.stack([images[:shown] for *_, images in rows])
    _, _, _, H, W = images.shape
    axes = figure.subplots()
    axes.imshow(mosaic(images, GAP), aspect="equal")
    centre_y = GAP + np.arange(len(rows)) * (H + GAP) + (H - 1) / 2
    centre_x = GAP + np.arange(shown) * (W + GAP) + (W - 1) / 2
    consistent = np.stack([dataset.consistent.sel(source=source).values[:shown] for _, source, _ in rows])
    r, s = np.nonzero(consistent)
    axes.scatter(centre_x[s], centre_y[r] + H / 2 + GAP / 2, s=3, color="black", marker="o", linewidths=0)
    axes.set_yticks(centre_y, [label for label, *_ in rows])
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("network") else "normal")
    axes.set_xticks(centre_x, dataset.sample.values[:shown])
    axes.set_xlabel("sample (a dot below: consistent)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _consistency(figure: Figure, dataset: xr.Dataset) -> None:
    axes = figure.subplots()
    steps = summary.most_steps(dataset)
    variants, machines = summary.variants_of(dataset), dataset.machine.values.tolist()
    for y, variant in enumerate(variants):
        _interval(axes, y, toy_summary.variant_rate(dataset, "consistent", variant, steps), "C1")
        for network in summary.networks_of(dataset, variant, steps):
            axes.plot(toy_summary.rate(dataset, "consistent", network).estimate, y, "|", color="C1", markersize=6)
        axes.plot(FKTB_CONSISTENT[variant], y, "D", color="C2", markerfacecolor="none")
    for y, machine in enumerate(machines, start=len(variants)):
        _interval(axes, y, toy_summary.rate(dataset, "consistent", machine), "C0")
    axes.axvline(CHANCE_CONSISTENT["one-to-one"], color="0.6", linewidth=0.8, zorder=0)
    axes.plot([], [], "o", color="C1", label=f"network, {steps} steps (ticks: seeds)")
    axes.plot([], [], "o", color="C0", label="closed form")
    axes.plot([], [], "D", color="C2", markerfacecolor="none", label="Finn et al. 2025")
    axes.plot([], [], color="0.6", linewidth=0.8, label="random colours")
    figure.legend(loc="outside upper center", ncols=2)
    axes.set_yticks(range(len(variants) + len(machines)), variants + machines)
    axes.set_ylim(len(variants) + len(machines) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("share of consistent samples")


def _interval(axes, y: float, interval, color: str) -> None:
    axes.plot([interval.low, interval.high], [y, y], color=color)
    axes.plot(interval.estimate, y, "o", color=color)


def _r2(figure: Figure, dataset: xr.Dataset) -> None:
    """For each variant, the share of samples whose r2 is at least so much: higher is closer to the network."""
    config = json.loads(dataset.attrs["config_json"])
    steps, variants = summary.most_steps(dataset), summary.variants_of(dataset)
    panels = figure.subplots((len(variants) + 1) // 2, min(2, len(variants)), sharex=True, sharey=True, squeeze=False)
    for axes, variant in zip(panels.flat, variants):
        networks = summary.networks_of(dataset, variant, steps)
        stated = attention_fixed("uniform", config["fixed_patch_size"], config["fixed_strength"])
        for label, machine, width in (("els, fitted k(t)", els_fitted(variant), 3.0), ("ideal", "ideal", 1.2),
                                      ("attention, fitted", attention_fitted(variant), 1.2), (stated, stated, 1.2)):
            _survival(axes, dataset.r2.sel(machine=machine, network=networks).values, label=label, linewidth=width)
        if len(networks) > 1:
            first, second = (xr.DataArray(names, dims="pair") for names in (networks[:-1], networks[1:]))
            _survival(axes, dataset.network_r2.sel(network=first, other_network=second).values,
                      label="ceiling: another training seed", color="black", linestyle="--")
        axes.set_title(f"{variant}, {steps} steps")
    for axes in panels.flat[len(variants) :]:
        axes.set_axis_off()
    panels.flat[0].set_xlim(0.0, 1.0)
    panels.flat[0].set_ylim(0.0, 1.0)
    figure.supxlabel("r2 with the network's image", fontsize=7)
    figure.supylabel("share of samples with at least this r2", fontsize=7)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)


def _survival(axes, values: np.ndarray, **style) -> None:
    """Share of the values that are at least x, as steps; undefined ones count as below every x."""
    values = np.sort(np.nan_to_num(values.ravel(), nan=-1.0))[::-1]
    axes.step([1.0, *values, 0.0], [0.0, *np.arange(1, len(values) + 1) / len(values), 1.0], where="post", **style)
