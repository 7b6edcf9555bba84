"""Scans over the training set: every block against every query, in parallel over chunks of blocks."""

import numpy as np
from numba import njit, prange

from theory._kernels.numerics import CHUNKS, LANES
from theory._kernels.softmax import absorb_block
from theory._kernels.window import block_sums, pad_block


@njit(cache=True)
def _scratch(channels, U, V, values, Y, X, kh):
    """Work space of one chunk, float64: padded block, its values, row buffers, band, and the block's sums."""
    n = LANES
    return (np.empty((channels, U, V, n)), np.empty((values, Y, X, n)), np.empty((4, V * n)), np.empty((kh, V * n)),
            np.empty((Y, X, n)), np.empty((Y, X, n)), np.empty((values, Y, X, n)))


@njit(parallel=True, cache=True)
def scan(queries, blocks, values, index, order, geometry, precision, left_out, peaks, masses, totals):
    """Streaming softmax states of B queries over the blocks in `order`, one state a chunk.

    queries (B, C, U, V, n): padded, every lane the same      blocks (M, C, H, W, n), values (M, Cv, Hv, Wv, n): float32
    index (M, n): image of a lane, -1 for none                order: the blocks to visit
    geometry: (kh, kw, row index (U,), column index (V,), row moves, column moves), see theory.geometry
    precision (B,): 1 / (2 sigma^2)                           left_out: image to pass over, or -1
    peaks, masses (P, B, Y, X), totals (P, B, Cv, Y, X): empty states on entry
    """
    kh, kw, row_index, col_index, row_moves, col_moves = geometry
    B, C, U, V, n = queries.shape
    P, _, Cv, Y, X = totals.shape
    share = -(-order.shape[0] // CHUNKS)
    for p in prange(P):
        block, value, buffers, band, smallest, mass, total = _scratch(C, U, V, Cv, Y, X, kh)
        for i in range(p * share, min((p + 1) * share, order.shape[0])):
            m = order[i]
            pad_block(blocks[m], row_index, col_index, block)
            value[:] = values[m]
            for b in range(B):
                block_sums(queries[b], block, value, row_moves, col_moves, kh, kw, precision[b], buffers, band,
                           smallest, mass, total)
                absorb_block(smallest, mass, total, precision[b], index[m], left_out, peaks[p, b], masses[p, b],
                             totals[p, b])


@njit(parallel=True, cache=True)
def scan_images(query, blocks, values, index, order, geometry, precision, evidence, means):
    """Log evidence and local mean of each training image, for one query (C, U, V, n).

        evidence[s, y, x] = log sum_candidates exp(-d precision),    means[s, c, y, x] = the softmax mean of the values
    for the s-th image in the order of the blocks; index (M, n) gives s here, -1 for none.
    """
    kh, kw, row_index, col_index, row_moves, col_moves = geometry
    C, U, V, n = query.shape
    _, Cv, Y, X = means.shape
    share = -(-order.shape[0] // CHUNKS)
    for p in prange(CHUNKS):
        block, value, buffers, band, smallest, mass, total = _scratch(C, U, V, Cv, Y, X, kh)
        for i in range(p * share, min((p + 1) * share, order.shape[0])):
            m = order[i]
            pad_block(blocks[m], row_index, col_index, block)
            value[:] = values[m]
            block_sums(query, block, value, row_moves, col_moves, kh, kw, precision, buffers, band, smallest, mass,
                       total)
            for j in range(n):
                s = index[m, j]
                if s < 0:
                    continue
                for y in range(Y):
                    for x in range(X):
                        evidence[s, y, x] = np.log(mass[y, x, j]) - smallest[y, x, j] * precision
                        for c in range(Cv):
                            means[s, c, y, x] = total[c, y, x, j] / mass[y, x, j]
