"""The posterior-mean engine under every machine: a query window, a candidate set, and values to average.

    x0(x) = sum_j W_j value_j / sum_j W_j,   W_j = exp(-|query's window at x - window of candidate j|^2 / (2 sigma^2))

A machine says which windows and candidates (two `geometry.Axis`), over which `Bank`, and which values; nothing else.
The candidates are streamed block by block through one softmax (`_kernels/softmax.py`), so memory does not grow with
their number. Small calls are float64 throughout; large ones compare windows in float32 where that is good to 1e-4
(`numerics.PRODUCT_ERROR`, `FLOAT32_LOGIT`); sums over images are always float64. docs/theory/posterior.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from theory._kernels.cache import drop_stale
from theory._kernels.numerics import (
    CHUNKS,
    FLOAT32_RANGE,
    FLOAT32_WINDOW,
    FLOAT64_LOGIT,
    FLOAT64_PAIRS,
    LARGE_CALL_ERROR,
    LIST_CHUNKS,
    PRODUCT_ERROR,
)
from theory._kernels.posterior import LOG2E, scan, scan_sources
from theory._kernels.scales import scan_scales
from theory._kernels.softmax import LN2
from theory._kernels.workspace import Geometry, Queries, Training
from theory.engine.bank import Bank
from theory.engine.chunks import run_in_threads
from theory.engine.far import measure_exactly
from theory.engine.geometry import Axis
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior, arrays, in_order, merge_stacked

drop_stale([*scan.values(), *scan_sources.values(), *scan_scales.values()])

QUERIES_AT_ONCE = 16
"""Queries that share each training block while it is in cache."""

FLOAT32_EPS, FLOAT64_EPS = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)


def posterior(x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
              values: np.ndarray | None = None) -> tuple[Posterior, Nearest]:
    """Softmax sums for queries x (B, C, H, W) at noise sigma (B,), and the request's nearest candidates.

    values (M, Cv, Y, X, n) float32, in the bank's blocks: what is averaged; by default the training pixels.
    """
    values = bank.blocks if values is None else values
    outputs, top = (rows.outputs, cols.outputs), request.top
    large = is_large(x, bank, request, rows, cols)
    state = (outputs, outputs, (values.shape[1], *outputs), (2 if top else 0, *outputs))
    count = LIST_CHUNKS if top else CHUNKS
    sums, nearest, order = [], [], []
    for chosen, queries in _queries(x, sigma, bank, large, rows, cols):
        chunks = Posterior(*(np.zeros((count, len(chosen), *shape)) for shape in state))
        chunks.peak[:] = -np.inf
        lists = Nearest.empty((count, len(chosen), *outputs), top)
        inputs = (queries, _training(bank, values), _geometry(rows, cols), request.left_out,
                  request.log2_cutoff)
        states = [*arrays(chunks), lists.key, lists.source] if top else arrays(chunks)[:3]
        kernel = (scan_sources if top else scan)[queries.windows.dtype]
        run_in_threads(kernel, request.order, inputs, states, count)
        chunks.peak[:] = (chunks.peak - queries.base) * LN2
        found = merge_stacked(chunks), lists.merged()
        if not queries.products:
            measure_exactly(queries, *inputs[1:4], request.order, *found)
        sums.append(found[0])
        nearest.append(found[1])
        order.append(chosen)
    return in_order(sums, order), in_order(nearest, order)


def posterior_scales(x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions,
                     axes: Sequence[tuple[Axis, Axis]]) -> list[Posterior]:
    """`posterior` of the training pixels for each of `axes`, local ones (`geometry.local_axis`), the smallest first, in
    one pass: where a pixel's only candidates are those at its own place, windows share their column sums."""
    rows, cols = axes[-1]
    state, large = (len(axes), rows.outputs, cols.outputs), is_large(x, bank, request, rows, cols)
    sizes = tuple(np.array([axis.size for axis in along]) for along in zip(*axes))
    sums, order = [], []
    for chosen, queries in _queries(x, sigma, bank, large, rows, cols):
        B = len(chosen)
        peak, mass = np.full((CHUNKS, B, *state), -np.inf), np.zeros((CHUNKS, B, *state))
        total = np.zeros((CHUNKS, B, len(axes), x.shape[1], *state[1:]))
        inputs = queries, _training(bank), _geometry(rows, cols), sizes, request.log2_cutoff
        run_in_threads(scan_scales[queries.windows.dtype], request.order, inputs, (peak, mass, total))
        no_energy = np.empty((CHUNKS, B, 0, *state[1:]))
        sums.append([merge_stacked(Posterior(LN2 * peak[:, :, s], mass[:, :, s], total[:, :, s], no_energy))
                     for s in range(len(axes))])
        order.append(chosen)
    scales = [in_order(of_size, order) for of_size in zip(*sums)]
    for of_size, along in zip(scales, axes):
        measure_far(of_size, np.arange(len(x)), x, sigma, bank, request, *along)
    return scales


def measure_far(sums: Posterior, squares: np.ndarray, x: np.ndarray, sigma: np.ndarray, bank: Bank,
                request: ScanOptions, rows: Axis, cols: Axis, values: np.ndarray | None = None) -> None:
    """Put the sums of `posterior` in place of those of another scan, for the queries `squares`, which it compared by
    float64 squares, where these are not good enough."""
    some = squares[(sums.peak[squares] < -FLOAT64_LOGIT * LN2).any(axis=(1, 2))]
    if len(some):
        exact, _ = posterior(x[some], sigma[some], bank, request, rows, cols, values)
        for whole, part in zip(arrays(sums), arrays(exact)):
            whole[some] = part


def _padded_queries(x: np.ndarray, rows: Axis, cols: Axis) -> np.ndarray:
    """x (B, C, H, W) float64 -> (B, C, U, V + 1): padded, and one column more, of zeros."""
    padded = np.where(cols.query_index < 0, 0.0, x[..., cols.query_index])
    padded = np.where(rows.query_index[:, None] < 0, 0.0, padded[..., rows.query_index, :])
    return np.ascontiguousarray(np.pad(padded, [(0, 0)] * 3 + [(0, 1)]))


def is_large(x: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis) -> bool:
    """Whether float32 may serve for queries x (B, C, H, W): more than FLOAT64_PAIRS of query pixel and candidate."""
    pairs = len(x) * len(request.order) * bank.images_per_block * rows.pairs * cols.pairs
    return pairs > FLOAT64_PAIRS and not request.float64


def _queries(x: np.ndarray, sigma: np.ndarray, bank: Bank, large: bool, rows: Axis,
             cols: Axis) -> Iterator[tuple[np.ndarray, Queries]]:
    """Which queries, and these as the kernels want them, in parts of at most QUERIES_AT_ONCE, compared in one way.

    A small call is float64, and squared differences serve at any noise. In a large one float32 serves where it is good
    to 1e-4: by products as long as these do not cancel, by squares while the noise is no finer than the float32 query
    (FLOAT32_RANGE) and the window so small that a query near the training set is not measured again (FLOAT32_WINDOW).
    """
    several = rows.pairs * cols.pairs > rows.outputs * cols.outputs  # queries of a training window, to repay its norm
    error64 = LARGE_CALL_ERROR if large else PRODUCT_ERROR["float64"]
    small_window = x.shape[1] * rows.size * cols.size <= FLOAT32_WINDOW
    for batch in np.array_split(np.arange(len(x)), -(-len(x) // QUERIES_AT_ONCE)):
        padded, precision = _padded_queries(x[batch], rows, cols), _precision(sigma[batch])
        rounding = _product_rounding(padded, precision, bank, rows, cols)
        products64 = several & (FLOAT64_EPS * rounding <= error64)
        products32 = large & several & (FLOAT32_EPS * rounding <= PRODUCT_ERROR["float32"])
        span = np.maximum(np.abs(padded).max(axis=(1, 2, 3)), bank.largest) / sigma[batch]
        float32 = products32 | (large & small_window & (span <= FLOAT32_RANGE))
        ways = ((np.float32, True, products32), (np.float32, False, float32 & ~products32),
                (np.float64, True, ~float32 & products64), (np.float64, False, ~float32 & ~products64))
        for dtype, products, own in ways:
            if own.any():
                exact, unit = padded[own], precision[own] * LOG2E if products else 0.0 * precision[own]
                base = np.ascontiguousarray(unit[:, None, None] * _window_norms(exact, rows, cols))
                yield batch[own], Queries(exact.astype(dtype, order="C"), exact, precision[own], products, base)


def _product_rounding(queries: np.ndarray, precision: np.ndarray, bank: Bank, rows: Axis, cols: Axis) -> np.ndarray:
    """The largest term of precision (2 <q, p> - |p|^2) that is rounded, (B,), at most precision 2 |q| |p| or |p|^2."""
    query_norm = np.sqrt(_window_norms(queries, rows, cols).max(axis=(1, 2)))
    candidate_norm = bank.largest * np.sqrt(queries.shape[1] * rows.size * cols.size)
    return precision * candidate_norm * np.maximum(2.0 * query_norm, candidate_norm)


def _window_norms(queries: np.ndarray, rows: Axis, cols: Axis) -> np.ndarray:
    """|window of the query|^2, (B, Y, X)."""
    squares = sliding_window_view((queries[..., :-1] ** 2).sum(axis=1), cols.size, axis=2).sum(axis=-1)
    return sliding_window_view(squares, rows.size, axis=1).sum(axis=-1)[:, : rows.outputs, : cols.outputs]


def _training(bank: Bank, values: np.ndarray | None = None) -> Training:
    """The bank as the kernels want it, with the values to average: by default the pixels."""
    return Training(bank.blocks, bank.blocks if values is None else values, bank.index)


def _geometry(rows: Axis, cols: Axis) -> Geometry:
    return Geometry(rows.size, cols.size, rows.index, cols.index, rows.displacements, cols.column_runs)


def _precision(sigma: np.ndarray) -> np.ndarray:
    return 1.0 / (2.0 * np.asarray(sigma, dtype=np.float64) ** 2)
