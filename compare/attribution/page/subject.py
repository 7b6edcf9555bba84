"""What the inspector shows: one sample, what it is made of, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.attribution import trace
from compare.report.plots import PALETTE
from theory.errors import UserError


@dataclass(frozen=True, eq=False)
class Subject:
    """One inspected sample.

    found: of `trace.inspect_machine` or `inspect_path`, one sample (`.isel(sample=0)`)
    images (N, C, H, W) in [-1, 1]: the training set; labels (N,) and classes, the names of labels 0, 1, ..., and files
        (N,), or None
    title, machine: what to call the sample, and the machine whose weights are shown
    about: a few sentences in plain words: which machine on which data
    network, generated (C, H, W): a network's name and its image from the same noise, or None
    drawn_by: who drew `found.drawn`, "theory" or "the network" (of `inspect_path`)
    wraps: whether windows wrap around (a circular boundary)
    without: of `influence.redrawn` for some images, one sample, or None
    notes: lines on where all this came from
    """

    found: xr.Dataset
    images: np.ndarray
    title: str
    machine: str
    about: str = ""
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    network: str | None = None
    generated: np.ndarray | None = None
    drawn_by: str = "theory"
    wraps: bool = False
    without: xr.Dataset | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if "sample" in self.found.dims:
            raise UserError(f"found: got {self.found.sizes['sample']} samples, want one: found.isel(sample=0)")
        shape = tuple(self.found.sizes[name] for name in ("channel", "y", "x"))
        if self.images.shape[1:] != shape:
            raise UserError(f"images: got shape {self.images.shape}, want (N, {', '.join(map(str, shape))})")
        if (self.network is None) != (self.generated is None):
            raise UserError("generated: got it or network alone, want both or neither")
        if self.generated is not None and self.generated.shape != shape:
            raise UserError(f"generated: got shape {self.generated.shape}, want ({', '.join(map(str, shape))})")

    def class_of(self, image: int) -> str | None:
        """The name of a training image's class, or None."""
        if self.labels is None or image < 0:
            return None
        label = int(self.labels[image])
        return self.classes[label] if self.classes else str(label)

    @property
    def opening(self) -> int:
        """The step that the page opens with."""
        return most_decided(self.found)

    @property
    def mosaic(self) -> np.ndarray:
        """(steps, C, H, W): each pixel as the centre of its best patch."""
        return trace.mosaic(self.found, self.images)

    @property
    def distinct(self) -> np.ndarray:
        """(steps,): training images that hold a pixel's best patch."""
        return trace.distinct_images(self.found)

    @property
    def coloured(self) -> np.ndarray:
        """(steps, colours): which training image has which colour of PALETTE at each step, -1 for none.

        Those that win the most pixels of the step; an image keeps its colour from step to step, going out from the
        opening one.
        """
        steps = self.found.sizes["step"]
        best = [trace.winners(self.found.isel(step=step)).image.values[: len(PALETTE)] for step in range(steps)]
        slots = np.full((steps, len(PALETTE)), -1)
        slots[self.opening, : len(best[self.opening])] = best[self.opening]
        for step in range(self.opening + 1, steps):
            slots[step] = _kept(slots[step - 1], best[step])
        for step in reversed(range(self.opening)):
            slots[step] = _kept(slots[step + 1], best[step])
        return slots


def most_decided(found: xr.Dataset) -> int:
    """Return the step with the least mean entropy."""
    return int(found.entropy.mean(("y", "x")).values.argmin())


def most_winning(found: xr.Dataset, count: int) -> list[int]:
    """Return the training images that win the most pixels where the machine is most decided, at most `count`.

    found: of `trace.inspect_machine`, one sample.
    """
    return trace.winners(found.isel(step=most_decided(found))).image.values[:count].tolist()


def _kept(before: np.ndarray, images: np.ndarray) -> np.ndarray:
    """The slots of `images`, each that had one `before` in the same, the others in the free ones."""
    slots = np.where(np.isin(before, images), before, -1)
    new = images[~np.isin(images, slots)]
    slots[np.flatnonzero(slots < 0)[: len(new)]] = new
    return slots
