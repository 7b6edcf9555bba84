"""The posterior-mean engine under every machine: a query window, a candidate set, and values to average.

    x0(x) = sum_j W_j value_j / sum_j W_j,   W_j = exp(-|query's window at x - window of candidate j|^2 / (2 sigma^2))

A machine says which windows and candidates (two `geometry.Axis`), over which `Bank`, and which values; nothing else.
The candidates are streamed block by block through one softmax (`_kernels/softmax.py`), so memory does not grow with
their number. Small calls are float64 throughout; large ones compare windows in float32 where that is good to 1e-4
(`numerics.PRODUCT_ERROR`, `FLOAT32_LOGIT`); sums over images are always float64. docs/theory/posterior.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from theory._kernels.cache import drop_stale
from theory._kernels.far import scan_far
from theory._kernels.numerics import (
    CHUNKS,
    FLOAT32_RANGE,
    FLOAT32_WINDOW,
    FLOAT64_ERROR,
    FLOAT64_LOGIT,
    FLOAT64_PAIRS,
    LARGE_CALL_ERROR,
    LIST_CHUNKS,
    NEGLIGIBLE,
    PRODUCT_ERROR,
)
from theory._kernels.posterior import LOG2E, scan, scan_images, scan_offsets, scan_sources
from theory._kernels.scales import scan_scales
from theory._kernels.softmax import LN2, merge_states
from theory._kernels.workspace import Geometry, Queries, Training
from theory.engine.bank import Bank
from theory.engine.chunks import run_in_threads
from theory.engine.geometry import Axis
from theory.engine.scan_options import ScanOptions

drop_stale([*scan.values(), *scan_sources.values(), *scan_scales.values(), scan_images, scan_offsets, scan_far,
            merge_states])

QUERIES_AT_ONCE = 16
"""Queries that share each training block while it is in cache."""

FLOAT32_EPS, FLOAT64_EPS = float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Posterior:
    """Softmax sums of B queries, float64: peak, mass (B, Y, X), total (B, Cv, Y, X), energy (B, E, Y, X), E 0 or 2."""

    peak: np.ndarray
    mass: np.ndarray
    total: np.ndarray
    energy: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """E[value | query], (B, Cv, Y, X)."""
        return self.total / self.mass[:, None]

    @property
    def log_normaliser(self) -> np.ndarray:
        """log sum_j exp(logit_j), (B, Y, X)."""
        return self.peak + np.log(self.mass)

    @property
    def entropies(self) -> np.ndarray:
        """Entropy in nats over candidates, and over images, (B, 2, Y, X); where energy was kept."""
        return np.log(self.mass)[:, None] - self.energy / self.mass[:, None]


@dataclass(frozen=True)
class Nearest:
    """The K candidates with the largest logits, best first: key = distance - offset (.., Y, X, K), inf for none, source
    (.., Y, X, K, 3), each candidate's image, y and x, and rest (.., Y, X, K), what float64 leaves of the key."""

    key: np.ndarray
    source: np.ndarray
    rest: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, ...], top: int) -> Nearest:
        return cls(np.full((*shape, top), np.inf), np.full((*shape, top, 3), -1), np.zeros((*shape, top)))

    def merged(self) -> Nearest:
        """One list from the lists along the first axis; equals in their order."""
        K = self.key.shape[-1]
        key, rest = (np.moveaxis(part, 0, -2).reshape(*part.shape[1:-1], -1) for part in (self.key, self.rest))
        source = np.moveaxis(self.source, 0, -3).reshape(*key.shape, 3)
        best = np.lexsort((rest, key), axis=-1)[..., :K]
        key, rest = np.take_along_axis(key, best, -1), np.take_along_axis(rest, best, -1)
        return Nearest(key, np.take_along_axis(source, best[..., None], -2), rest)


def merge(parts: list[Posterior]) -> Posterior:
    """The posterior over the union of disjoint candidate sets."""
    return _merge_stacked(stacked(parts))


def merge_nearest(parts: list[Nearest]) -> Nearest:
    """The nearest candidates of the union of disjoint candidate sets."""
    return stacked(parts).merged()


def _merge_stacked(states: Posterior) -> Posterior:
    """Merge states that are stacked along a first axis and used up; the state without it."""
    merged = Posterior(*(np.empty(array.shape[1:]) for array in _arrays(states)))
    merge_states(*_arrays(states), *_arrays(merged))
    return merged


def merged_by_distance(states: Posterior, near: np.ndarray, rest: np.ndarray, precision: np.ndarray) -> Posterior:
    """`_merge_stacked` by the exact distance near + rest (P, B, Y, X) of the nearest candidate of each, in place of its
    peak, which float64 may not tell from another."""
    best = np.lexsort((rest, near), axis=0)[:1]
    least = np.take_along_axis(near, best, 0)
    with np.errstate(invalid="ignore"):  # a pixel that no candidate was measured for
        states.peak[:] = -precision * ((near - least) + (rest - np.take_along_axis(rest, best, 0)))
    merged = _merge_stacked(states)
    merged.peak[:] = -precision * least[0]
    return merged


def concatenated(records):
    """Posteriors, or Nearest lists, of separate queries as one."""
    return type(records[0])(*(np.concatenate(arrays) for arrays in zip(*map(_arrays, records))))


def _in_order(records, order: list[np.ndarray]):
    """`concatenated`, the queries brought from the places `order` to 0, 1, 2, ..."""
    places = np.argsort(np.concatenate(order))
    together = concatenated(records)
    return together if len(records) == 1 else type(together)(*(array[places] for array in _arrays(together)))


def stacked(records):
    """Stack Posteriors, or Nearest lists, along a new first axis."""
    return type(records[0])(*(np.stack(arrays) for arrays in zip(*map(_arrays, records))))


def _arrays(record) -> list[np.ndarray]:
    return [getattr(record, f.name) for f in fields(record)]


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
        states = [*_arrays(chunks), lists.key, lists.source] if top else _arrays(chunks)[:3]
        kernel = (scan_sources if top else scan)[queries.windows.dtype]
        run_in_threads(kernel, request.order, inputs, states, count)
        chunks.peak[:] = (chunks.peak - queries.base) * LN2
        found = _merge_stacked(chunks), lists.merged()
        if not queries.products:
            _measure_exactly(queries, *inputs[1:4], request.order, *found)
        sums.append(found[0])
        nearest.append(found[1])
        order.append(chosen)
    return _in_order(sums, order), _in_order(nearest, order)


def _measure_exactly(queries: Queries, training: Training, geometry: Geometry, left_out: int, order: np.ndarray,
                 sums: Posterior, nearest: Nearest) -> None:
    """Put exact sums and lists in place of those of the pixels for which float64 distances are not good enough."""
    far = sums.peak < -FLOAT64_LOGIT * LN2
    some = np.flatnonzero(far.any(axis=(1, 2)))
    if not len(some):
        return
    K, unit = nearest.key.shape[3], LOG2E * queries.precision[some, None, None]
    last = nearest.key[some, ..., K - 1] if K else np.zeros_like(sums.peak[some])
    reach = np.maximum(-sums.peak[some] * LOG2E + NEGLIGIBLE, unit * last)
    least = np.where(far[some], -(1.0 + FLOAT64_ERROR) * reach, np.inf)
    exact = queries.exact[some]
    asked = Queries(exact, exact, queries.precision[some], False, 0.0 * queries.base[some])
    shape, Cv = (CHUNKS, *least.shape), sums.total.shape[1]
    near, keys = (np.stack([np.full(size, np.inf), np.zeros(size)], axis=2) for size in (shape, (*shape, K)))
    mass, total, energy = (np.zeros((*shape[:2], *size, *shape[2:])) for size in ((), (Cv,), (2,)))
    sources = np.full((*shape, K, 3), -1)
    states = near, mass, total, energy, keys, sources
    run_in_threads(scan_far, order, (asked, training, geometry, left_out, least), states)
    parts = Posterior(np.zeros(shape), mass, total, energy[:, :, : sums.energy.shape[1]])
    merged = merged_by_distance(parts, near[:, :, 0], near[:, :, 1], queries.precision[some, None, None])
    lists = Nearest(keys[:, :, 0], sources, keys[:, :, 1]).merged()
    b, y, x = np.nonzero(far[some])
    for whole, part in zip(_arrays(sums), _arrays(merged)):
        whole[(some[b], *(slice(None),) * (whole.ndim - 3), y, x)] = part[(b, *(slice(None),) * (part.ndim - 3), y, x)]
    for whole, part in zip(_arrays(nearest), _arrays(lists)):
        whole[some[b], y, x] = part[b, y, x]


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
        sums.append([_merge_stacked(Posterior(LN2 * peak[:, :, s], mass[:, :, s], total[:, :, s], no_energy))
                     for s in range(len(axes))])
        order.append(chosen)
    scales = [_in_order(of_size, order) for of_size in zip(*sums)]
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
        for whole, part in zip(_arrays(sums), _arrays(exact)):
            whole[some] = part


@dataclass(frozen=True)
class ImageEvidence:
    """One query, n images in the order of some blocks: what each training image says of each pixel by itself."""

    evidence: np.ndarray  # (n, H, W) float64: S_i(x) = log sum_y exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2))
    mean: np.ndarray  # (n, C, H, W) float32: mu_i(x), the same weights' mean of the pixel values
    entropy: np.ndarray  # (n, H, W) float64, nats: of the same weights; empty unless asked for
    position: np.ndarray  # (M, n): where the image of a lane stands along n, -1 for none


def image_evidence(x: np.ndarray, sigma: float, bank: Bank, request: ScanOptions, rows: Axis,
                   cols: Axis) -> ImageEvidence:
    """The evidence of each training image of the request for one query x (C, H, W)."""
    order, entropy = request.order, request.top > 0
    present = bank.present(order, request.left_out)
    position = np.full(bank.index.shape, -1, dtype=np.int64)
    position[order] = np.where(present, np.cumsum(present).reshape(present.shape) - 1, -1)
    n, (C, H, W) = int(present.sum()), x.shape
    peaks, masses, energies = np.empty((n, H, W)), np.empty((n, H, W)), np.empty((n if entropy else 0, H, W))
    means = np.empty((n, C, H, W), dtype=np.float32)
    ((_, query),) = _queries(x[None], np.array([sigma]), bank, False, rows, cols)
    training = Training(bank.blocks, bank.blocks, position)
    run_in_threads(scan_images, order, (query, training, _geometry(rows, cols), peaks, masses, means, energies), [])
    logs = np.log(masses, out=masses)
    return ImageEvidence(np.add(peaks, logs, out=peaks), means, logs - energies if entropy else energies, position)


def softmax_over_images(logits: np.ndarray, images: ImageEvidence) -> Posterior:
    """Softmax sums over images for one query, by logits (n, Y, X) of the images' own, n >= 1."""
    peak = logits.max(axis=0)
    weights = np.exp(logits - peak)
    logs = weights * (logits - peak)
    energy = [logs - weights * images.entropy, logs] if len(images.entropy) else []
    return Posterior(peak[None], weights.sum(axis=0)[None], np.einsum("nyx,ncyx->cyx", weights, images.mean)[None],
                     np.array([part.sum(axis=0) for part in energy]).reshape(1, -1, *peak.shape))


def nearest_with_offsets(x: np.ndarray, bank: Bank, order: np.ndarray, rows: Axis, cols: Axis, position: np.ndarray,
                         offsets: np.ndarray, top: int) -> Nearest:
    """For one query x (C, H, W): the candidates with the smallest distance - offsets[s], s (n, H, W) by `position`."""
    lists = Nearest.empty((LIST_CHUNKS, *offsets.shape[1:]), top)
    query = _padded_queries(x[None], rows, cols)[0]
    inputs = query, _training(bank), position, _geometry(rows, cols), offsets
    run_in_threads(scan_offsets, order, inputs, (lists.key, lists.source), LIST_CHUNKS)
    return lists.merged()


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
