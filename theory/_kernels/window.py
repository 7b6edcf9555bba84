"""Squared distances between windows, a row of candidates at a time, for one query and one block of training images.

A query pixel (a, b) and a row of candidates (a', b'), all columns b' and all images of the block, lie side by side in
memory. Their distances are sums over k rows, u = a + i against a' + i, of sums over k columns; the column sums of one
row serve k query pixels, going down a displacement a' - a. So a pair costs about k operations for the columns and
three for the rows, whatever k: rows are added as the suffix sums of one band of k rows plus the prefix sums of the
next (van Herk 1992). Nothing is ever subtracted: small distances keep their relative precision.
"""

import numpy as np
from numba import njit

from theory._kernels.cache import renamed
from theory._kernels.vector import (
    at,
    fma,
    item,
    lanes,
    larger,
    largest,
    load,
    lowest,
    own_frame,
    pointer,
    splat,
    store,
    zeros,
)


@njit
def pad_block(block, rows, cols, out):
    """out[c, u, v, :] = block[c, rows[u], cols[v], :], and 0 where an index is -1; (C, H, W, n) -> (C, U, V, n)."""
    for c in range(out.shape[0]):
        for u in range(rows.shape[0]):
            for v in range(cols.shape[0]):
                target = out[c, u, v]
                if rows[u] < 0 or cols[v] < 0:
                    target[:] = 0.0
                else:
                    source = block[c, rows[u], cols[v]]
                    for j in range(target.shape[0]):
                        target[j] = source[j]


@njit
def copy_block(block, out):
    """out = block, in the dtype of out; (C, H, W, n)."""
    for c in range(out.shape[0]):
        for a in range(out.shape[1]):
            for b in range(out.shape[2]):
                for j in range(out.shape[3]):
                    out[c, a, b, j] = block[c, a, b, j]


@njit
def window_norms(block, kh, kw, out):
    """out[a, b, :] = sum over the window at (a, b) of block^2; block (C, U, V, n) -> (U - kh + 1, V - kw + 1, n)."""
    C, U, V, n = block.shape
    across = np.empty((U, out.shape[1], n), out.dtype)
    for u in range(U):
        for b in range(out.shape[1]):
            sums = across[u, b]
            sums[:] = 0
            for c in range(C):
                for v in range(b, b + kw):
                    for j in range(n):
                        sums[j] += block[c, u, v, j] * block[c, u, v, j]
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            sums = out[a, b]
            sums[:] = 0
            for u in range(a, a + kh):
                for j in range(n):
                    sums[j] += across[u, b, j]


def _column_sums(term):
    """A kernel: out[j] = sum over channels and c < kw of term(q[c], t[j + c n]), j < L; `second` so with q[c + 1].

    The column sums of one row of the windows of two neighbouring query pixels, against a row of candidates.
    channels: (C, numbers from one to the next in q, and in t). Four vectors at a time for two query pixels, so that
    what is loaded is used twice or four times.
    """

    def sums(q, t, channels, kw, n, L, out, second):
        own_frame()
        C, next_q, next_t = channels
        step, j = lanes(t), 0
        while j + 4 * step <= L:
            a0, a1, a2, a3 = zeros(t), zeros(t), zeros(t), zeros(t)
            b0, b1, b2, b3 = zeros(t), zeros(t), zeros(t), zeros(t)
            for ch in range(C):
                for c in range(kw):
                    x, y = splat(t, item(q, ch * next_q + c)), splat(t, item(q, ch * next_q + c + 1))
                    place = at(t, ch * next_t + j + c * n)
                    v0, v1, v2, v3 = load(place, 0), load(place, step), load(place, 2 * step), load(place, 3 * step)
                    a0, a1, a2, a3 = term(x, v0, a0), term(x, v1, a1), term(x, v2, a2), term(x, v3, a3)
                    b0, b1, b2, b3 = term(y, v0, b0), term(y, v1, b1), term(y, v2, b2), term(y, v3, b3)
            _store4(at(out, j), step, a0, a1, a2, a3)
            _store4(at(second, j), step, b0, b1, b2, b3)
            j += 4 * step
        while j < L:
            a0, b0 = zeros(t), zeros(t)
            for ch in range(C):
                for c in range(kw):
                    v0 = load(t, ch * next_t + j + c * n)
                    a0 = term(splat(t, item(q, ch * next_q + c)), v0, a0)
                    b0 = term(splat(t, item(q, ch * next_q + c + 1)), v0, b0)
            store(out, j, a0)
            store(second, j, b0)
            j += step

    return njit(renamed(sums, f"sums_of_{term.__name__}"))


@njit
def _store4(out, step, v0, v1, v2, v3):
    store(out, 0, v0)
    store(out, step, v1)
    store(out, 2 * step, v2)
    store(out, 3 * step, v3)


@njit
def product(x, v, a):
    return fma(x, v, a)


@njit
def square(x, v, a):
    d = x - v
    return fma(d, d, a)


_products, _squares = _column_sums(product), _column_sums(square)


@njit
def _add(a, b, L, out):
    for j in range(0, L, lanes(a)):
        store(out, j, load(a, j) + load(b, j))


@njit
def _logits(a, b, c, terms, norms, scales, L, out):
    """out = scale (a + b + c) - norm_scale norms, with only `terms` of a, b, c; returns the largest."""
    scale, norm_scale = splat(a, scales[0]), splat(a, -scales[1])
    step, top = lanes(a), lowest(a)
    if terms == 1:
        for j in range(0, L, step):
            v = fma(scale, load(a, j), norm_scale * load(norms, j))
            store(out, j, v)
            top = larger(v, top)
    elif terms == 2:
        for j in range(0, L, step):
            v = fma(scale, load(a, j) + load(b, j), norm_scale * load(norms, j))
            store(out, j, v)
            top = larger(v, top)
    else:
        for j in range(0, L, step):
            v = fma(scale, load(a, j) + load(b, j) + load(c, j), norm_scale * load(norms, j))
            store(out, j, v)
            top = larger(v, top)
    return largest(top)


@njit(forceinline=True)
def row_logits(step, kh, band, length, prefix, norms, scales, L, out):
    """Take in the step-th row of a displacement, its column sums at band[step % kh]; when kh rows are there, put the
    logits of a row of candidates into `out` and return (True, the largest).

    band (kh rows of `length`): the suffix sums of the last full band of kh rows; prefix: the sum of the band so far.
    """
    position = step % kh
    row = at(band, position * length)
    if kh == 1:
        return True, _logits(row, row, row, 1, norms, scales, L, out)
    if kh == 3:
        if step < 2:
            return False, item(out, 0)
        return True, _logits(band, at(band, length), at(band, 2 * length), 3, norms, scales, L, out)
    if position == 0:
        for j in range(0, L, lanes(row)):
            store(prefix, j, load(row, j))
    else:
        _add(prefix, row, L, prefix)
    if position < kh - 1:
        if step < kh:
            return False, item(out, 0)
        return True, _logits(prefix, at(row, length), row, 2, norms, scales, L, out)
    top = _logits(prefix, row, row, 1, norms, scales, L, out)
    for p in range(kh - 2, -1, -1):
        _add(at(band, p * length), at(band, (p + 1) * length), L, at(band, p * length))
    return True, top


def sweeping(consume):
    """A kernel that visits every row of candidates of every query pixel, for one query and one block.

    For each: consume(state, logits, top, L, (a, b, a', b'), pixel, candidate), where logits points at L = columns * n
    numbers, those of the candidates (a', b'), (a', b' + 1), ... in each of the n images, and top is the largest;
    pixel is the place of (a, b) in (Y, X), candidate that of (a', b', 0) in (H, W, n).

        logit = scale * d - norm_scale * norms       products:  d = <window of q, window of t>
                                                     otherwise: d = |window of q - window of t|^2
    query (C, U, V + 1): padded, one column more      block (C, U, V, n): padded      norms (H, W, n): of candidates
    geometry: (kh, kw, _, _, row moves, column runs), see theory.engine.geometry      width: X
    buffers: band (2, kh, >= L), rows (3, >= L)
    """

    def sweep(query, block, norms, geometry, width, products, scales, buffers, state):
        own_frame()
        kh, kw, _, _, moves, columns = geometry
        band, rows = buffers
        n, length = block.shape[3], band.shape[2]
        channels = block.shape[0], query.shape[1] * query.shape[2], block.shape[1] * block.shape[2] * n
        q, t, norm, out = pointer(query), pointer(block), pointer(norms), pointer(rows)
        next_q, next_t, next_norm = query.shape[2], block.shape[2] * n, norms.shape[1] * n
        bands, prefixes = (pointer(band), at(pointer(band), kh * length)), (at(out, length), at(out, 2 * length))
        for m in range(moves.shape[0]):
            dy, low, high = moves[m]
            for k in range(columns.shape[0]):
                b, outputs, first, end = columns[k]
                L = (end - first) * n
                for u in range(low, high + kh - 1):
                    step = u - low
                    q_row, t_row = at(q, u * next_q + b), at(t, (u + dy) * next_t + first * n)
                    place = (step % kh) * length
                    if products:
                        _products(q_row, t_row, channels, kw, n, L, at(bands[0], place), at(bands[1], place))
                    else:
                        _squares(q_row, t_row, channels, kw, n, L, at(bands[0], place), at(bands[1], place))
                    a = u - kh + 1
                    for h in range(outputs):
                        candidate = (a + dy) * next_norm + first * n
                        ready, top = row_logits(step, kh, bands[h], length, prefixes[h], at(norm, candidate), scales,
                                                 L, out)
                        if ready:
                            consume(state, out, top, L, (a, b + h, a + dy, first), a * width + b + h, candidate)

    return njit(renamed(sweep, f"sweep_{consume.__name__}"))
