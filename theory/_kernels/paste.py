"""Expected windows, each pasted where its output lies: the adjoint of the comparison in `window`.

    out(p) = sum over outputs o and candidates c of s_oc u_c(p),   s_oc = w_oc (constant_o + slope_o . (v_c - mean_o))

over the outputs whose window holds pixel p, with w_oc the normalised posterior weights, v_c the candidates' values,
mean_o their mean and u_c(p) the pixel of a candidate's window that lies at p. For one displacement the weights of k
outputs, one below the other, meet the same row of candidates: they are added up first, and the row is met once for each
column of the window. A pair costs about what its comparison cost. Weights exist a few rows at a time.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from theory._kernels.cache import by_dtype
from theory._kernels.nearest import measure
from theory._kernels.softmax import remeasure_float64
from theory._kernels.vector import aligned, at, exp2, fma, item, lanes, larger, load, pointer, put, splat, store, zeros
from theory._kernels.vector import total as across
from theory._kernels.window import _products, _squares, row_logits
from theory._kernels.workspace import far_below, load_block, logit_scales, make_buffers, make_workspace, sums_of

LOG2E = 1.4426950408889634

Signed = namedtuple("Signed", "sums normaliser constant slope mean")
"""Sums whose peak is that of the whole posterior, and pointers: normaliser (Y, X), log2 sum 2^logit; constant (Y, X)
and slope, mean (Cv, Y, X)."""


@njit
def _signed_weights(signed, logits, top, L, row, pixel, candidate, out):
    """out = s_oc of a row of candidates; False where all are negligible, out being as it was."""
    sums, reference = signed.sums, 0.0
    peak = item(sums.peak, pixel)
    if not top > peak - sums.negligible - 1.0:  # the peak of another scan, rounded otherwise
        if not peak < sums.far:
            return False
    if peak < sums.far:
        reference, top = remeasure_float64(sums, logits, top, peak, L, row)
        if not top > -np.inf:
            return False
    Cv, next_total, next_values = sums.channels
    step, shift = lanes(out), splat(out, item(signed.normaliser, pixel) - reference)
    constant = splat(out, item(signed.constant, pixel))
    for j in range(0, L, step):
        factor = constant
        for c in range(Cv):
            place = c * next_total + pixel
            slope, mean = splat(out, item(signed.slope, place)), splat(out, item(signed.mean, place))
            factor = fma(slope, load(at(sums.values, c * next_values + candidate), j) - mean, factor)
        above = load(logits, j) - shift  # of another scan, rounded otherwise: a weight is at most 1
        store(out, j, factor * exp2(above - larger(above, zeros(out))))
    return True


@njit
def _met(weights, t, channels, kw, n, L, out):
    """out[c, j] += sum of weights[i] t[c, i + j n], i < L, for the kw columns j of a window.

    channels: (C, numbers from one to the next in t, and in out). Four columns at a time, to use each weight four times.
    """
    C, next_t, next_out = channels
    step = lanes(weights)
    for c in range(C):
        j = 0
        while j + 4 <= kw:
            place = at(t, c * next_t + j * n)
            s0, s1, s2, s3 = zeros(weights), zeros(weights), zeros(weights), zeros(weights)
            for i in range(0, L, step):
                w = load(weights, i)
                s0, s1 = fma(w, load(place, i), s0), fma(w, load(place, i + n), s1)
                s2, s3 = fma(w, load(place, i + 2 * n), s2), fma(w, load(place, i + 3 * n), s3)
            first = c * next_out + j
            put(out, first, item(out, first) + across(s0))
            put(out, first + 1, item(out, first + 1) + across(s1))
            put(out, first + 2, item(out, first + 2) + across(s2))
            put(out, first + 3, item(out, first + 3) + across(s3))
            j += 4
        while j < kw:
            place, s = at(t, c * next_t + j * n), zeros(weights)
            for i in range(0, L, step):
                s = fma(load(weights, i), load(place, i), s)
            put(out, c * next_out + j, item(out, c * next_out + j) + across(s))
            j += 1


@njit
def _add_row(row, L, out):
    for i in range(0, L, lanes(out)):
        store(out, i, load(out, i) + load(row, i))


@njit
def _column(ring, there, length, kh, L, out):
    """out = the sum of the rows of the ring that are there; False if none is."""
    some = False
    for r in range(kh):
        if not there[r]:
            continue
        if not some:
            for i in range(0, L, lanes(out)):
                store(out, i, zeros(out))
        _add_row(at(ring, r * length), L, out)
        some = True
    return some


@njit
def _paste_query(query, block, norms, geometry, width, products, scales, buffers, rings, signed, out):
    """Add one query's windows from one block to out (C, U, V + 1); the sweep of `window.sweeping`."""
    kh, kw, _, _, moves, columns = geometry
    band, rows = buffers
    ring, there, summed = rings
    C, n, length = block.shape[0], block.shape[3], band.shape[2]
    channels = C, query.shape[1] * query.shape[2], block.shape[1] * block.shape[2] * n
    pasted = C, channels[2], channels[1]
    q, t, norm, logits = pointer(query), pointer(block), pointer(norms), pointer(rows)
    next_q, next_t, next_norm = query.shape[2], block.shape[2] * n, norms.shape[1] * n
    bands, prefixes = (pointer(band), at(pointer(band), kh * length)), (at(logits, length), at(logits, 2 * length))
    ring_rows, column = (pointer(ring), at(pointer(ring), kh * length)), pointer(summed)
    target = pointer(out)
    for m in range(moves.shape[0]):
        dy, low, high = moves[m]
        for k in range(columns.shape[0]):
            b, outputs, first, end = columns[k]
            L = (end - first) * n
            there[:] = False
            for u in range(low, high + 2 * kh - 2):
                step, a = u - low, u - kh + 1
                if a < high:
                    q_row, t_row = at(q, u * next_q + b), at(t, (u + dy) * next_t + first * n)
                    place = (step % kh) * length
                    if products:
                        _products(q_row, t_row, channels, kw, n, L, at(bands[0], place), at(bands[1], place))
                    else:
                        _squares(q_row, t_row, channels, kw, n, L, at(bands[0], place), at(bands[1], place))
                if a < low:
                    for h in range(outputs):
                        row_logits(step, kh, bands[h], length, prefixes[h], norm, scales, L, logits)
                    continue
                for h in range(outputs):
                    slot, kept = a % kh, there[h]
                    kept[slot] = False
                    if a < high:
                        candidate = (a + dy) * next_norm + first * n
                        _, top = row_logits(step, kh, bands[h], length, prefixes[h], at(norm, candidate), scales, L,
                                            logits)
                        kept[slot] = _signed_weights(signed, logits, top, L, (a, b + h, a + dy, first),
                                                     a * width + b + h, candidate, at(ring_rows[h], slot * length))
                    if _column(ring_rows[h], kept, length, kh, L, column):
                        row = at(t, (a + dy) * next_t + first * n)
                        _met(column, row, pasted, kw, n, L, at(target, a * next_q + b + h))


@by_dtype
def scan_paste(stop, order, queries, training, geometry, left_out, negligible, peaks, normalisers, constants, slopes,
               means, totals):
    """totals (B, C, U, V + 1) += the windows of B queries (`workspace.Queries`) over the blocks `order`.

    peaks, normalisers (B, Y, X): of the whole posterior, in powers of two and short of the queries' base;
    constants (B, Y, X), slopes and means (B, Cv, Y, X)
    """
    windows, (blocks, values, index), products = queries.windows, training, queries.products
    n, kh = blocks.shape[4], geometry.height
    space = make_workspace(windows.shape[1], values.shape[1:4], n, geometry, windows.dtype)
    buffers = make_buffers(n, geometry, windows.dtype)
    length = buffers[0].shape[2]
    rings = (aligned(2 * kh * length, windows.dtype).reshape((2, kh, length)), np.zeros((2, kh), np.bool_),
             aligned(length, windows.dtype))
    size, X = (geometry.height, geometry.width), peaks.shape[2]
    far = far_below(products, windows.itemsize)
    for m in order:
        if not load_block(space, blocks[m], values[m], index[m], left_out, geometry, products):
            continue
        for b in range(windows.shape[0]):
            if stop[0]:
                return
            unit = queries.precision[b] * LOG2E
            sums = sums_of(peaks[b], normalisers[b], slopes[b], space.values, negligible, far,
                           measure(queries.exact[b], space.block, size, unit))
            signed = Signed(sums, pointer(normalisers[b]), pointer(constants[b]), pointer(slopes[b]),
                            pointer(means[b]))
            _paste_query(windows[b], space.block, space.norms if products else space.absent, geometry, X, products,
                         logit_scales(products, unit), buffers, rings, signed, totals[b])
