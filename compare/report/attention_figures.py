"""The figures of the study: denoising loss against t, the residual test, and agreement at the end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.measure import residual
from compare.report.plots import save_figure
from compare.result import attention as own
from compare.result import summary
from compare.result.names import AS_DERIVED, IDEAL, els_fitted
from compare.study.attention import ANOTHER_SEED, ELS, MATCHED_CNN

NETWORK = {"color": "black", "linewidth": 2.0}
COLOURS = {"own map": "C5", "own pair": "#e377c2", "uniform": "C0", "identity": "C1", "top1": "C2",
           "overlap": "#999933", "pair": "C4", "innovation": "#8c564b", "consensus": "#7b3294",
           "blend": "0.5", ELS: "black", IDEAL: "0.2"}

SLOPE_FROM = 0.05
"""The explained share from which a slope is drawn: below, it is the slope of noise."""


def draw(dataset: xr.Dataset, folder: Path) -> list[Path]:
    """Write loss.png, agreement.png, residual.png and ends.png into `folder`; returns their paths."""
    folder.mkdir(exist_ok=True)
    variants = len(summary.variants_of(dataset))
    wide = 0.6 + 2.4 * variants
    figures = {"loss.png": (_loss, wide, 2.9), "agreement.png": (_agreement, wide, 3.6),
               "residual.png": (_residual, wide, 4.4), "ends.png": (_ends, wide, 3.4)}
    return [save_figure(folder / name, partial(content, dataset=dataset), (width, height))
            for name, (content, width, height) in figures.items()]


def _loss(figure: Figure, dataset: xr.Dataset) -> None:
    """Denoising loss above that of the ideal score, the floor of every denoiser on this training set."""
    t, floor = dataset.t.values, own.loss(dataset, [IDEAL])
    variants = summary.variants_of(dataset)
    panels = figure.subplots(1, len(variants), sharey=True, squeeze=False)[0]
    for axes, variant in zip(panels, variants):
        above = lambda names: own.loss(dataset, names) - floor
        for name in dataset.denoiser.values.tolist():
            if name.startswith("els k="):
                k = int(name.removeprefix("els k="))
                axes.plot(t, above([name]), ":", color="0.4", linewidth=0.5 + 0.2 * k, label=name)
        for form in own.forms_of(dataset, variant):
            axes.plot(t, above(own.machines_of(dataset, form, variant)), **_style(form), label=form)
        axes.plot(t, above(own.members_of(dataset, variant)), **NETWORK, label="network")
        axes.set(title=variant, xlabel="t (1 = most noise)", xlim=(0.0, 1.0))
    panels[0].set_ylabel("eps loss above the ideal score's")
    _legend(figure, panels)


def _agreement(figure: Figure, dataset: xr.Dataset) -> None:
    """How alike network and companion are at the same noisy image: noised images drawn, the network's path dashed."""
    t, variants = dataset.t.values, summary.variants_of(dataset)
    rows = figure.subplots(2, len(variants), sharex=True, sharey="row", squeeze=False)
    colours = {ELS: "C0", IDEAL: "0.2", ANOTHER_SEED: "black", MATCHED_CNN: "C1"}
    for column, variant in zip(rows.T, variants):
        for companion in dataset.companion.values.tolist():
            for on, style in (("point", "-"), ("path", "--")):
                for axes, measure in zip(column, ("cosine_distance", "r2")):
                    values = own.alike_by_step(dataset, variant, companion, measure, on)
                    if not np.isnan(values).all():
                        axes.plot(t, values, style, color=colours[companion],
                                  label=companion if on == "point" else None,
                                  linewidth=2.0 if companion == ANOTHER_SEED else 1.0)
        column[0].set(title=variant, yscale="log")
        column[1].set(xlabel="t (1 = most noise)", xlim=(0.0, 1.0), ylim=(0.0, 1.02))
    for style, label in (("-", "at noised images"), ("--", "on the network's own path")):
        rows[1, -1].plot([], [], style, color="0.6", label=label)
    rows[0, 0].set_ylabel("1 - cos, eps")
    rows[1, 0].set_ylabel("r2, x0hat")
    _legend(figure, rows[1], columns=3)


def _residual(figure: Figure, dataset: xr.Dataset) -> None:
    """The network's distance from ELS, the share of it that each closed form explains, and its slope, step by step."""
    t, variants = dataset.t.values, summary.variants_of(dataset)
    rows = figure.subplots(3, len(variants), sharex=True, sharey="row", squeeze=False)
    for column, variant in zip(rows.T, variants):
        names = own.forms_of(dataset, variant) + [name for name in (IDEAL, ANOTHER_SEED)
                                                  if name in own.against_of(dataset, variant)]
        style = lambda name: NETWORK if name == ANOTHER_SEED else _style(name)
        energy = own.products_of(dataset, variant, names[0]).yy.mean(axis=-1)
        column[0].plot(t, np.sqrt(energy), color="0.4")
        for name in names:
            explained = own.by_step(dataset, variant, name, residual.explained)
            column[1].plot(t, explained, label=name, **style(name))
            slope = own.by_step(dataset, variant, name, residual.slope)
            column[2].plot(t, np.where(explained < SLOPE_FROM, np.nan, slope), **style(name))
        column[2].axhline(1.0, color="0.7", linewidth=0.6, zorder=0)
        column[2].set_ylim(-0.5, 2.0)
        column[1].set_ylim(0.0, 1.0)
        column[0].set_title(variant)
        column[2].set(xlabel="t (1 = most noise)", xlim=(0.0, 1.0))
    for axes, label in zip(rows[:, 0], ("|network - ELS|, eps", "explained", f"slope, if {SLOPE_FROM:.0%} explained")):
        axes.set_ylabel(label)
    _legend(figure, rows[1])


def _ends(figure: Figure, dataset: xr.Dataset) -> None:
    """r2 with the network against the share of consistent samples, a point a machine; the network's own as lines."""
    steps, variants = summary.most_steps(dataset), summary.variants_of(dataset)
    panels = figure.subplots(1, len(variants), sharex=True, sharey=True, squeeze=False)[0]
    for axes, variant in zip(panels, variants):
        machines = {ELS: els_fitted(variant), IDEAL: IDEAL}
        machines |= {form: own.machines_of(dataset, form, variant) for form in own.forms_of(dataset, variant)}
        for label, machine in machines.items():
            rate = summary.rate(dataset, "consistent", machine)
            r2 = summary.machine_agreement(dataset, "r2", machine, variant, steps)
            axes.errorbar(rate.estimate, r2.estimate, yerr=[[r2.estimate - r2.low], [r2.high - r2.estimate]],
                          xerr=[[rate.estimate - rate.low], [rate.high - rate.estimate]], fmt="o", label=label,
                          color=_style(label)["color"], elinewidth=0.6,
                          markerfacecolor=None if _style(label)["linestyle"] == "-" else "none")
        network = summary.variant_rate(dataset, "consistent", variant, steps)
        axes.axvspan(network.low, network.high, color="C1", alpha=0.25, linewidth=0, label="the network's rate")
        if len(summary.networks_of(dataset, variant, steps)) > 1:
            ceiling = summary.seed_ceiling(dataset, "r2", variant, steps)
            axes.axhspan(ceiling.low, ceiling.high, color="0.6", alpha=0.25, linewidth=0, label=ANOTHER_SEED)
        axes.set(title=f"{variant}, {steps} steps", xlabel="share of consistent samples", xlim=(-0.03, 1.04),
                 ylim=(0.3, 1.02))
    panels[0].set_ylabel("median r2 with the network")
    _legend(figure, panels)


def _style(name: str) -> dict:
    """A form's colour; dashed, or hollow, as it was derived."""
    bare = name.removesuffix(AS_DERIVED)
    return {"color": COLOURS[bare], "linestyle": ":" if name == IDEAL else "-" if bare == name else "--"}


def _legend(figure: Figure, panels, columns: int = 6) -> None:
    handles = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns)
