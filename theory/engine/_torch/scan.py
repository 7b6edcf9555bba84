"""Softmax sums of some queries over the training images, in tiles that fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch.nn import functional as F

from theory.engine._torch.regions import Region
from theory.engine._torch.softmax import (
    Comparison,
    Sums,
    candidate_values,
    candidate_windows,
    group_sums,
    logits,
    query_windows,
)

SUMMED = 1024
"""Candidates whose weights are summed in the dtype of the comparison; such sums are added in float64."""

MATRICES = 65535
"""Matrices of one batched product: a CUDA grid has no more in a row."""


class Training(NamedTuple):
    """The images that a call draws on."""

    count: int
    pixels: Callable[[slice], torch.Tensor]  # (n, C * H * W) float32, on the device
    values: Callable[[slice], torch.Tensor]  # (n, Cv * pixels) float32: what is averaged
    channels: int  # Cv
    numbers: int  # of pixels and values of an image

    def by_channel(self, images: slice) -> torch.Tensor:
        """What is averaged, (n, Cv, pixels); Cv may be 0."""
        values = self.values(images)
        return values.reshape(len(values), self.channels, values.shape[1] // max(1, self.channels))


def with_squares(training: Training) -> Training:
    """The same images, with the squares of what is averaged beside it, in float64: those of float32 are exact."""

    def values(images: slice) -> torch.Tensor:
        own = training.values(images).double()
        return torch.cat([own, own**2], dim=1)

    own = training.numbers + 3 * training.channels
    return training._replace(values=values, channels=2 * training.channels, numbers=own)


def scan(x: torch.Tensor, precision: torch.Tensor, region: Region, training: Training, how: Comparison,
         images_at_once: int, size: int) -> Iterator[tuple[slice, Sums]]:
    """Softmax sums for queries x (b, C * H * W), float64, of some training images at a time, in groups of at most
    `size` candidates, see `group_size`."""
    on_device = lambda table: torch.from_numpy(table).to(x.device)
    windows, missing = query_windows(F.pad(x, (0, 1)), on_device(region.query_windows()), precision, how)
    table, centres = on_device(region.candidate_windows()), on_device(region.centres())
    P = centres.shape[1]
    size = min(size, images_at_once * P)
    for images in _slices(training.count, images_at_once, max(1, size // P)):
        candidates = candidate_windows(F.pad(training.pixels(images), (0, 1)), table, how)
        values = candidate_values(training.by_channel(images), centres, how.dtype)
        part = group_sums(logits(candidates, windows, precision, how), values, min(size, values.shape[1]))
        yield images, part._replace(peak=part.peak - missing[:, None])


def group_size(region: Region) -> int:
    """Candidates of a group, at most SUMMED: a multiple of an image's P, or a divisor of it."""
    _, _, P, _ = region.sizes
    return SUMMED // P * P or max(size for size in range(1, SUMMED + 1) if P % size == 0)


class MemoryCost(NamedTuple):
    """Bytes to scan a region: for its tables, for each query, each image, and each query against each image."""

    tables: int
    query: int
    image: int
    pair: int

    @classmethod
    def of(cls, region: Region, how: Comparison, training: Training, size: int) -> MemoryCost:
        """size: candidates of a group."""
        (G, Q, P, D), number, sums = region.sizes, how.dtype.itemsize, training.channels + 1
        return cls(8 * G * (Q + P) * D, G * Q * (D * (16 + number) + 24 * sums),
                   G * P * number * (2 * D + sums) + training.numbers * (12 + number),
                   G * Q * P * (number + -(-sums * (number + 16) // size)))


def tiles(region: Region, how: Comparison, training: Training, queries: int, size: int,
          memory: int) -> Iterator[tuple[Region, int, int]]:
    """Parts of the region, and for each how many queries and training images to take at once, to stay within memory."""
    least = sum(MemoryCost.of(region, how, training, size))
    for part in region.cut(min(1.0, max(0.0, memory) / 2 / least)) if least > memory else [region]:
        cost = MemoryCost.of(part, how, training, size)
        free = memory - cost.tables
        b = max(1, min(queries, (free // 2 - cost.image) // (cost.query + cost.pair)))
        most = MATRICES * size // (part.sizes[0] * part.sizes[2])
        n = max(1, min(training.count, most, (free - b * cost.query) // (cost.image + b * cost.pair)))
        yield part, b, n


def _slices(count: int, at_once: int, group: int) -> Iterator[slice]:
    """Parts of range(count) of at most `at_once`, in whole groups but for the last."""
    whole, step = count - count % group, at_once - at_once % group
    for start in range(0, whole, step):
        yield slice(start, min(start + step, whole))
    if whole < count:
        yield slice(whole, count)
