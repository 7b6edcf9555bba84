"""The image result as text, as a tidy table, and in figures: agreement beside the published, who beats whom, where it
is lost, what was fitted."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.report import grid, scatter, sections
from compare.report.plots import a_column_each, legend_above
from compare.report.report import Picture, Report
from compare.report.table import Section, Steps, table_section
from compare.result import summary
from compare.result.identity import for_variant, machines
from compare.result.published import KG_PATCH_SIZES, kg_correlation

COLUMNS = 14
"""Samples that are shown side by side."""


def _sections(dataset: xr.Dataset) -> list[Section]:
    found = [_head(dataset)]
    for variant in summary.variants_of(dataset):
        found += [_agreement(dataset, variant), sections.wins(dataset, variant), _path(dataset, variant)]
        found += [_gain(dataset, variant, name) for name in summary.attending_of(dataset, variant)]
    found.append(_fits(dataset))
    if "snapshot_step" in dataset.dims:
        found.append(_training(dataset))
    if "consistent" in dataset:
        found.append(_rates(dataset))
    return [*found, _novelty(dataset)]


def _config(dataset: xr.Dataset) -> dict:
    return json.loads(dataset.attrs["config_json"])


def _head(dataset: xr.Dataset) -> Section:
    config = _config(dataset)
    known = "class-conditional" if config["conditional"] else "unconditional"
    shape = " x ".join(str(dataset.sizes[dim]) for dim in ("channel", "y", "x"))
    return Section(
        f"{config['dataset']}: {dataset.attrs['training_images']:,} training images of {shape}, {known}, "
        f"{config['boundary']}; {dataset.sizes['sample']} samples, seed {config['seed']}; machines "
        f"{config['steps']} steps; computed in {dataset.attrs['wall_seconds']:.0f} s")


def _agreement(dataset: xr.Dataset, variant: str) -> Section:
    """With Kamb & Ganguli's figures, beside the machines that are made as theirs are."""
    config = _config(dataset)
    theirs = {summary.els_of(dataset, variant), *summary.local_of(dataset, variant),
              summary.ideal_of(dataset)}

    def published(name: str) -> list[str]:
        kind = dataset.machine_kind.sel(machine=name).item()
        found = kg_correlation(config["published"], variant, config["boundary"], kind) if name in theirs else None
        return [""] if found is None else [f"{found.at_150:.2f} [{found.at_20:.2f}]"]

    return sections.agreement(
        dataset, variant, "pearson_r", "; KG: Kamb & Ganguli 2025, networks at 150 [20] steps: they print it as r2, "
        "their released evaluation computes r, to be held against r", ["KG 150 [20]"], published)


def _rates(dataset: xr.Dataset) -> Section:
    """Of rows of images."""
    chance = ["values drawn by themselves, exact", "", f"{dataset.attrs['chance']:.4f}", "", "", ""]
    return sections.rates(dataset, sections.every_source(dataset), sections.QUALITIES, chance)


def _path(dataset: xr.Dataset, variant: str) -> Section:
    rows = [[name, Steps(summary.path_agreement(dataset, name, variant), "5.2f")]
            for name in for_variant(dataset, variant)]
    return table_section(
        "path", f"{variant}: r of machine's and network's x0 at the points of the network's own "
        f"{dataset.sizes['step']}-step trajectory, step 0 (least noise) first; medians over "
        f"{dataset.sizes['diagnosed_sample']} samples", ["machine", "r at each step"], rows, variant=variant)


def _gain(dataset: xr.Dataset, variant: str, attending: str) -> Section:
    gain = sections.gain(dataset, attending, summary.els_of(dataset, variant), variant)
    return Section(f"{variant} at {summary.most_steps(dataset)} steps: {gain.sentence}:\n  paired difference of r2, "
                   f"{gain.text}", gain.numbers)


def _fits(dataset: xr.Dataset) -> Section:
    """With Kamb & Ganguli's k beside, where they have such a network."""
    config = _config(dataset)

    def published(variant: str) -> list[list]:
        found = KG_PATCH_SIZES.get((config["published"], variant, config["boundary"]), ())
        comparable = len(found) == dataset.sizes["step"]
        return [[variant, "k of els, KG 2025", Steps(np.array(found), "2.0f")]] if comparable else []

    return sections.fits(dataset, published)


def _training(dataset: xr.Dataset) -> Section:
    variant = summary.variants_of(dataset)[0]
    rows = [[name, *summary.training_agreement(dataset, name)] for name in for_variant(dataset, variant)]
    return table_section(
        "training", f"{variant}: median r with the network after so many training steps, windows fitted to the "
        "finished one", ["machine", *(f"{step:,}" for step in dataset.snapshot_step.values.tolist())], rows,
        variant=variant)


def _novelty(dataset: xr.Dataset) -> Section:
    rows = [[source, summary.distance(dataset, source)] for source in dataset.source.values.tolist()]
    return table_section("novelty", "Distance to the nearest training image, root mean square a pixel: medians over "
                         "samples, 95 % bootstrap intervals", ["source", "distance"], rows, form=".3f")


def _pictures(dataset: xr.Dataset) -> dict[str, Picture]:
    rows, points = grid.grid(_rows(dataset)), scatter.data(_points(dataset))
    found = {"pairs.png": Picture(partial(grid.draw, named=True), rows, grid.size(rows, named=True)),
             "scatter.png": Picture(scatter.draw, points, scatter.size(points)), **_picture_of_fits(dataset),
             "path.png": Picture(_paths, dataset, _side_by_side(len(summary.variants_of(dataset))))}
    if "snapshot_step" in dataset.dims:
        found["training.png"] = Picture(_course, dataset, (3.4, 2.6))
    return found


def _picture_of_fits(dataset: xr.Dataset) -> dict[str, Picture]:
    return {"scales.png": Picture(_scales, dataset, _side_by_side(dataset.sizes["fitted_variant"]))}


def _side_by_side(variants: int) -> tuple[float, float]:
    """Inches of a figure with a panel for each variant."""
    return 2.6 * variants + 0.6, 2.7


def _rows(dataset: xr.Dataset) -> list[grid.Row]:
    """Each variant's first network between the machines that are fitted to it, then the others."""
    rows = []
    for variant in summary.variants_of(dataset):
        rows.append(grid.network_row(dataset, summary.first_network(dataset, variant), COLUMNS))
        rows += [grid.machine_row(dataset, name, COLUMNS) for name in machines(dataset, fitted_to=variant)[::-1]]
    return rows + [grid.machine_row(dataset, name, COLUMNS) for name in machines(dataset, fitted_to="")]


def _points(dataset: xr.Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {summary.first_network(dataset, variant): scatter.pair(dataset, variant)
            for variant in summary.variants_of(dataset)}


RULES = {"cosine": ("C0", "-", 2.0), "mse": ("C1", "-", 1.0), "validation": ("C2", "-", 1.0),
         "entropy": ("C3", "-", 1.0), "local": ("0.5", ":", 1.2)}
"""Colour, line and width of each rule's k(t)."""


def _scales(figure: Figure, dataset: xr.Dataset) -> None:
    """k(t) by each rule, every draw's own choice by cosine, and Kamb & Ganguli's (as in their figure 4b)."""
    variants = dataset.fitted_variant.values.tolist()
    panels = a_column_each(figure, len(variants))[0]
    for axes, variant in zip(panels, variants):
        _windows(axes, dataset.sel(fitted_variant=variant), _config(dataset))
    panels[0].set_ylabel("window side k")
    legend_above(figure, panels, 3)


def _windows(axes, fitted: xr.Dataset, config: dict) -> None:
    """One variant's."""
    t, variant = np.arange(1, fitted.sizes["step"] + 1) / fitted.sizes["step"], fitted.fitted_variant.item()
    candidates = fitted.candidate_patch_size.values
    chosen = fitted.fitted_patch_size_by_draw.sel(rule="cosine").transpose("draw", "step").values
    share = (chosen == candidates[:, None, None]).mean(axis=1)                                 # (candidate, step)
    axes.scatter(*np.meshgrid(t, candidates), s=30 * share, color="C0", alpha=0.3, linewidth=0,
                 label="each seed's own, by cosine")
    for rule in fitted.rule.values.tolist():
        color, line, width = RULES[rule]
        axes.plot(t, fitted.fitted_patch_size.sel(rule=rule), line, color=color, linewidth=width,
                  label="LS, cosine" if rule == "local" else f"ELS, {rule}")
    published = KG_PATCH_SIZES.get((config["published"], variant, config["boundary"]), ())
    if published:
        axes.plot(np.arange(1, len(published) + 1) / len(published), published, "k--", linewidth=0.8,
                  label="ELS, Kamb & Ganguli 2025")
    axes.set(title=variant, xlabel="t (1 = most noise)", xlim=(0.0, 1.02))
    top = max([candidates[-1], *published])
    axes.set_yticks(range(candidates[0], top + 1, 2 if top < 19 else 4))


def _named(dataset: xr.Dataset, variant: str) -> list[str]:
    """ELS, ideal, Wiener and LS of a variant."""
    return [summary.els_of(dataset, variant), summary.ideal_of(dataset), *machines(dataset, kind="wiener"),
            *summary.local_of(dataset, variant)]


def _paths(figure: Figure, dataset: xr.Dataset) -> None:
    """Median r of the two posterior means at each point of the network's own trajectory."""
    variants = summary.variants_of(dataset)
    panels = a_column_each(figure, len(variants))[0]
    for axes, variant in zip(panels, variants):
        names = dict.fromkeys([*_named(dataset, variant), *for_variant(dataset, variant)])
        for i, name in enumerate(names):
            axes.plot(dataset.t.values, summary.path_agreement(dataset, name, variant), color=f"C{i % 7}",
                      linestyle="-" if i < 7 else "--", linewidth=1.0 if i else 2.0, label=name)
        axes.set(title=f"{variant}, its own path", xlabel="t (1 = most noise)", xlim=(0.0, 1.02))
    panels[0].set_ylabel("r of machine's and network's x0")
    legend_above(figure, panels, 3)


def _course(figure: Figure, dataset: xr.Dataset) -> None:
    """Median r against the training steps of the first network."""
    variant = summary.variants_of(dataset)[0]
    axes = figure.subplots()
    steps = dataset.snapshot_step.values
    for i, name in enumerate(_named(dataset, variant)):
        found = summary.training_agreement(dataset, name)
        axes.fill_between(steps, [f.low for f in found], [f.high for f in found], color=f"C{i}", alpha=0.15,
                          linewidth=0)
        axes.plot(steps, [f.estimate for f in found], ".-", color=f"C{i}", label=name)
    axes.set(xscale="log", xlabel="training steps", ylabel=f"median r, {summary.most_steps(dataset)} network steps")
    axes.set_xticks(steps, [f"{step:,}" for step in steps])
    axes.set_xticks([], minor=True)
    axes.legend()


REPORT = Report(_sections, _pictures)
report, tidy, draw = REPORT.text, REPORT.tidy, REPORT.draw

FITS = Report(lambda dataset: [_fits(dataset)], _picture_of_fits)
"""What a calibration alone says."""
