"""The figures of an image study: pairs of theory and network, who beats whom, the fitted windows, where r is lost."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.report.plots import mosaic, save_figure
from compare.result import image_summary, summary
from compare.result.image_names import local_fitted
from compare.result.names import els_fitted, machines_for
from compare.result.published import KG_PATCH_SIZES

COLUMNS = 14
"""Samples that are shown side by side."""

ROW = 0.42
"""Height of an image in the figure of pairs, inches."""

GAP = 1
"""Pixels between images."""


def draw(dataset: xr.Dataset, folder: Path) -> list[Path]:
    """Write pairs.png, scatter.png, scales.png, path.png and, if there were snapshots, training.png into `folder`."""
    folder.mkdir(exist_ok=True)
    variants = len(summary.variants_of(dataset))
    shown = min(COLUMNS, dataset.sizes["sample"])
    figures = {
        "pairs.png": (_pairs, 1.5 + ROW * shown, 0.4 + ROW * len(_rows(dataset))),
        "scatter.png": (_scatter, 2.2 * variants + 0.4, 2.5),
        "scales.png": (_scales, *_side_by_side(variants)),
        "path.png": (_path, *_side_by_side(variants)),
    }
    if "snapshot_step" in dataset.dims:
        figures["training.png"] = (_training, 3.4, 2.6)
    return [save_figure(folder / name, partial(content, dataset=dataset), (width, height))
            for name, (content, width, height) in figures.items()]


def draw_calibration(dataset: xr.Dataset, folder: Path) -> list[Path]:
    """Write scales.png of a calibration alone."""
    folder.mkdir(exist_ok=True)
    return [save_figure(folder / "scales.png", partial(_scales, dataset=dataset),
                        _side_by_side(dataset.sizes["fitted_variant"]))]


def _side_by_side(variants: int) -> tuple[float, float]:
    """Inches of a figure with a panel for each variant."""
    return 2.6 * variants + 0.6, 2.7


def _rows(dataset: xr.Dataset) -> list[tuple[str, np.ndarray]]:
    """(label, images): each variant's first network between the machines that are fitted to it, then the others."""
    rows = []
    for variant in summary.variants_of(dataset):
        network = summary.networks_of(dataset, variant, summary.most_steps(dataset))[0]
        fitted = [name for name in machines_for(variant, dataset.machine.values.tolist()) if " fitted to " in name]
        rows.append((f"network {network}", dataset.generated.sel(network=network).values))
        rows += [(name, dataset.predicted.sel(machine=name).values) for name in reversed(fitted)]
    return rows + [(name, dataset.predicted.sel(machine=name).values) for name in dataset.machine.values.tolist()
                   if " fitted to " not in name]


def _pairs(figure: Figure, dataset: xr.Dataset) -> None:
    rows = _rows(dataset)
    shown = min(COLUMNS, dataset.sizes["sample"])
    images = np.stack([images[:shown] for _, images in rows])
    H, W = images.shape[-2:]
    axes = figure.subplots()
    axes.imshow(mosaic(images, GAP), aspect="equal")
    axes.set_yticks(GAP + np.arange(len(rows)) * (H + GAP) + (H - 1) / 2, [label for label, _ in rows])
    for label in axes.get_yticklabels():
        label.set_fontweight("bold" if label.get_text().startswith("network") else "normal")
    axes.set_xticks(GAP + np.arange(shown) * (W + GAP) + (W - 1) / 2, dataset.sample.values[:shown])
    axes.set_xlabel("sample")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _scatter(figure: Figure, dataset: xr.Dataset) -> None:
    """r of ELS against r of IS, a point a sample; above the diagonal ELS wins (Kamb & Ganguli 2025, figure 6)."""
    for axes, variant, network in _panels(figure, dataset):
        r = dataset.pearson_r.sel(network=network)
        els = els_fitted(variant)
        axes.plot([-1, 1], [-1, 1], color="0.6", linewidth=0.8, zorder=0)
        axes.plot(r.sel(machine="ideal"), r.sel(machine=els), ".", color="C0", alpha=0.7, markeredgewidth=0)
        low = float(np.nanmin([r.sel(machine=name).min() for name in ("ideal", els)]))
        axes.set(xlim=(min(0.0, low) - 0.02, 1.0), ylim=(min(0.0, low) - 0.02, 1.0), aspect="equal",
                 title=f"{network}: {image_summary.wins(dataset, els, 'ideal', network).estimate:.0%} above")
    figure.supxlabel("r of the ideal machine", fontsize=7)
    figure.supylabel("r of the equivariant local machine", fontsize=7)


RULES = {"cosine": ("C0", "-", 2.0), "mse": ("C1", "-", 1.0), "validation": ("C2", "-", 1.0),
         "entropy": ("C3", "-", 1.0), "local": ("0.5", ":", 1.2)}
"""Colour, line and width of each rule's k(t)."""


def _scales(figure: Figure, dataset: xr.Dataset) -> None:
    """k(t) by each rule, every draw's own choice by cosine, and Kamb & Ganguli's (as in their figure 4b)."""
    config = json.loads(dataset.attrs["config_json"])
    variants = dataset.fitted_variant.values.tolist()
    t = np.arange(1, dataset.sizes["step"] + 1) / dataset.sizes["step"]
    panels = figure.subplots(1, len(variants), sharey=True, squeeze=False)[0]
    for axes, variant in zip(panels, variants):
        fitted = dataset.sel(fitted_variant=variant)
        candidates = fitted.candidate_patch_size.values
        chosen = fitted.fitted_patch_size_by_draw.sel(rule="cosine").values == candidates[:, None, None]
        share = chosen.mean(axis=1)                                                                # (candidate, step)
        axes.scatter(*np.meshgrid(t, candidates), s=30 * share, color="C0", alpha=0.3, linewidth=0,
                     label="each seed's own, by cosine")
        for rule in fitted.rule.values.tolist():
            color, line, width = RULES[rule]
            axes.plot(t, fitted.fitted_patch_size.sel(rule=rule), line, color=color, linewidth=width,
                      label="LS, cosine" if rule == "local" else f"ELS, {rule}")
        published = KG_PATCH_SIZES.get((config["published"], variant, config["boundary"]))
        if published is not None:
            axes.plot(np.arange(1, len(published) + 1) / len(published), published, "k--", linewidth=0.8,
                      label="ELS, Kamb & Ganguli 2025")
        axes.set(title=variant, xlabel="t (1 = most noise)", xlim=(0.0, 1.02))
        top = max([candidates[-1], *(published or ())])
        axes.set_yticks(range(candidates[0], top + 1, 2 if top < 19 else 4))
    panels[0].set_ylabel("window side k")
    handles = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)


def _path(figure: Figure, dataset: xr.Dataset) -> None:
    """Median r of the two posterior means at each point of the network's own trajectory."""
    t = dataset.t.values
    panels = []
    for axes, variant, _ in _panels(figure, dataset):
        first = [els_fitted(variant), "ideal", "wiener", local_fitted(variant)]
        others = [name for name in machines_for(variant, dataset.machine.values.tolist()) if name not in first]
        for i, machine in enumerate(first + others):
            axes.plot(t, image_summary.path_agreement(dataset, machine, variant), color=f"C{i % 7}",
                      linestyle="-" if i < 7 else "--", linewidth=1.0 if i else 2.0,
                      label=machine.removesuffix(f" fitted to {variant}"))
        axes.set(title=f"{variant}, its own path", xlabel="t (1 = most noise)", xlim=(0.0, 1.02))
        panels.append(axes)
    panels[0].set_ylabel("r of machine's and network's x0")
    handles = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)


def _training(figure: Figure, dataset: xr.Dataset) -> None:
    """Median r against the training steps of the first network."""
    variant = summary.variants_of(dataset)[0]
    axes = figure.subplots()
    steps = dataset.snapshot_step.values
    for i, machine in enumerate((els_fitted(variant), "ideal", "wiener", local_fitted(variant))):
        found = image_summary.training_agreement(dataset, machine)
        low, high = [f.low for f in found], [f.high for f in found]
        axes.fill_between(steps, low, high, color=f"C{i}", alpha=0.15, linewidth=0)
        axes.plot(steps, [f.estimate for f in found], ".-", color=f"C{i}", label=machine)
    axes.set(xscale="log", xlabel="training steps", ylabel=f"median r, {summary.most_steps(dataset)} network steps")
    axes.set_xticks(steps, [f"{step:,}" for step in steps])
    axes.set_xticks([], minor=True)
    axes.legend()


def _panels(figure: Figure, dataset: xr.Dataset):
    """(axes, variant, its first network at the finest sampling), side by side."""
    variants = summary.variants_of(dataset)
    panels = figure.subplots(1, len(variants), sharex=True, sharey=True, squeeze=False)[0]
    for axes, variant in zip(panels, variants):
        yield axes, variant, summary.networks_of(dataset, variant, summary.most_steps(dataset))[0]
