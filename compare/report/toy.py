"""The toy result as text, as a tidy table, and in figures: consistency, agreement, the fits, and a plain answer."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.measure.intervals import Interval
from compare.report import grid, sections
from compare.report.plots import legend_above
from compare.report.report import Picture, Report
from compare.report.table import Section, format_interval, number
from compare.result import summary
from compare.result.identity import ATTENTION_KINDS, machine, machines
from compare.result.published import CHANCE_CONSISTENT, FKTB_CONSISTENT

COLUMNS = 20
"""Samples that are shown side by side."""

MARGIN = 0.1
"""Two rates of consistent samples count as the same if the interval of their difference lies within this, stated
beforehand."""

def _sections(dataset: xr.Dataset) -> list[Section]:
    agreements = [sections.agreement(dataset, variant, "r2") for variant in summary.variants_of(dataset)]
    return [_head(dataset), _rates(dataset), *agreements, sections.fits(dataset), _answers(dataset)]


def _head(dataset: xr.Dataset) -> Section:
    config = json.loads(dataset.attrs["config_json"])
    return Section(
        f"Toy set: {dataset.sizes['sample']} samples, seed {config['seed']}, machines {config['steps']} steps, "
        f"{dataset.attrs['training_images']:,} training images of {dataset.sizes['channel']} x {dataset.sizes['y']} x "
        f"{dataset.sizes['x']}; computed in {dataset.attrs['wall_seconds']:.0f} s")


def _rates(dataset: xr.Dataset) -> Section:
    chance = [f"{CHANCE_CONSISTENT['one-to-one']:.4f} one-to-one, {CHANCE_CONSISTENT['all']:.4f} any function"]
    published = lambda name: [f"{FKTB_CONSISTENT[name]:.4f}" if name in FKTB_CONSISTENT else ""]
    first = ["random colours, exact", "", *chance, "", "", "", *published("random")]
    return sections.rates(dataset, sections.every_source(dataset), sections.QUALITIES, first, published,
                          ["Finn et al."])


def stated(dataset: xr.Dataset, attention: str = "") -> str:
    """Return the machine with window and strength stated beforehand: ELS, or that which attends by the rule."""
    config = json.loads(dataset.attrs["config_json"])
    size = config["fixed_patch_size"]
    if not attention:
        return machine(dataset, kind="equivariant_local", setting="fixed", patch_size=size)
    return machine(dataset, kind=ATTENTION_KINDS, attention=attention, setting="fixed", patch_size=size,
                   strength=config["fixed_strength"])


def rule_of(dataset: xr.Dataset, variant: str) -> str:
    """Return the rule of attention of the machine that is fitted to a variant."""
    return dataset.attention.sel(machine=summary.attending_of(dataset, variant)[0]).item()


def _answers(dataset: xr.Dataset) -> Section:
    """For each variant: the attention machine against ELS, fitted and as stated beforehand."""
    strength = json.loads(dataset.attrs["config_json"])["fixed_strength"]
    lines = ["Does the attention machine predict the trained network better than ELS, and are its samples as often "
             f"consistent? (networks at {summary.most_steps(dataset)} steps)"]
    numbers = []
    for variant in summary.variants_of(dataset):
        asked = {"lambda(t) fitted": (summary.attending_of(dataset, variant)[0], summary.els_of(dataset, variant)),
                 f"lambda = {strength:g} stated beforehand":
                     (stated(dataset, rule_of(dataset, variant)), stated(dataset))}
        for how, (attending, els) in asked.items():
            text, found = _answer(dataset, attending, els, variant)
            lines += [f"{variant}, {how}:", *text]
            numbers += found
    return Section("\n".join(lines), numbers)


def _answer(dataset: xr.Dataset, attending: str, els: str, variant: str) -> tuple[list[str], list[tuple]]:
    gain = sections.gain(dataset, attending, els, variant)
    own, network = (summary.rate(dataset, "consistent", source)
                    for source in (attending, summary.networks_of(dataset, variant)))
    apart = summary.rate_difference(dataset, attending, variant)
    text = [f"  {gain.sentence}: r2 difference, {gain.text}",
            f"  its samples are consistent at {format_interval(own)}, the network's at {format_interval(network)}; "
            f"paired difference of the rates {format_interval(apart, '+.2f')}, {_equal(apart)}"]
    return text, [*gain.numbers, number("gain", variant, attending, "consistency rate minus the network's", apart)]


def _equal(apart: Interval) -> str:
    """What the interval of a difference of rates says of their equality."""
    if -MARGIN <= apart.low and apart.high <= MARGIN:
        return f"the same within {MARGIN:g}"
    return f"{'different' if apart.sign else 'neither shown to differ nor to be the same'} (margin {MARGIN:g})"


def _pictures(dataset: xr.Dataset) -> dict[str, Picture]:
    variants, rows = len(summary.variants_of(dataset)), grid.grid(_sample_rows(dataset))
    tall = 1.1 + 0.16 * (variants + dataset.sizes["machine"])
    return {"samples.png": Picture(_samples, rows, grid.size(rows, named=True)),
            "consistency.png": Picture(_consistency, dataset, (3.4, tall)),
            "r2.png": Picture(_r2, dataset, (6.8, 1.2 + 1.9 * ((variants + 1) // 2)))}


def _sample_rows(dataset: xr.Dataset) -> list[grid.Row]:
    """The machines that are fitted to none, then each variant with its own."""
    fixed = [*machines(dataset, kind=("ideal", "wiener", "local"), setting="fixed"), stated(dataset),
             stated(dataset, "uniform")]
    rows = [grid.machine_row(dataset, name, COLUMNS) for name in fixed]
    for variant in summary.variants_of(dataset):
        own = summary.els_of(dataset, variant), summary.attending_of(dataset, variant)[0]
        rows += [grid.network_row(dataset, summary.first_network(dataset, variant), COLUMNS),
                 *(grid.machine_row(dataset, name, COLUMNS) for name in own)]
    return rows


def _samples(figure: Figure, dataset: xr.Dataset) -> None:
    grid.draw(figure, dataset, named=True)
    figure.axes[0].set_xlabel("sample (a dot below: consistent)")


def _consistency(figure: Figure, dataset: xr.Dataset) -> None:
    axes = figure.subplots()
    variants, names = summary.variants_of(dataset), dataset.machine.values.tolist()
    for y, variant in enumerate(variants):
        networks = summary.networks_of(dataset, variant)
        _interval(axes, y, summary.rate(dataset, "consistent", networks), "C1")
        seeds = [summary.rate(dataset, "consistent", network).estimate for network in networks]
        axes.plot(seeds, [y] * len(seeds), "|", color="C1", markersize=6)
        axes.plot(FKTB_CONSISTENT[variant], y, "D", color="C2", markerfacecolor="none")
    for y, name in enumerate(names, start=len(variants)):
        _interval(axes, y, summary.rate(dataset, "consistent", name), "C0")
    axes.axvline(CHANCE_CONSISTENT["one-to-one"], color="0.6", linewidth=0.8, zorder=0)
    axes.plot([], [], "o", color="C1", label=f"network, {summary.most_steps(dataset)} steps (ticks: seeds)")
    axes.plot([], [], "o", color="C0", label="closed form")
    axes.plot([], [], "D", color="C2", markerfacecolor="none", label="Finn et al. 2025")
    axes.plot([], [], color="0.6", linewidth=0.8, label="random colours")
    figure.legend(loc="outside upper center", ncols=2)
    axes.set_yticks(range(len(variants) + len(names)), variants + names)
    axes.set(ylim=(len(variants) + len(names) - 0.5, -0.5), xlim=(-0.02, 1.02), xlabel="share of consistent samples")


def _interval(axes, y: float, interval: Interval, color: str) -> None:
    axes.plot([interval.low, interval.high], [y, y], color=color)
    axes.plot(interval.estimate, y, "o", color=color)


def _r2(figure: Figure, dataset: xr.Dataset) -> None:
    """For each variant, the share of samples whose r2 is at least so much: higher is closer to the network."""
    variants = summary.variants_of(dataset)
    panels = figure.subplots((len(variants) + 1) // 2, min(2, len(variants)), sharex=True, sharey=True, squeeze=False)
    for axes, variant in zip(panels.flat, variants):
        _survivals(axes, dataset, variant)
    for axes in panels.flat[len(variants) :]:
        axes.set_axis_off()
    panels.flat[0].set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    figure.supxlabel("r2 with the network's image", fontsize=7)
    figure.supylabel("share of samples with at least this r2", fontsize=7)
    legend_above(figure, panels.flat[:1], 3)


def _survivals(axes, dataset: xr.Dataset, variant: str) -> None:
    networks, fixed = summary.networks_of(dataset, variant), stated(dataset, "uniform")
    for label, name, width in (("els, fitted k(t)", summary.els_of(dataset, variant), 3.0),
                               ("ideal", summary.ideal_of(dataset), 1.2),
                               ("attention, fitted", summary.attending_of(dataset, variant)[0], 1.2),
                               (fixed, fixed, 1.2)):
        _survival(axes, dataset.r2.sel(machine=name, network=networks).values, label=label, linewidth=width)
    if len(networks) > 1:
        first, second = (xr.DataArray(names, dims="pair") for names in (networks[:-1], networks[1:]))
        _survival(axes, dataset.network_r2.sel(network=first, other_network=second).values,
                  label="another training seed", color="black", linestyle="--")
    axes.set_title(f"{variant}, {summary.most_steps(dataset)} steps")


def _survival(axes, values: np.ndarray, **style) -> None:
    """Share of the values that are at least x, as steps; undefined ones count as below every x."""
    values = np.sort(np.nan_to_num(values.ravel(), nan=-1.0))[::-1]
    axes.step([1.0, *values, 0.0], [0.0, *np.arange(1, len(values) + 1) / len(values), 1.0], where="post", **style)


REPORT = Report(_sections, _pictures)
report, tidy, draw = REPORT.text, REPORT.tidy, REPORT.draw
