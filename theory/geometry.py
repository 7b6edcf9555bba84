"""Which window is compared and which candidates compete: the geometry of a machine, one axis at a time.

A geometry is a padding of query and training image, a window size, and for each displacement the range of query
coordinates that may use it. Both boundaries reduce to that:
- zeros (boundary-broken, KG eq. 41): both are padded with zeros, which cancel in every distance at displacement 0;
  along an axis, a query coordinate whose window fits draws on all coordinates whose window fits, any other on itself;
- circular (KG eqs. 9-10, 39-40): both are wrapped, every coordinate draws on every other; without `wrap_training`,
  only on those whose window fits inside the training image, as in the published code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BOUNDARIES = ("zeros", "circular")


@dataclass(frozen=True)
class Axis:
    """One axis: window size, index of each padded coordinate (-1: a zero) in training image and query, and moves."""

    size: int
    index: np.ndarray  # (L + size - 1,) int64
    moves: np.ndarray  # (displacements, 3) int64: displacement, and the range [low, high) of query coordinates
    query_index: np.ndarray  # like index, and the same but for axes that only the training images have

    @property
    def pairs(self) -> int:
        """Pairs of query coordinate and candidate coordinate along this axis."""
        return int((self.moves[:, 2] - self.moves[:, 1]).sum())


def local_axis(length: int, patch_size: int, boundary: str) -> Axis:
    """Candidates at the query's own coordinate only (LS, KG eqs. 7-8)."""
    size = min(patch_size, 2 * length - 1) if boundary == "zeros" else patch_size
    index = _padded_index(length, size // 2, boundary)
    return Axis(size, index, np.array([[0, 0, length]]), index)


def equivariant_axis(length: int, patch_size: int, boundary: str, wrap_training: bool = True) -> Axis:
    """Candidates at every coordinate that the boundary allows (ELS, KG eqs. 9-10, 39-41)."""
    own = local_axis(length, patch_size, boundary)
    r = own.size // 2
    fits = (r, length - r)  # coordinates whose window fits: [r, length - r)
    if boundary == "zeros":
        asks, answers = fits, fits
    elif wrap_training:
        asks, answers = (0, length), (0, length)
    elif patch_size > length:
        raise ValueError(f"patch_size: got {patch_size} with wrap_training=False, want at most the image's {length}")
    else:
        asks, answers = (0, length), fits
    moves = []
    for d in range(-(length - 1), length):
        low, high = max(asks[0], answers[0] - d), min(asks[1], answers[1] - d)
        if boundary == "zeros" and d == 0:
            low, high = 0, length
        if low < high:
            moves.append((d, low, high))
    return Axis(own.size, own.index, np.array(moves), own.index)


def whole_axis(length: int) -> Axis:
    """One window over the whole axis, one output (the ideal score); padded by a zero to an odd length."""
    size = length + 1 - length % 2
    index = np.append(np.arange(length), -1)[:size]
    return Axis(size, index, np.array([[0, 0, 1]]), index)


def choice_axis(count: int) -> Axis:
    """One query coordinate, and a candidate at each of `count` places (the translates of the equivariant score)."""
    places = np.arange(count)
    return Axis(1, places, np.stack([places, 0 * places, 0 * places + 1], axis=1), np.zeros(1, dtype=np.int64))


def _padded_index(length: int, r: int, boundary: str) -> np.ndarray:
    coordinates = np.arange(-r, length + r)
    if boundary == "circular":
        return coordinates % length
    return np.where((coordinates >= 0) & (coordinates < length), coordinates, -1)
