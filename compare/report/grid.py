"""Images in labelled rows, the form of most of the papers' figures; a row's numbers stand below its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from compare.report.plots import mosaic
from compare.result.schema import described

ROW = 0.42
"""Height of a row in inches."""

NUMBERS = 0.4
"""Room for a row's numbers, in heights of an image."""


class Row(NamedTuple):
    """images (S, C, H, W); values (S,), to be printed below them, or None; marked (S,) bool, dots below, or None."""

    label: str
    images: np.ndarray
    values: np.ndarray | None = None
    marked: np.ndarray | None = None


def grid(rows: Sequence[Row], value: str = "value") -> xr.Dataset:
    """The dataset of the rows: image (row, sample, channel, y, x), in red, green and blue, value and marked."""
    S = min(len(row.images) for row in rows)
    colour = [np.broadcast_to(row.images[:S], (S, 3, *row.images.shape[2:])) for row in rows]
    filled = lambda values, default: np.full(S, default) if values is None else np.asarray(values)[:S]
    return xr.Dataset(
        {"image": described(("row", "sample", "channel", "y", "x"), np.stack(colour).astype(np.float32),
                            "image in [-1, 1]"),
         "value": described(("row", "sample"), np.stack([filled(row.values, np.nan) for row in rows]), value),
         "marked": described(("row", "sample"), np.stack([filled(row.marked, False) for row in rows]), "marked")},
        {"row": described("row", np.array([row.label for row in rows], dtype=object), "what the row shows"),
         "sample": described("sample", np.arange(S), "index of the sample")})


def size(dataset: xr.Dataset) -> tuple[float, float]:
    """Inches."""
    across = ROW * dataset.sizes["x"] / dataset.sizes["y"] * dataset.sizes["sample"]
    below = NUMBERS * np.isfinite(dataset.value).any("sample").values.sum()
    return 1.5 + across * 1.05, 0.15 + ROW * (1.05 * dataset.sizes["row"] + below)


def draw(figure, dataset: xr.Dataset) -> None:
    """Rows from top to bottom, each sample in one column; a wider gap after rows with numbers."""
    axes = figure.subplots()
    S, H, W = dataset.sizes["sample"], dataset.sizes["y"], dataset.sizes["x"]
    gap, top, ticks = max(1, round(0.05 * H)), 0.0, []
    for r in range(dataset.sizes["row"]):
        one = dataset.isel(row=r)
        axes.imshow(mosaic(one.image.values[None], gap), extent=(0, gap + S * (W + gap), top + H + 2 * gap, top))
        ticks.append(top + gap + H / 2)
        columns = gap + np.arange(S) * (W + gap) + W / 2
        bottom = top + H + gap
        axes.add_collection(PatchCollection([Rectangle((x - W / 2, top + gap), W, H) for x in columns],
                                            facecolor="none", edgecolor="0.7", linewidth=0.4))
        axes.scatter(columns[one.marked], np.full(one.marked.values.sum(), bottom + gap / 2), s=5, color="black",
                     linewidths=0)
        numbered = np.isfinite(one.value.values)
        for x, value in zip(columns[numbered], one.value.values[numbered]):
            axes.text(x, bottom + 0.04 * H, f"{value:.2f}", ha="center", va="top", fontsize=5.5)
        top += H + gap + (NUMBERS * H if numbered.any() else 0.0)
    axes.set_xlim(0, gap + S * (W + gap))
    axes.set_ylim(top + gap, 0)
    axes.set_aspect("equal")
    axes.set_yticks(ticks, dataset.row.values)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
