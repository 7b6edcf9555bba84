"""Images in labelled rows, the form of most figures; a row's numbers stand below its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from compare.report.plots import mosaic
from compare.result.schema import variable

ROW = 0.42
"""Height of a row in inches."""

NUMBERS = 0.4
"""Room for a row's numbers, in heights of an image."""


class Row(NamedTuple):
    """images (S, C, H, W); values (S,), to be printed below them, or None; marked (S,) bool, dots below, or None;
    strong: its label in bold."""

    label: str
    images: np.ndarray
    values: np.ndarray | None = None
    marked: np.ndarray | None = None
    strong: bool = False


def machine_row(result: xr.Dataset, machine: str, most: int) -> Row:
    """Return a machine's first images of a result, a dot below the consistent ones."""
    kept = slice(images_kept(result, most))
    return Row(machine, result.predicted.sel(machine=machine).values[kept], marked=_marked(result, machine, kept))


def network_row(result: xr.Dataset, network: str, most: int) -> Row:
    """Return a network's first images of a result, likewise."""
    kept = slice(images_kept(result, most))
    return Row(f"network {network}", result.generated.sel(network=network).values[kept],
               marked=_marked(result, network, kept), strong=True)


def images_kept(result: xr.Dataset, most: int) -> int:
    """Return how many samples to show, at most: results are shipped with the images of their first samples alone."""
    return min(most, result.sizes["sample"], int(result.attrs.get("images_kept", most)))


def _marked(result: xr.Dataset, source: str, kept: slice) -> np.ndarray | None:
    return result.consistent.sel(source=source).values[kept] if "consistent" in result else None


def grid(rows: Sequence[Row], value: str = "value") -> xr.Dataset:
    """Return the dataset of the rows: image (row, sample, channel, y, x), in red, green and blue, value and marked."""
    S = min(len(row.images) for row in rows)
    colour = [np.broadcast_to(row.images[:S], (S, 3, *row.images.shape[2:])) for row in rows]
    filled = lambda values, default: np.full(S, default) if values is None else np.asarray(values)[:S]
    return xr.Dataset(
        {"image": variable(("row", "sample", "channel", "y", "x"), np.stack(colour).astype(np.float32),
                            "image in [-1, 1]"),
         "value": variable(("row", "sample"), np.stack([filled(row.values, np.nan) for row in rows]), value),
         "marked": variable(("row", "sample"), np.stack([filled(row.marked, False) for row in rows]), "marked")},
        {"row": variable("row", np.array([row.label for row in rows], dtype=object), "what the row shows"),
         "strong": variable("row", np.array([row.strong for row in rows]), "whether its label is bold"),
         "sample": variable("sample", np.arange(S), "index of the sample")})


def size(dataset: xr.Dataset, named: bool = False) -> tuple[float, float]:
    """Return width and height in inches; named: samples by their index, and longer labels."""
    across = ROW * dataset.sizes["x"] / dataset.sizes["y"] * dataset.sizes["sample"]
    below = NUMBERS * np.isfinite(dataset.value).any("sample").values.sum()
    return (2.1 if named else 1.5) + across * 1.05, (0.4 if named else 0.3) + ROW * (1.05 * dataset.sizes["row"]
                                                                                    + below)


def draw(figure, dataset: xr.Dataset, named: bool = False) -> None:
    """Draw rows from top to bottom, each sample in one column; a wider gap after rows with numbers."""
    axes = figure.subplots()
    S, H, W = dataset.sizes["sample"], dataset.sizes["y"], dataset.sizes["x"]
    gap, top, ticks = max(1, round(0.05 * H)), 0.0, []
    columns = gap + np.arange(S) * (W + gap) + W / 2
    for r in range(dataset.sizes["row"]):
        ticks.append(top + gap + H / 2)
        top += _row(axes, dataset.isel(row=r), columns, top, gap)
    axes.set(xlim=(0, gap + S * (W + gap)), ylim=(top + gap, 0), aspect="equal")
    axes.set_yticks(ticks, dataset.row.values)
    for label, strong in zip(axes.get_yticklabels(), dataset.strong.values):
        label.set_fontweight("bold" if strong else "normal")
    axes.set_xticks(columns if named else [], dataset.sample.values if named else [])
    axes.set_xlabel("; ".join(["sample"] * named + [f"below: {dataset.value.attrs['long_name']}"]
                              * bool(np.isfinite(dataset.value).any())))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _row(axes, one: xr.Dataset, columns: np.ndarray, top: float, gap: int) -> float:
    """Draw a row at `top`; return how much lower the next one starts."""
    S, H, W = one.sizes["sample"], one.sizes["y"], one.sizes["x"]
    axes.imshow(mosaic(one.image.values[None], gap), extent=(0, gap + S * (W + gap), top + H + 2 * gap, top))
    bottom = top + H + gap
    axes.add_collection(PatchCollection([Rectangle((x - W / 2, top + gap), W, H) for x in columns],
                                        facecolor="none", edgecolor="0.7", linewidth=0.4))
    axes.scatter(columns[one.marked], np.full(one.marked.values.sum(), bottom + gap / 2), s=5, color="black",
                 linewidths=0)
    numbered = np.isfinite(one.value.values)
    for x, value in zip(columns[numbered], one.value.values[numbered]):
        axes.text(x, bottom + 0.04 * H, f"{value:.2f}", ha="center", va="top", fontsize=5.5)
    return H + gap + (NUMBERS * H if numbered.any() else 0.0)
