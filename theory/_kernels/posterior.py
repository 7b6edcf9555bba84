"""Scans over the training set: every block against every query, in parallel over chunks of blocks."""

import numpy as np
from numba import njit, prange

from theory._kernels.numerics import CHUNKS, HEADROOM, LANES, NEGLIGIBLE
from theory._kernels.softmax import add_lanes, raise_peak
from theory._kernels.window import pad_block, sweep


@njit(cache=True)
def _work(V, kh, dtype):
    """Row buffers and band of `sweep`."""
    return np.empty((5, V * LANES), dtype), np.empty((kh, V * LANES), dtype)


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


@njit(parallel=True, cache=True)
def scan(queries, blocks, values, index, order, geometry, precision, left_out, peaks, masses, totals):
    """Streaming softmax states of B queries over the blocks in `order`, one state a chunk.

    queries (B, C, U, V, n): padded, every lane the same, in the dtype to compute in
    blocks (M, C, H, W, n), values (M, Cv, Hv, Wv, n): float32      index (M, n): image of a lane, -1 for none
    order: the blocks to visit                                      precision (B,): 1 / (2 sigma^2)
    geometry: (kh, kw, row index (U,), column index (V,), row moves, column moves), see theory.geometry
    left_out: image to pass over, or -1
    peaks, masses (P, B, Y, X), totals (P, B, Cv, Y, X): empty states on entry

    A block is gone over once, weighing against the state's peak, while that pays. Where little of the last block
    mattered (low noise), its nearest candidates are found first, and only rows that matter are weighed.
    """
    B, C, U, V, n = queries.shape
    P, _, Cv, Y, X = totals.shape
    share = -(-order.shape[0] // CHUNKS)
    dtype = queries.dtype
    for p in prange(P):
        block, value = np.empty((C, U, V, n), dtype), np.empty((Cv, values.shape[2], values.shape[3], n), dtype)
        work = _work(V, geometry[0], dtype)
        smallest, reference, mass = np.empty((Y, X, n), dtype), np.empty((Y, X, n), dtype), np.empty((Y, X, n), dtype)
        total, top = np.empty((Cv, Y, X, n), dtype), np.empty((Y, X))
        present = np.empty(n, np.bool_)
        at_once = np.zeros(B, np.bool_)
        for i in range(p * share, min((p + 1) * share, order.shape[0])):
            m = order[i]
            pad_block(blocks[m], geometry[2], geometry[3], block)
            value[:] = values[m]
            for j in range(n):
                present[j] = index[m, j] >= 0 and index[m, j] != left_out
            for b in range(B):
                tau = dtype.type(precision[b])
                peak, state_mass, state_total = peaks[p, b], masses[p, b], totals[p, b]
                first, last = 0, Y
                if at_once[b]:
                    _set_reference(peak, precision[b], reference)
                    sweep(queries[b], block, value, geometry, 0, Y, True, True, reference, tau, work, smallest, mass,
                          total)
                    _block_peak(smallest, present, precision[b], top)
                    if not _exceeds(top, peak):
                        add_lanes(mass, total, present, 0, Y, state_mass, state_total)
                        first, last = _rows_that_matter(top, peak)
                        raise_peak(peak, top, state_mass, state_total)
                        at_once[b] = 2 * (last - first) > Y
                        continue
                else:
                    sweep(queries[b], block, value, geometry, 0, Y, True, False, reference, tau, work, smallest, mass,
                          total)
                    _block_peak(smallest, present, precision[b], top)
                raise_peak(peak, top, state_mass, state_total)
                first, last = _rows_that_matter(top, peak)
                at_once[b] = 2 * (last - first) > Y
                if first < last:
                    _set_reference(peak, precision[b], reference)
                    sweep(queries[b], block, value, geometry, first, last, False, True, reference, tau, work, smallest,
                          mass, total)
                    add_lanes(mass, total, present, first, last, state_mass, state_total)


@njit(parallel=True, cache=True)
def scan_images(query, blocks, values, index, order, geometry, precision, evidence, means):
    """Log evidence and local mean of each training image, for one query (C, U, V, n), float64.

        evidence[s, y, x] = log sum_candidates exp(-d precision),    means[s, c, y, x] = the softmax mean of the values
    for the s-th image in the order of the blocks; index (M, n) gives s here, -1 for none.
    """
    C, U, V, n = query.shape
    _, Cv, Y, X = means.shape
    share = -(-order.shape[0] // CHUNKS)
    for p in prange(CHUNKS):
        block, value = np.empty((C, U, V, n)), np.empty((Cv, values.shape[2], values.shape[3], n))
        work = _work(V, geometry[0], np.float64)
        smallest, mass, total = np.empty((Y, X, n)), np.empty((Y, X, n)), np.empty((Cv, Y, X, n))
        for i in range(p * share, min((p + 1) * share, order.shape[0])):
            m = order[i]
            pad_block(blocks[m], geometry[2], geometry[3], block)
            value[:] = values[m]
            sweep(query, block, value, geometry, 0, Y, True, False, smallest, precision, work, smallest, mass, total)
            sweep(query, block, value, geometry, 0, Y, False, True, smallest, precision, work, smallest, mass, total)
            for j in range(n):
                s = index[m, j]
                if s < 0:
                    continue
                for y in range(Y):
                    for x in range(X):
                        evidence[s, y, x] = np.log(mass[y, x, j]) - smallest[y, x, j] * precision
                        for c in range(Cv):
                            means[s, c, y, x] = total[c, y, x, j] / mass[y, x, j]
