"""The posterior-mean engine under every machine: a query window, a candidate set, and values to average.

    x0(x) = sum_j W_j value_j / sum_j W_j,   W_j = exp(-|query's window at x - window of candidate j|^2 / (2 sigma^2))

A machine says which windows and candidates (two `geometry.Axis`), over which `Bank`, and which values; nothing else.
The candidates are streamed block by block through one softmax (`_kernels/softmax.py`), so memory does not grow with
their number. Small calls are float64 throughout; large ones compare windows in float32 where that is good to 1e-4
(`numerics.FLOAT64_PAIRS`, `FLOAT32_LOGIT`); sums over images are always float64. docs/posterior.md
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory._kernels.numerics import CHUNKS, FLOAT32_LOGIT, FLOAT64_PAIRS, LANES
from theory._kernels.posterior import scan, scan_images
from theory._kernels.softmax import merge_states
from theory.bank import Bank
from theory.geometry import Axis

QUERIES_AT_ONCE = 16
"""Queries that share each training block while it is in cache."""


@dataclass(frozen=True)
class Posterior:
    """Softmax sums of B queries, float64: peak and mass (B, Y, X), total (B, Cv, Y, X)."""

    peak: np.ndarray
    mass: np.ndarray
    total: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """E[value | query], (B, Cv, Y, X)."""
        return self.total / self.mass[:, None]

    @property
    def log_normaliser(self) -> np.ndarray:
        """log sum_j exp(logit_j), (B, Y, X)."""
        return self.peak + np.log(self.mass)


def merge(parts: list[Posterior]) -> Posterior:
    """The posterior over the union of disjoint candidate sets."""
    return merge_chunks(*(np.stack([getattr(part, name) for part in parts]) for name in ("peak", "mass", "total")))


def merge_chunks(peaks: np.ndarray, masses: np.ndarray, totals: np.ndarray) -> Posterior:
    """The same for states stacked along a first axis."""
    merged = Posterior(*(np.empty(array.shape[1:]) for array in (peaks, masses, totals)))
    merge_states(peaks, masses, totals, merged.peak, merged.mass, merged.total)
    return merged


def posterior(x: np.ndarray, sigma: np.ndarray, bank: Bank, order: np.ndarray, rows: Axis, cols: Axis,
              values: np.ndarray | None = None, left_out: int = -1) -> Posterior:
    """Softmax sums for queries x (B, C, H, W) at noise sigma (B,), over the bank's blocks in `order`.

    values (M, Cv, Y, X, LANES) float32, in the bank's blocks: what is averaged; by default the training pixels.
    left_out: a training image to do without, or -1.
    """
    values = bank.blocks if values is None else values
    outputs = (values.shape[1], int(rows.moves[:, 2].max()), int(cols.moves[:, 2].max()))
    sums = Posterior(*(np.empty((len(x), *shape)) for shape in (outputs[1:], outputs[1:], outputs)))

    def fill(which, dtype):
        for batch in np.array_split(which, -(-len(which) // QUERIES_AT_ONCE)):
            queries = _padded_queries(x[batch], rows, cols, dtype)
            peaks = np.full((CHUNKS, len(batch), *outputs[1:]), -np.inf)
            masses, totals = np.zeros(peaks.shape), np.zeros((CHUNKS, len(batch), *outputs))
            scan(queries, bank.blocks, values, bank.index, order, _packed(rows, cols), _precision(sigma[batch]),
                 left_out, peaks, masses, totals)
            part = merge_chunks(peaks, masses, totals)
            sums.peak[batch], sums.mass[batch], sums.total[batch] = part.peak, part.mass, part.total

    rest = np.arange(len(x))
    if len(x) * len(order) * LANES * rows.pairs * cols.pairs > FLOAT64_PAIRS:
        fill(rest, np.float32)
        rest = np.flatnonzero((sums.peak < -FLOAT32_LOGIT).any(axis=(1, 2)))
    if len(rest):
        fill(rest, np.float64)
    return sums


def image_evidence(x: np.ndarray, sigma: float, bank: Bank, order: np.ndarray, rows: Axis, cols: Axis,
                   left_out: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """One query x (C, H, W): log evidence S_i (n, H, W) and local mean (n, C, H, W) of each image in some blocks.

        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2))
    float64 and float32, images in the order of the blocks; left_out: an image to do without, or -1.
    """
    present = (bank.index[order] >= 0) & ((bank.index[order] != left_out) | (left_out < 0))
    position = np.full(bank.index.shape, -1, dtype=np.int64)
    position[order] = np.where(present, np.cumsum(present).reshape(present.shape) - 1, -1)
    n, (C, H, W) = int(present.sum()), x.shape
    evidence, means = np.empty((n, H, W)), np.empty((n, C, H, W), dtype=np.float32)
    query = _padded_queries(x[None], rows, cols, np.float64)[0]
    scan_images(query, bank.blocks, bank.blocks, position, order, _packed(rows, cols),
                _precision(np.array([sigma]))[0], evidence, means)
    return evidence, means


def softmax_over_images(logits: np.ndarray, means: np.ndarray) -> Posterior:
    """Softmax sums over images for one query: logits (n, Y, X), values (n, C, Y, X), n >= 1."""
    peak = logits.max(axis=0)
    weights = np.exp(logits - peak)
    return Posterior(peak[None], weights.sum(axis=0)[None], np.einsum("nyx,ncyx->cyx", weights, means)[None])


def _padded_queries(x: np.ndarray, rows: Axis, cols: Axis, dtype) -> np.ndarray:
    """x (B, C, H, W) -> (B, C, U, V, LANES): padded, and repeated in every lane."""
    padded = np.where(cols.index < 0, 0.0, x[..., cols.index])
    padded = np.where(rows.index[:, None] < 0, 0.0, padded[..., rows.index, :])
    return np.repeat(padded[..., None].astype(dtype), LANES, axis=-1)


def _packed(rows: Axis, cols: Axis):
    return rows.size, cols.size, rows.index, cols.index, rows.moves, cols.moves


def _precision(sigma: np.ndarray) -> np.ndarray:
    return 1.0 / (2.0 * np.asarray(sigma, dtype=np.float64) ** 2)
