"""A result on one screen of a terminal: what was compared, a row a network, what came out, and where the rest lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval
from compare.report.table import format_table
from compare.result import summary
from compare.result.identity import for_variant

LINES, COLUMNS = 25, 100
"""What fits a screen."""

ROWS = 6
"""Networks that are shown; the others stand in table.txt."""

NEAR = 0.05
"""Of the ceiling: as good as the network foretells itself."""

LONGEST = 34
"""Letters of a label."""

EXPLAINED = {
    "network": "variant of the trained network; its training seeds and samples are taken together",
    "consistent": "share of its samples that keep the rule of the training images",
    "best closed form": "of the formulas held against it, the one with the largest r2",
    "r2": "squared Pearson correlation of the two images, median over samples; 1: the same",
    "ceiling": "the same between two trainings of the network, or (~) between its coarse and fine sampling",
    "ELS": "r2 of the equivariant local score fitted to it: patches from every place",
    "ideal": "r2 of the ideal score: whole training images",
}
"""The columns, a line each."""


class Row(NamedTuple):
    """What is said of one network: intervals of `summary`, rate and ceiling None where there is none.

    by_steps: the ceiling is that of its own coarse sampling; gain: mean r2 of ELS minus that of the ideal score.
    """

    network: str
    rate: Interval | None
    best: str
    r2: Interval
    ceiling: Interval | None
    by_steps: bool
    els: Interval
    ideal: Interval
    gain: Interval


def rows(dataset: xr.Dataset) -> list[Row]:
    """Return a row for each variant of a result of `compare.run`, at its finest sampling."""
    return [_row(dataset, variant) for variant in summary.variants_of(dataset)]


def _row(dataset: xr.Dataset, variant: str) -> Row:
    networks = summary.networks_of(dataset, variant)
    els, ideal = summary.els_of(dataset, variant), summary.ideal_of(dataset)
    medians = {name: np.nanmedian(dataset.r2.sel(machine=name, network=networks))
               for name in for_variant(dataset, variant)}
    best = max(medians, key=lambda name: np.nan_to_num(medians[name], nan=-1.0))
    r2 = lambda name: summary.machine_agreement(dataset, "r2", name, variant)
    several, finer = len(networks) > 1, len(summary.steps_of(dataset)) > 1
    ceiling = (summary.seed_ceiling(dataset, "r2", variant) if several
               else summary.step_ceiling(dataset, "r2", variant) if finer else None)
    rate = summary.rate(dataset, "consistent", networks) if "consistent" in dataset else None
    return Row(variant, rate, best, r2(best), ceiling, finer and not several, r2(els),
               r2(ideal), summary.gain(dataset, els, ideal, variant))


def screen(dataset: xr.Dataset, files: Mapping[str, Path | str], quick: bool, explain: bool = False) -> str:
    """Return at most LINES lines of COLUMNS letters.

    files: paths, or commands, by what they lead to; quick: a look, no result; explain: a line for each column instead
    of where the files are.
    """
    found = rows(dataset)
    parts = [_compared(dataset, quick), "", _table(dataset, found), "", *_outcome(found), ""]
    if explain:
        names = [name for name in EXPLAINED if name != "consistent" or "consistent" in dataset]
        parts += [f"{name}: {EXPLAINED[name]}"[:COLUMNS] for name in names]
    else:
        parts += [f"{what + ':':9}{path}" for what, path in files.items()]
        parts += ["--verbose prints the whole table, --explain says what a column means, --json is for scripts"]
    return "\n".join(parts)


def as_json(dataset: xr.Dataset, files: Mapping[str, Path], quick: bool) -> str:
    """Return the screen's numbers as JSON, with their 95 % intervals."""
    interval = lambda one: None if one is None else {
        name: None if np.isnan(value) else float(value) for name, value in zip(("estimate", "low", "high"), one)}
    networks = [{"network": row.network, "consistent": interval(row.rate), "best": row.best, "r2": interval(row.r2),
                 "ceiling": interval(row.ceiling), "els": interval(row.els), "ideal": interval(row.ideal),
                 "els_minus_ideal": interval(row.gain)} for row in rows(dataset)]
    return json.dumps({"command": dataset.attrs["command"], "quick": quick, "samples": dataset.sizes["sample"],
                       "seconds": float(dataset.attrs["wall_seconds"]), "networks": networks,
                       "files": {what: str(path) for what, path in files.items()}}, indent=1)


def _compared(dataset: xr.Dataset, quick: bool) -> str:
    config = json.loads(dataset.attrs["config_json"])
    networks = dataset.sizes["network"] // len(summary.steps_of(dataset))
    shape = " x ".join(str(dataset.sizes[dim]) for dim in ("y", "x"))
    who = f"{networks} trained network{'s' if networks > 1 else ''} and {dataset.sizes['machine']} closed forms"
    data = Path(str(config.get("dataset", "toy"))).name[-40:]
    first = f"{who} drew {dataset.sizes['sample']} images each, from the same noise."
    second = (f"Data: {data}, {dataset.attrs['training_images']:,} images of {shape}. "
              "r2 is 1 where two images are the same.")
    return f"{first}\n{second}" + ("\nThis is a look (--quick): few samples, a coarse fit. It is not a result."
                                   if quick else "")


def _table(dataset: xr.Dataset, found: list[Row]) -> str:
    rated = "consistent" in dataset
    header = ["network", *["consistent"] * rated, "best closed form", "r2", "ceiling", "ELS", "ideal"]
    cells = [[_short(row.network, 24), *[_number(row.rate)] * rated, _short(row.best), _number(row.r2),
              ("~" if row.by_steps else "") + _number(row.ceiling), _number(row.els), _number(row.ideal)]
             for row in found[:ROWS]]
    left = len(found) - ROWS
    return format_table(header, cells) + (f"\nand {left} more in the table" if left > 0 else "")


def _number(interval: Interval | None) -> str:
    return "-" if interval is None or np.isnan(interval.estimate) else f"{interval.estimate:.2f}"


def _short(label: str, most: int = LONGEST) -> str:
    return label if len(label) <= most else f"{label[: most - 3]}..."


def _outcome(found: list[Row]) -> list[str]:
    """What came out, for a reader who knows none of the words."""
    mosaics = sum(row.gain.sign > 0 for row in found)
    of = f"{mosaics} of {len(found)} networks" if len(found) > 1 else "the network" if mosaics else "no network"
    near = [row for row in found if row.ceiling is not None and row.r2.estimate >= row.ceiling.estimate - NEAR]
    lines = [f"For {of} a formula that pieces patches together (ELS) foretells the images",
             "better than one that recalls whole training images (ideal)"
             + (": they are mosaics more than copies." if mosaics else ".")]
    if near:
        whose = f"For {len(near)} of {len(found)} the best" if len(found) > 1 else "The best"
        lines.append(f"{whose} comes within {NEAR:g} of the ceiling, what another run of the network reaches.")
    return lines
