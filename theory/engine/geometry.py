"""Which window is compared and which candidates compete: the geometry of a machine, one axis at a time.

A geometry is a padding of query and training image, a window size, and along each axis two kinds of query coordinates:
those that draw on a range of candidate coordinates, and those fixed to their own. Both boundaries reduce to that:
- zeros (boundary-broken, KG eq. 41): both are padded with zeros, which cancel in every distance at displacement 0; a
  query coordinate whose window fits draws on all coordinates whose window fits, any other is fixed to itself;
- circular (KG eqs. 9-10, 39-40): both are wrapped, every coordinate draws on every other; without `wrap_training`,
  only on those whose window fits inside the training image, as in the published code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from theory.errors import UserError

BOUNDARIES = ("zeros", "circular")


@dataclass(frozen=True)
class Axis:
    """One axis: window size, index of each padded coordinate (-1: a zero) in training image and query, and who draws
    on whom."""

    size: int
    index: np.ndarray  # (L + size - 1,) int64
    query_index: np.ndarray  # like index, and the same but for axes that only the training images have
    query_range: tuple[int, int]  # the range of query coordinates that draw on
    candidate_range: tuple[int, int]  # this range of candidate coordinates
    fixed: tuple[int, ...] = ()  # query coordinates whose one candidate is their own coordinate

    @property
    def outputs(self) -> int:
        """Query coordinates."""
        return len(range(*self.query_range)) + len(self.fixed)

    @property
    def pairs(self) -> int:
        """Pairs of query coordinate and candidate coordinate along this axis."""
        return len(range(*self.query_range)) * len(range(*self.candidate_range)) + len(self.fixed)

    @cached_property
    def displacements(self) -> np.ndarray:
        """(displacements, 3) int64: a displacement, and the range [low, high) of query coordinates that may use it."""
        (first, end), (least, most) = self.query_range, self.candidate_range
        rows = []
        for d in range(least - end + 1, most - first):
            low, high = max(first, least - d), min(end, most - d)
            if low < high and not (d == 0 and self.fixed):
                rows.append((d, low, high))
        return np.array(rows + ([(0, 0, self.outputs)] if self.fixed else []), dtype=np.int64)

    @cached_property
    def column_runs(self) -> np.ndarray:
        """(runs, 4) int64: a query coordinate, 1 or 2 with the next one, and their candidates [low, high)."""
        low, high = self.query_range
        rows = [(b, min(2, high - b), *self.candidate_range) for b in range(low, high, 2)]
        return np.array(rows + [(b, 1, b, b + 1) for b in self.fixed], dtype=np.int64)


def windows_holding(index: np.ndarray, size: int) -> np.ndarray:
    """How often each window index[a : a + size], -1 outside, holds each coordinate u: (u, a)."""
    windows = np.lib.stride_tricks.sliding_window_view(index, size)  # (L, size)
    return (windows[:, :, None] == np.arange(len(windows))).sum(axis=1).T


def local_axis(length: int, patch_size: int, boundary: str) -> Axis:
    """Candidates at the query's own coordinate only (LS, KG eqs. 7-8)."""
    size = min(patch_size, 2 * length - 1) if boundary == "zeros" else patch_size
    index = _padded_index(length, size // 2, boundary)
    return Axis(size, index, index, (0, 0), (0, 0), tuple(range(length)))


def equivariant_axis(length: int, patch_size: int, boundary: str, wrap_training: bool = True) -> Axis:
    """Candidates at every coordinate that the boundary allows (ELS, KG eqs. 9-10, 39-41)."""
    own = local_axis(length, patch_size, boundary)
    r = own.size // 2
    fits = (r, max(r, length - r))  # coordinates whose window fits
    if boundary == "zeros":
        return Axis(own.size, own.index, own.index, fits, fits, tuple(x for x in own.fixed if not r <= x < length - r))
    if not wrap_training and patch_size > length:
        raise UserError(f"patch_size: got {patch_size} with wrap_training=False, want at most the image's {length}")
    return Axis(own.size, own.index, own.index, (0, length), (0, length) if wrap_training else fits)


def whole_axis(length: int) -> Axis:
    """One window over the whole axis, one output (the ideal score); padded by a zero to an odd length."""
    size = length + 1 - length % 2
    index = np.append(np.arange(length), -1)[:size]
    return Axis(size, index, index, (0, 1), (0, 1))


def inner_axis(length: int, size: int) -> Axis:
    """Windows of a size that fit in the image, each at its own coordinate only, which is where it begins."""
    size, index = min(size, length), np.arange(length)
    return Axis(size, index, index, (0, 0), (0, 0), tuple(range(length - size + 1)))


def _padded_index(length: int, r: int, boundary: str) -> np.ndarray:
    coordinates = np.arange(-r, length + r)
    if boundary == "circular":
        return coordinates % length
    return np.where((coordinates >= 0) & (coordinates < length), coordinates, -1)
