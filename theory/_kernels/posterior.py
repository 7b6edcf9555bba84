"""Scans of a part of the training set, every block against every query. They release the GIL: a thread takes a part."""

import numpy as np
from numba import njit

from theory._kernels.numerics import HEADROOM, NEGLIGIBLE
from theory._kernels.softmax import add_lanes, raise_peak
from theory._kernels.window import pad_block, set_limits, sweep


@njit(cache=True)
def _work(V, n, kh, dtype):
    """Row buffers and band of `sweep`."""
    return np.empty((5, V * n), dtype), np.empty((kh, V * n), dtype)


@njit(cache=True)
def _block_peak(smallest, present, precision, peak):
    """peak[y, x] = the largest logit among the lanes present, -inf if there are none."""
    for y in range(peak.shape[0]):
        for x in range(peak.shape[1]):
            least = np.inf
            for j in range(present.shape[0]):
                if present[j] and smallest[y, x, j] < least:
                    least = smallest[y, x, j]
            peak[y, x] = -least * precision


@njit(cache=True)
def _rows_that_matter(top, peak):
    """The range of rows in which some logit `top` is not negligible beside `peak`."""
    first, last = top.shape[0], 0
    for y in range(top.shape[0]):
        for x in range(top.shape[1]):
            if top[y, x] > peak[y, x] - NEGLIGIBLE:
                first, last = min(first, y), y + 1
                break
    return first, last


@njit(cache=True)
def _set_reference(peak, precision, reference):
    """reference[y, x, :] = the distance whose logit is `peak`."""
    for y in range(peak.shape[0]):
        for x in range(peak.shape[1]):
            reference[y, x, :] = -peak[y, x] / precision


@njit(cache=True)
def _exceeds(top, peak):
    for y in range(peak.shape[0]):
        for x in range(peak.shape[1]):
            if top[y, x] > peak[y, x] + HEADROOM:
                return True
    return False


@njit(cache=True)
def _no_lists():
    """The lists of `sweep` where nothing is collected."""
    empty = np.empty((0, 0, 1))
    return np.empty(0, np.int64), empty, empty, np.empty((0, 0, 0)), np.empty((0, 0, 0, 3), np.int64)


@njit(cache=True)
def _lane_sums(Cv, Y, X, n, energetic, dtype):
    """The sums of `sweep`: smallest, mass, total, energy (empty unless wanted)."""
    return (np.empty((Y, X, n), dtype), np.empty((Y, X, n), dtype), np.empty((Cv, Y, X, n), dtype),
            np.empty((Y if energetic else 0, X, n), dtype))


@njit(nogil=True, cache=True)
def scan(queries, blocks, values, index, order, geometry, precision, left_out, peaks, masses, totals, energies,
         keys, sources):
    """Streaming softmax states of B queries over the blocks in `order`.

    queries (B, C, Q, V, n): padded, every lane the same, in the dtype to compute in
    blocks (M, C, H, W, n), values (M, Cv, Hv, Wv, n): float32      index (M, n): image of a lane, -1 for none
    order: the blocks to visit                                      precision (B,): 1 / (2 sigma^2)
    geometry: (kh, kw, row index (U,), column index (V,), row moves, column moves), see theory.geometry
    left_out: image to pass over, or -1
    peaks, masses (B, Y, X), totals (B, Cv, Y, X), energies (B, E, Y, X), E = 0 or 2: empty states on entry
    keys (B, Y, X, K), sources (B, Y, X, K, 3): the K nearest candidates' distances, and image, y, x; K >= 0

    A block is gone over once, weighing against the state's peak, while that pays. Where little of the last block
    mattered (low noise), its nearest candidates are found first, and only rows that matter are weighed.
    """
    B, C, _, V, n = queries.shape
    _, Cv, Y, X = totals.shape
    dtype = queries.dtype
    collect = keys.shape[3] > 0
    block = np.empty((C, geometry[2].shape[0], V, n), dtype)
    value = np.empty((Cv, values.shape[2], values.shape[3], n), dtype)
    work = _work(V, n, geometry[0], dtype)
    sums = _lane_sums(Cv, Y, X, n, energies.shape[1] > 0, dtype)
    smallest, mass, total, energy = sums
    reference, top = np.empty((Y, X, n), dtype), np.empty((Y, X))
    offset, limit = np.zeros((Y, X, n), dtype), np.empty((Y, X, n), dtype)
    images, present = np.empty(n, np.int64), np.empty(n, np.bool_)
    at_once = np.zeros(B, np.bool_)
    for m in order:
        pad_block(blocks[m], geometry[2], geometry[3], block)
        value[:] = values[m]
        for j in range(n):
            present[j] = index[m, j] >= 0 and index[m, j] != left_out
            images[j] = index[m, j] if present[j] else -1
        for b in range(B):
            tau = dtype.type(precision[b])
            peak, state = peaks[b], (masses[b], totals[b], energies[b])
            lists = (images, offset, limit, keys[b], sources[b])
            if collect:
                for y in range(Y):
                    for x in range(X):
                        set_limits(keys[b, y, x, -1], images, offset[y, x], limit[y, x])
            if at_once[b]:
                _set_reference(peak, precision[b], reference)
            sweep(queries[b], block, value, geometry, 0, Y, True, at_once[b], collect, reference, tau, work, sums,
                  lists)
            _block_peak(smallest, present, precision[b], top)
            weighed = at_once[b] and not _exceeds(top, peak)
            if weighed:
                add_lanes(mass, total, energy, present, 0, Y, *state)
            raise_peak(peak, top, *state)
            first, last = _rows_that_matter(top, peak)
            at_once[b] = 2 * (last - first) > Y
            if not weighed and first < last:
                _set_reference(peak, precision[b], reference)
                sweep(queries[b], block, value, geometry, first, last, False, True, False, reference, tau, work,
                      sums, lists)
                add_lanes(mass, total, energy, present, first, last, *state)


@njit(nogil=True, cache=True)
def scan_images(query, blocks, values, index, order, geometry, precision, evidence, means, energies):
    """Log evidence and local mean of each training image, for one query (C, U, V, n), float64.

        evidence[s, y, x] = log sum_candidates exp(-d precision),    means[s, c, y, x] = the softmax mean of the values
        energies[s, y, x] = the entropy of that softmax, nats (or energies is empty)
    for the s-th image in the order of the blocks; index (M, n) gives s here, -1 for none.
    """
    C, _, V, n = query.shape
    _, Cv, Y, X = means.shape
    block, value = np.empty((C, geometry[2].shape[0], V, n)), np.empty((Cv, values.shape[2], values.shape[3], n))
    work = _work(V, n, geometry[0], np.float64)
    sums = _lane_sums(Cv, Y, X, n, energies.shape[0] > 0, np.float64)
    smallest, mass, total, energy = sums
    lists = _no_lists()
    for m in order:
        pad_block(blocks[m], geometry[2], geometry[3], block)
        value[:] = values[m]
        for weigh in (False, True):
            sweep(query, block, value, geometry, 0, Y, not weigh, weigh, False, smallest, precision, work, sums,
                  lists)
        for j in range(n):
            s = index[m, j]
            if s < 0:
                continue
            for y in range(Y):
                for x in range(X):
                    evidence[s, y, x] = np.log(mass[y, x, j]) - smallest[y, x, j] * precision
                    for c in range(Cv):
                        means[s, c, y, x] = total[c, y, x, j] / mass[y, x, j]
                    if energies.shape[0] > 0:
                        energies[s, y, x] = np.log(mass[y, x, j]) - energy[y, x, j] / mass[y, x, j]


@njit(nogil=True, cache=True)
def scan_offsets(query, blocks, index, position, order, geometry, offsets, keys, sources):
    """The K candidates with the smallest d - offsets[s, y, x] for one query, float64; s = position (M, n), -1 for none.

    keys (Y, X, K), sources (Y, X, K, 3): as in `scan`; index (M, n): image of a lane.
    """
    C, _, V, n = query.shape
    Y, X, K = keys.shape
    block, work = np.empty((C, geometry[2].shape[0], V, n)), _work(V, n, geometry[0], np.float64)
    sums = _lane_sums(0, 0, 0, n, False, np.float64)
    offset, limit, images = np.zeros((Y, X, n)), np.empty((Y, X, n)), np.empty(n, np.int64)
    for m in order:
        pad_block(blocks[m], geometry[2], geometry[3], block)
        for j in range(n):
            s = position[m, j]
            images[j] = index[m, j] if s >= 0 else -1
            if s >= 0:
                offset[:, :, j] = offsets[s]
        for y in range(Y):
            for x in range(X):
                set_limits(keys[y, x, -1], images, offset[y, x], limit[y, x])
        sweep(query, block, block, geometry, 0, Y, False, False, True, limit, 0.0, work, sums,
              (images, offset, limit, keys, sources))
