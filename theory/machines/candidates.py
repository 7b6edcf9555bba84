"""Which training patches compete for a pixel: those of its own place, or of every place that the boundary allows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from theory import arguments
from theory.engine.geometry import BOUNDARIES, Axis, equivariant_axis, local_axis


@dataclass(frozen=True)
class Candidates(ABC):
    """Say along each axis which windows compete, for images of a shape and windows of a size.

    Parameters
    ----------
    boundary : "zeros" or "circular"
        What lies outside an image: nothing, pixels there count in no distance; or the other side of it.
    """

    boundary: str = "zeros"
    per_row: ClassVar[int | None] = None
    """Candidates in a row of one training image; None for about as many as it has columns."""

    def __post_init__(self):
        arguments.choice("boundary", self.boundary, BOUNDARIES)

    @abstractmethod
    def axes(self, height: int, width: int, patch_size: int) -> tuple[Axis, Axis]:
        """Return the two axes of `theory.engine.geometry`, of rows and of columns, for odd windows of a size."""


@dataclass(frozen=True)
class SamePlace(Candidates):
    """Let the patches at the pixel's own place compete, one in each image (LS)."""

    per_row: ClassVar[int | None] = 4  # really one; blocks of more images would outgrow the caches

    def axes(self, height, width, patch_size):
        """Return axes on which every coordinate draws on itself."""
        return local_axis(height, patch_size, self.boundary), local_axis(width, patch_size, self.boundary)


@dataclass(frozen=True)
class EveryPlace(Candidates):
    """Let the patches at every place that the boundary allows compete (ELS).

    Parameters
    ----------
    boundary : "zeros" or "circular"
        With zeros, a pixel whose window fits in the image draws along that axis on all whose windows fit, any other on
        its own coordinate. Circular, on all.
    wrap_training : bool
        Whether the training images wrap around too; else circular pixels draw on windows that fit in them.
    """

    wrap_training: bool = True

    def __post_init__(self):
        super().__post_init__()
        arguments.boolean("wrap_training", self.wrap_training)

    def axes(self, height, width, patch_size):
        """Return axes on which the coordinates draw on a range."""
        along = lambda length: equivariant_axis(length, patch_size, self.boundary, self.wrap_training)
        return along(height), along(width)
