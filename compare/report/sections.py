"""The sections that reports share: agreement, who wins, what attention gains, what was fitted, and rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.report.table import Section, Steps, format_interval, number, table_section
from compare.result import summary
from compare.result.identity import ATTENTION_KINDS, SHORT, for_variant, machines

METRICS = {"pearson_r": "r", "r2": "r2", "R2": "R2"}


def agreement(dataset: xr.Dataset, variant: str, coarse: str, title: str = "", more: Sequence[str] = (),
              beside: Callable[[str], list[str]] = lambda machine: []) -> Section:
    """Medians of the metrics at the finest sampling of the network, and of `coarse` at its coarsest.

    more: headers of further columns, whose cells `beside` gives for a machine.
    """
    many, few = summary.steps_of(dataset)[0], summary.steps_of(dataset)[-1]
    columns = [(metric, many) for metric in METRICS] + [(coarse, few)] * (few < many)
    medians = {machine: [summary.machine_agreement(dataset, metric, machine, variant, steps)
                         for metric, steps in columns] for machine in for_variant(dataset, variant)}
    rows = [[machine, *intervals, *beside(machine)] for machine, intervals in medians.items()]
    blank = [""] * len(more)
    if len(summary.networks_of(dataset, variant, many)) > 1:
        rows.append(["another training seed",
                     *(summary.seed_ceiling(dataset, metric, variant, steps) for metric, steps in columns), *blank])
    if few < many:
        rows.append([f"the network's {few} steps with its {many}",
                     *(summary.step_ceiling(dataset, metric, variant) for metric in METRICS), "", *blank])
    header = ["machine", *METRICS.values(), f"{METRICS[coarse]}, {few} steps"][: len(columns) + 1]
    return table_section(
        "agreement", f"{variant} at {many} steps: medians over samples and training seeds, 95 % bootstrap "
        f"intervals{title}", [*header, *more], rows, variant=variant, note=_undefined(medians.values()))


def _undefined(medians) -> str:
    count = sum(interval.undefined for intervals in medians for interval in intervals)
    return f"\n{count} values are undefined (constant images) and not in the medians" if count else ""


def wins(dataset: xr.Dataset, variant: str) -> Section:
    """How often the ELS fitted to the variant has the larger r than the others."""
    els = summary.els_of(dataset, variant)
    others = [*machines(dataset, kind=("ideal", "wiener")), *summary.local_of(dataset, variant)]
    rows = [[network, *(summary.wins(dataset, els, other, network) for other in others)]
            for steps in summary.steps_of(dataset) for network in summary.networks_of(dataset, variant, steps)]
    return table_section("wins", f"Share of samples on which '{els}' has the larger r, with Clopper-Pearson 95 % "
                         "intervals, against", ["network", *others], rows, variant=variant)


class Gain(NamedTuple):
    """Does a machine predict a variant better than ELS? A sentence, the gain of r2 as text, and as rows of TIDY."""

    sentence: str
    text: str
    numbers: list[tuple]


def gain(dataset: xr.Dataset, machine: str, els: str, variant: str) -> Gain:
    """By the sign of the mean gain of r2; its median stands beside."""
    found = {"mean": summary.gain(dataset, machine, els, variant),
             "median": summary.gain(dataset, machine, els, variant, np.nanmedian)}
    same = np.array_equal(*(dataset.predicted.sel(machine=name) for name in (machine, els)), equal_nan=True)
    verdict = "draws the very images of" if same else {
        0: "is not shown to predict it better or worse than", 1: "predicts it better than",
        -1: "predicts it worse than"}[found["mean"].sign]
    return Gain(f"'{machine}' {verdict} '{els}'",
                ", ".join(f"{what} {format_interval(interval, '+.3f')}" for what, interval in found.items()),
                [number("gain", variant, machine, f"{what} r2 above {els}", interval)
                 for what, interval in found.items()])


def fits(dataset: xr.Dataset, more: Callable[[str], list[list]] = lambda variant: []) -> Section:
    """What was chosen at each step, by rule; more: further rows of a variant."""
    rows = (_fitted if "rule" in dataset.dims else _machines)(dataset, more)
    draws = dataset.sizes["draw" if "draw" in dataset.dims else "calibration_sample"]
    return table_section(
        "fits", f"Fitted with {draws} draws that are not evaluated, step 0 (least noise, t = 1/"
        f"{dataset.sizes['step']}) first", ["variant", "what", "value at each step"], rows, labels=2)


def _fitted(dataset: xr.Dataset, more) -> list[list]:
    """From the fits, every rule of them."""
    rows = []
    for variant in dataset.fitted_variant.values.tolist():
        sizes = dataset.fitted_patch_size.sel(fitted_variant=variant)
        rows += [[variant, "k of local, cosine" if rule == "local" else f"k of els, {rule}",
                  Steps(sizes.sel(rule=rule).values, "2.0f")] for rule in dataset.rule.values.tolist()]
        rows += more(variant)
    return rows + [[variant, "lambda", Steps(dataset.fitted_strength.sel(attention_variant=variant).values)]
                   for variant in dataset.get("attention_variant", xr.DataArray([])).values.tolist()]


def _machines(dataset: xr.Dataset, more) -> list[list]:
    """From the settings of the fitted machines."""
    rows = []
    for name in machines(dataset, setting="fitted"):
        one = dataset.sel(machine=name)
        kind = one.machine_kind.item()
        what = (f"lambda, {one.attention.item()}", Steps(one.strength.values)) if kind in ATTENTION_KINDS else (
            f"k of {SHORT.get(kind, kind)}, {one.window_rule.item()}", Steps(one.patch_size.values, "2.0f"))
        rows.append([one.fitted_to.item(), *what])
    return rows


QUALITIES = {name: (name,) for name in ("consistent", "clean", "novel")}
"""What is said of each sample of a made set, by the header of its column."""


def every_source(dataset: xr.Dataset) -> dict[tuple[str, int], list[str]]:
    """Return (name, steps) -> networks of each variant at each sampling, and each machine: the rows of `rates`."""
    sources = {(variant, steps): summary.networks_of(dataset, variant, steps)
               for variant in summary.variants_of(dataset) for steps in summary.steps_of(dataset)}
    return sources | {(name, dataset.sizes["step"]): [name] for name in dataset.machine.values.tolist()}


def rates(dataset: xr.Dataset, sources: dict[tuple[str, int], list[str]], qualities: dict[str, Sequence[str]],
          first: list, beside: Callable[[str], list[str]] = lambda name: [], more: Sequence[str] = ()) -> Section:
    """Share of samples with each quality, a row a source: (name, steps) -> its networks, or the machine itself.

    qualities: title -> what a sample is to have; first: a row before the others; more, beside: as in `agreement`.
    """
    rows = [first]
    for (name, steps), each in sources.items():
        seeds = [f"{summary.rate(dataset, 'consistent', source).estimate:.2f}" for source in each]
        found = [summary.rate(dataset, quality, each) for quality in qualities.values()]
        rows.append([name, str(steps), found[0], " ".join(seeds) if len(seeds) > 1 else "", *found[1:], *beside(name)])
    consistent, *others = qualities
    return table_section(
        "rates", "Share of all samples; 95 % intervals: Clopper-Pearson, over several training seeds a bootstrap of "
        "noise samples", ["source", "steps", consistent, "by seed", *others, *more], rows, labels=2)
