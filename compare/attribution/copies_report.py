"""What `compare.novelty` found, as a table, a contact sheet and a few lines."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from compare.attribution.copies import COPY, MOSAIC, NEAR, NEITHER
from compare.measure.intervals import binomial_interval
from compare.report.plots import rgb, save_figure
from compare.report.table import format_interval
from empirical.datasets import Dataset

SHEET = 20
"""Samples on the contact sheet, copies first."""


def table(dataset: xr.Dataset, training: Dataset, samples: Dataset) -> str:
    """CSV, a row a sample; images by their index in the training set, with class and file where they have one."""
    nearest = dataset.nearest.values[:, 0]
    digits = lambda values: [f"{value:.4g}" for value in values.values]
    columns = {"sample": dataset.sample.values, "file": _files(samples, dataset.sample.values),
               "verdict": dataset.verdict.values, "copy_p": digits(dataset.copy_p),
               "copy_error": digits(dataset.copy_error), "nearest_image": nearest,
               "nearest_class": [_class(training, image) for image in nearest],
               "nearest_file": _files(training, nearest), "mosaic_p": digits(dataset.mosaic_p),
               "mosaic_error": digits(dataset.mosaic_error), "distinct_images": dataset.distinct_images.values}
    for i in range(dataset.sizes["named"]):
        columns |= {f"image_{i + 1}": dataset.contributor.values[:, i], f"share_{i + 1}": digits(dataset.share[:, i])}
    return pd.DataFrame(columns).to_csv(index=False, lineterminator="\n")


def summary(dataset: xr.Dataset) -> str:
    """How many samples are what, with 95 % Clopper-Pearson intervals of the rates."""
    verdict = dataset.verdict.values
    of = dataset.attrs
    lines = [f"{len(verdict)} samples, {of['training_images']:,} training images, level {of['level']:g} against "
             f"{dataset.sizes['held_out']} held-out images"]
    if of["twins"]:
        lines.append(f"{of['twins']:,} training images are equal to another one, and count once with it")
    if of["near_twins"]:
        lines.append(f"{of['near_twins']:,} training images are nearly another one (root mean square difference at "
                     f"most {NEAR:g}), and count once with it")
    if of["largest_false_rate"] > of["level"]:
        lines.append(f"the held-out images are training images left out: up to {of['largest_false_rate']:.2g} of "
                     "images like them are called copies")
    for name in (COPY, MOSAIC, NEITHER):
        count = int((verdict == name).sum())
        lines.append(f"{name:8}{count:5}  {format_interval(binomial_interval(count, len(verdict)), '.3f')}")
    return "\n".join(lines)


def contact_sheet(path: Path, dataset: xr.Dataset, training: Dataset) -> Path:
    """Each sample beside its nearest training image, its mosaic of best patches, and the three largest contributors."""
    order = np.argsort([(COPY, MOSAIC, NEITHER).index(v) for v in dataset.verdict.values], kind="stable")[:SHEET]
    rows, blocks = -(-len(order) // 2), min(2, len(order))
    return save_figure(path, partial(_sheet, dataset=dataset.isel(sample=order), training=training, rows=rows),
                       (3.5 * blocks, 0.35 + 0.75 * rows))


COLUMNS = ("sample", "nearest", "mosaic", "patches", "come", "from")


def _sheet(figure: Figure, dataset: xr.Dataset, training: Dataset, rows: int) -> None:
    """Pictures of width 1 in one pair of axes, with room for a line of text above each."""
    axes = figure.subplots()
    height = dataset.sizes["y"] / dataset.sizes["x"]
    across, down = 1.12, height + 0.32
    for i in range(dataset.sizes["sample"]):
        one, top, left = dataset.isel(sample=i), i % rows * down, i // rows * (len(COLUMNS) * across + 0.4)
        best = training.images[one.source.values, :, one.source_y.values, one.source_x.values]
        pictures = [one.image.values, training.images[int(one.nearest[0])], np.moveaxis(best, -1, 0),
                    *(training.images[image] if image >= 0 else None for image in one.contributor.values)]
        titles = [f"{int(one.sample)}: {one.verdict.item()}", f"p = {one.copy_p:.2g}",
                  f"{int(one.distinct_images)} images", *(f"{100 * share:.0f} %" for share in one.share.values)]
        for j, (name, picture, title) in enumerate(zip(COLUMNS, pictures, titles)):
            x = left + j * across
            if i % rows == 0:
                axes.text(x + 0.5, top - 0.3, name, ha="center", va="bottom", fontweight="bold")
            if picture is not None:
                axes.imshow(rgb(picture), extent=(x, x + 1, top + height, top))
                axes.text(x + 0.5, top - 0.04, title, ha="center", va="bottom", fontsize=5.5)
    axes.set_xlim(0, left + len(COLUMNS) * across)
    axes.set_ylim(rows * down - 0.3, -0.5)
    axes.set_axis_off()


def _files(images: Dataset, chosen) -> list[str]:
    return [images.files[i] if images.files else "" for i in chosen]


def _class(training: Dataset, image: int) -> str:
    if training.labels is None:
        return ""
    label = int(training.labels[image])
    return training.classes[label] if training.classes else str(label)
