"""A geometry as tables of which pixels make up which windows, so that one gather serves every machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from theory.engine.geometry import Axis


@dataclass(frozen=True)
class Region:
    """G sets of Q query pixels, and the P candidates in each training image that all pixels of a set draw on.

    Along an axis all query coordinates that draw on a range are one set, and each fixed coordinate is its own; a set of
    the region is a set of rows and a set of columns.
    """

    axes: tuple[Axis, Axis]
    query_shape: tuple[int, ...]  # (C, H, W)
    image_shape: tuple[int, ...]  # (C, H, W)
    queries: tuple[np.ndarray, np.ndarray]  # rows (Gy, Qy) and columns (Gx, Qx) of the query pixels
    candidates: tuple[np.ndarray, np.ndarray]  # rows (Gy, Py) and columns (Gx, Px) of the candidates

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """G, Q, P, D + 1 for windows of D pixels."""
        (y, x), (answer_y, answer_x), (rows, cols) = self.queries, self.candidates, self.axes
        places = y.shape[1] * x.shape[1], answer_y.shape[1] * answer_x.shape[1]
        return len(y) * len(x), *places, self.query_shape[0] * rows.size * cols.size + 1

    def outputs(self) -> np.ndarray:
        """(G, Q): places of the query pixels in the output, row-major."""
        return _places(*self.queries, self.axes[1].outputs)

    def centres(self) -> np.ndarray:
        """(G, P): places of the candidates in the training image, row-major."""
        return _places(*self.candidates, self.image_shape[2])

    def query_windows(self) -> np.ndarray:
        """(G, Q, D + 1): places in (C, H, W) of the pixels of each query window, C * H * W for a zero, as the last."""
        return _windows(self.queries, [axis.query_index for axis in self.axes], self.axes, self.query_shape)

    def candidate_windows(self) -> np.ndarray:
        """(G, P, D + 1): the same for the candidates."""
        return _windows(self.candidates, [axis.index for axis in self.axes], self.axes, self.image_shape)

    def cut(self, share: float) -> Iterator[Region]:
        """The region in parts that have about this share of its query rows, and at least one."""
        (y, x), (answer_y, answer_x) = self.queries, self.candidates
        parts = min(y.size, int(np.ceil(1.0 / share)))
        if len(y) == 1:
            for some in np.array_split(y, parts, axis=1):
                yield replace(self, queries=(some, x))
        else:
            for some, answers in zip(np.array_split(y, parts), np.array_split(answer_y, parts)):
                yield replace(self, queries=(some, x), candidates=(answers, answer_x))


def regions(rows: Axis, cols: Axis, query_shape: tuple[int, ...], image_shape: tuple[int, ...]) -> Iterator[Region]:
    """Regions that hold every pair of query pixel and candidate once."""
    for y, answer_y in _sets(rows):
        for x, answer_x in _sets(cols):
            yield Region((rows, cols), query_shape, image_shape, (y, x), (answer_y, answer_x))


def _sets(axis: Axis) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Query coordinates (G, Q) and the candidate coordinates (G, P) that they draw on."""
    if axis.query_range[0] < axis.query_range[1]:
        yield np.arange(*axis.query_range)[None], np.arange(*axis.candidate_range)[None]
    if axis.fixed:
        yield (np.array(axis.fixed)[:, None],) * 2


def _places(y: np.ndarray, x: np.ndarray, width: int) -> np.ndarray:
    return (y[:, None, :, None] * width + x[None, :, None, :]).reshape(len(y) * len(x), -1)


def _windows(centres, index, axes, shape) -> np.ndarray:
    (y, x), (rows, cols), (C, H, W) = centres, axes, shape
    v = index[0][y[..., None] + np.arange(rows.size)][:, None, :, None, None, :, None]  # (Gy, 1, Qy, 1, 1, kh, 1)
    u = index[1][x[..., None] + np.arange(cols.size)][None, :, None, :, None, None, :]  # (1, Gx, 1, Qx, 1, 1, kw)
    inside = np.arange(C)[:, None, None] * (H * W) + v * W + u
    table = np.where((v < 0) | (u < 0), C * H * W, inside).reshape(len(y) * len(x), y.shape[1] * x.shape[1], -1)
    return np.pad(table, [(0, 0), (0, 0), (0, 1)], constant_values=C * H * W)
