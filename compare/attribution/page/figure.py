"""An inspected sample as a figure for print: the trajectory in a few steps, the mosaic, and numbers over time."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from compare.attribution.page.subject import Subject
from compare.report.plots import bare, rgb, save_figure, shaded_sources

COLUMNS = 6
"""Steps that are shown, evenly from the first to the last."""

LOWER = 2.0
"""Inches for the curves."""


def save(path: Path, subject: Subject) -> Path:
    """Write the figure; returns its path."""
    H, W = subject.images.shape[2:]
    row = min(1.2, (6.8 - 1.0) / (COLUMNS + 1) * H / W)  # inches
    return save_figure(path, partial(draw, subject=subject, row=row), (6.8, LOWER + 4 * row))


def draw(figure: Figure, subject: Subject, row: float) -> None:
    """Rows of `row` inches: noisy image, prediction, mosaic, source images; below, entropy and images over time."""
    found, mosaic = subject.found, subject.mosaic
    steps = np.unique(np.linspace(found.sizes["step"] - 1, 0, COLUMNS).round().astype(int))[::-1]
    upper, lower = figure.subfigures(2, 1, height_ratios=(4 * row, LOWER))
    panels = upper.subplots(4, len(steps) + 1, squeeze=False)
    rows = {"noisy image": found.phi.values, "prediction": found.x0.values, "mosaic": mosaic}
    for axes, (label, images) in zip(panels, rows.items()):
        for axis, step in zip(axes, steps):
            axis.imshow(rgb(images[step]))
        axes[0].set_ylabel(label)
    for axis, step in zip(panels[3], steps):
        axis.imshow(sources(subject, step))
    panels[3, 0].set_ylabel("source image")
    for axis, step in zip(panels[0], steps):
        axis.set_title(f"t = {found.t.values[step]:.2f}")
    panels[0, -1].imshow(rgb(found.drawn.values))
    panels[0, -1].set_title(subject.drawn_by)
    if subject.generated is not None:
        panels[1, -1].imshow(rgb(subject.generated))
        panels[1, -1].set_title("network")
    for axis in panels.flat:
        bare(axis)
    for axis in panels[1 if subject.generated is None else 2:, -1]:
        axis.set_axis_off()
    _over_time(lower, subject)


def sources(subject: Subject, step: int) -> np.ndarray:
    """(H, W, 3): each pixel in the colour of its best patch's image."""
    best = subject.found.isel(step=step, rank=0)
    return shaded_sources(best.image.values, best.weight.values, subject.coloured[step])


def _over_time(figure, subject: Subject) -> None:
    entropy, images = figure.subplots(1, 2)
    found = subject.found
    entropy.plot(found.t, found.entropy.mean(("y", "x")), label="over patches")
    entropy.plot(found.t, found.entropy_images.mean(("y", "x")), "--", label="over images")
    entropy.set_ylabel("posterior entropy (nats)")
    images.plot(found.t, subject.distinct, label="hold a best patch")
    images.plot(found.t, found.n_eff_images.mean(("y", "x")), "--", label="effective, a pixel")
    images.set_ylabel("training images")
    for axes in (entropy, images):
        axes.set(xlabel="time t", xlim=(1.0, 0.0))
        axes.set_ylim(bottom=0.0)
        axes.legend()
