"""The study of rows of images as text, as a tidy table, and in figures: samples, what attention adds, and rates."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.measure.intervals import binomial_interval, mean_interval
from compare.report import grid, sections
from compare.report.plots import PALETTE, a_column_each, legend_above
from compare.report.report import Picture, Report
from compare.report.table import Section, Steps, table_section
from compare.result import pairs, summary

COLUMNS = 10
"""Samples that are shown side by side."""


def _sections(dataset: xr.Dataset) -> list[Section]:
    found = [_head(dataset), _rates(dataset), _agreement(dataset)]
    found += [_added(dataset, variant, where) for variant in pairs.variants(dataset)
              for where in dataset["where"].values.tolist()]
    return [*found, _fits(dataset)]


def _head(dataset: xr.Dataset) -> Section:
    config = json.loads(dataset.attrs["config_json"])
    return Section(f"{config['dataset']}: {dataset.sizes['sample']} samples, seed {config['seed']}, machines "
                   f"{config['steps']} steps, networks {summary.most_steps(dataset)}, "
                   f"{dataset.attrs['training_images']:,} training images of {dataset.sizes['channel']} x "
                   f"{dataset.sizes['y']} x {dataset.sizes['x']}; computed in {dataset.attrs['wall_seconds']:.0f} s.\n"
                   "Of networks means over training seeds with Student's t 95 % intervals")


def _rates(dataset: xr.Dataset) -> Section:
    rows = [["exact chance", "", f"{dataset.attrs['chance']:.3f}", "", ""]]
    for variant in summary.variants_of(dataset):
        each = summary.networks_of(dataset, variant)
        rates = [pairs.rate(dataset, variant, quality) for quality in sections.QUALITIES]
        rows.append([variant, str(len(each)), *rates])
    for name in dataset.machine.values.tolist():
        flags = [dataset[quality].sel(source=name).values for quality in sections.QUALITIES]
        rows.append([name, "", *(binomial_interval(int(flag.sum()), flag.size) for flag in flags)])
    return table_section("rates", "Share of all samples; of a machine with Clopper-Pearson's interval",
                         ["source", "seeds", *sections.QUALITIES], rows)


def _agreement(dataset: xr.Dataset) -> Section:
    variants = [*pairs.variants(dataset), pairs.matched(dataset)]
    rows = [[name, *(mean_interval(pairs.machine_r2(dataset, name, variant)) for variant in variants)]
            for name in dataset.machine.values.tolist()]
    rows.append(["the CNN of the same seed", *(mean_interval(pairs.matched_r2(dataset, variant))
                                               for variant in variants[:-1]), ""])
    if all(len(summary.networks_of(dataset, variant)) > 1 for variant in variants):
        rows.append(["other training seeds", *(mean_interval(pairs.other_seeds_r2(dataset, variant))
                                               for variant in variants)])
    return table_section("agreement", "Mean r2 with the images of the network from the same noise",
                         ["predicted by", *variants], rows)


def _added(dataset: xr.Dataset, variant: str, where: str) -> Section:
    several = len(summary.networks_of(dataset, variant)) > 1
    above = pairs.ceiling(dataset, "cosine", variant, where) if several else None
    rows = []
    for role in ("theory", "null"):
        for form in pairs.forms(dataset, role):
            cosine = pairs.added(dataset, "cosine", form, variant, where)
            rows.append([form, role, mean_interval(cosine), mean_interval(cosine / above) if several else "",
                         *(mean_interval(pairs.added(dataset, measure, form, variant, where))
                           for measure in ("slope", "explained"))])
    if several:
        rows.append(["other pairs of networks", "ceiling", mean_interval(above), "",
                     *(mean_interval(pairs.ceiling(dataset, measure, variant, where))
                       for measure in ("slope", "explained"))])
    first, last = json.loads(dataset.attrs["stretch_json"])
    return table_section(f"added, {where}", f"What attention adds to {variant}, network minus CNN against closed form "
                         f"minus ELS, t in [{first:g}, {last:g}], {where}",
                         ["g", "role", "cosine", "share of ceiling", "slope", "explained"], rows, variant=variant,
                         labels=2)


def _fits(dataset: xr.Dataset) -> Section:
    k = dataset.patch_size.sel(machine=summary.els_of(dataset, pairs.matched(dataset))).values
    rows = [["k(t), along the first CNN", Steps(k, "2.0f")],
            ["strength k^2, as derived from the training set", Steps(dataset.derived_share.values, "3.2f")],
            ["strength k^2, by denoising held-out images", Steps(dataset.fitted_share.values, "3.2f")],
            ["strength k^2, along the first network with attention", Steps(dataset.fitted_share_along.values, "3.2f")]]
    return table_section("fits", f"Set beforehand, step 0 (least noise, t = 1/{dataset.sizes['step']}) first",
                         ["what", "value at each step"], rows)


# Figures


def _pictures(dataset: xr.Dataset) -> dict[str, Picture]:
    rows = grid.grid(_sample_rows(dataset))
    columns = len(pairs.variants(dataset)) * 2
    return {"samples.png": Picture(grid.draw, rows, grid.size(rows)),
            "added.png": Picture(_draw_added, dataset, (1.0 + 2.9 * columns, 3.6)),
            "rates.png": Picture(_draw_rates, dataset, (4.6, 0.9 + 0.22 * dataset.sizes["source"]))}


def _sample_rows(dataset: xr.Dataset) -> list[grid.Row]:
    """CNN, ELS, then attention network and closed form beside each other, the ideal score last."""
    network = lambda variant: grid.network_row(dataset, summary.first_network(dataset, variant), COLUMNS)
    machine = lambda name: grid.machine_row(dataset, name, COLUMNS)
    rows = [network(pairs.matched(dataset)), machine(summary.els_of(dataset, pairs.matched(dataset)))]
    rows += [network(variant) for variant in pairs.variants(dataset)]
    shared = dataset.machine.values[dataset.machine_kind.values == "evidence_sharing"].tolist()
    return [*rows, machine(shared[0]), machine(summary.ideal_of(dataset))]


def _draw_added(figure: Figure, dataset: xr.Dataset) -> None:
    asked = [(variant, where) for variant in pairs.variants(dataset) for where in dataset["where"].values.tolist()]
    panels = a_column_each(figure, len(asked))[0]
    for axes, (variant, where) in zip(panels, asked):
        for role, styles in (("theory", PALETTE), ("null", ("0.25", "0.45", "0.6", "0.7", "0.8", "0.85", "0.9"))):
            for form, colour in zip(pairs.forms(dataset, role), styles):
                _curve(axes, pairs.by_step(dataset, "cosine", form, variant, where), label=form, color=colour)
        if len(summary.networks_of(dataset, variant)) > 1:
            _curve(axes, pairs.ceiling_by_step(dataset, "cosine", variant, where), label="other pairs of networks",
                   color="black", linestyle="--")
        axes.set(title=f"{variant}, {where}", xlabel="t")
        axes.axhline(0.0, color="0.6", linewidth=0.6)
    panels[0].set_ylabel("cosine with what attention adds")
    legend_above(figure, panels[:1], 3)


def _curve(axes, values: xr.DataArray, **style) -> None:
    """The mean over pairs against t."""
    mean = values.mean("network_pair")
    axes.plot(mean.t.values, mean.values, marker=".", linewidth=1.2, **style)


def _draw_rates(figure: Figure, dataset: xr.Dataset) -> None:
    axes = figure.subplots()
    rates = dataset.consistent.mean("sample")
    order = np.arange(dataset.sizes["source"])[::-1]
    networks = dataset.kind.values == "network"
    for which, colour, label in ((networks, PALETTE[5], "networks"), (~networks, PALETTE[0], "closed forms")):
        axes.plot(rates.values[which], order[which], "o", color=colour, label=label, markersize=4)
    axes.axvline(dataset.attrs["chance"], color="0.5", linestyle=":", label="chance")
    axes.set_yticks(order, dataset.source.values, fontsize=6)
    axes.set(xlabel="rate of consistent samples", xlim=(0, 1.02))
    legend_above(figure, [axes], 3)


REPORT = Report(_sections, _pictures)
