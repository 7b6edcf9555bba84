"""What the inspector shows: one sample, what it is made of, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.attribution import trace
from compare.attribution.influence import influence
from theory.errors import UserError

CONTRIBUTORS = 12
"""Training images that are listed by share."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One inspected sample.

    found: of `trace.inspect_machine` or `inspect_path`, one sample (`.isel(sample=0)`)
    images (N, C, H, W) in [-1, 1]: the training set; labels (N,) and classes, the names of labels 0, 1, ..., or None
    title, machine: what to call the sample, and the machine whose weights are shown
    network, generated (C, H, W): a network's name and its image from the same noise, or None
    drawn_by: who drew `found.drawn`, "theory" or "the network" (of `inspect_path`)
    wraps: whether windows wrap around (a circular boundary)
    left_out: of `influence` for some images at the last step, one sample, or None
    notes: lines on where all this came from
    """

    found: xr.Dataset
    images: np.ndarray
    title: str
    machine: str
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    network: str | None = None
    generated: np.ndarray | None = None
    drawn_by: str = "theory"
    wraps: bool = False
    left_out: xr.Dataset | None = None
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
    def shares(self) -> xr.Dataset:
        """The training images behind the sample over all steps, largest share first."""
        return trace.shares(self.found.expand_dims("sample"), CONTRIBUTORS).isel(sample=0)

    @property
    def mosaic(self) -> np.ndarray:
        """(steps, C, H, W): each pixel as the centre of its best patch."""
        return trace.mosaic(self.found, self.images)

    @property
    def distinct(self) -> np.ndarray:
        """(steps,): training images that hold a pixel's best patch."""
        return trace.distinct_images(self.found)


def last_step_influence(machine, found: xr.Dataset, count: int = 5, **options) -> xr.Dataset | None:
    """`influence` at the last step, where x0 is the sample, of the `count` images with the largest shares.

    found: one sample. options: of the machine at that step. None if there is but one training image.
    """
    last = found.isel(step=0)
    alpha_bar = 1.0 / (1.0 + float(last.sigma) ** 2)
    made = trace.shares(found.expand_dims("sample"), count).isel(sample=0)
    chosen = made.image.values[made.image.values >= 0]
    if machine.count < 2:
        return None
    x = last.phi.values[None].astype(np.float64) / alpha_bar**0.5
    return influence(machine, x, float(last.sigma), chosen, **options).isel(sample=0)
