"""Posterior sums of the local score for windows of several sizes in one pass.

A window's sums are part of a larger one's: the column sums of a row grow outwards, from one radius to the next, so
that those of the largest window are all that is computed. Rows are added, and weights made, for each size by itself.
"""

import numpy as np
from numba import njit

from theory._kernels.cache import by_dtype
from theory._kernels.nearest import Measure, measure
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import Sums, absorb
from theory._kernels.vector import aligned, at, item, lanes, load, pointer, splat, store, zeros
from theory._kernels.window import row_logits, square
from theory._kernels.workspace import far_below, load_block, logit_scales, make_workspace, sums_of


@njit
def _widen(q, t, channels, inner, outer, n, before, out):
    """out[j] = before[j] + the sum over channels and inner < |c| <= outer of (q[c] - t[j + c n])^2, j < n.

    q, t: the middle of the window's row      channels: (C, numbers from one to the next in q, and in t)
    inner: radius of the next smaller window, whose sums are in `before`; -1 for none
    """
    C, next_q, next_t = channels
    step = lanes(t)
    for j in range(0, n, 2 * step):
        a0, a1 = zeros(t), zeros(t)
        if inner >= 0:
            a0, a1 = load(before, j), load(before, j + step)
        for ch in range(C):
            for c in range(-outer, outer + 1):
                if -inner <= c <= inner:
                    continue
                x, place = splat(t, item(q, ch * next_q + c)), ch * next_t + j + c * n
                a0, a1 = square(x, load(t, place), a0), square(x, load(t, place + step), a1)
        store(out, j, a0)
        store(out, j + step, a1)


@njit
def _sweep(query, block, absent, kh, kw, unit, begin, buffer, sums):
    """Every query pixel against the candidates at its own place, for every size; absent (H, W, n)."""
    (C, U, V, n), (H, W, _), S = block.shape, absent.shape, kh.size
    channels = C, query.shape[1] * query.shape[2], U * V * n
    (Cv, YX, _), Ry, Rx = sums.channels, (U - H) // 2, (V - W) // 2
    q, t, none, band = pointer(query), pointer(block), pointer(absent), pointer(buffer)
    out, scales = at(band, begin[S]), logit_scales(False, unit)
    for b in range(W):
        for u in range(U):
            before, inner = band, -1
            q_row, t_row = at(q, u * (V + 1) + b + Rx), at(t, (u * V + b + Rx) * n)
            for s in range(S):
                down, right = Ry - kh[s] // 2, Rx - kw[s] // 2
                step = u - down
                wanted = 0 <= step < H + kh[s] - 1
                sums_here = at(band, begin[s] + (step % kh[s] if wanted else kh[s] + 1) * n)
                _widen(q_row, t_row, channels, inner, kw[s] // 2, n, before, sums_here)
                before, inner = sums_here, kw[s] // 2
                if not wanted:
                    continue
                a = step - kh[s] + 1
                ready, top = row_logits(step, kh[s], at(band, begin[s]), n, at(band, begin[s] + kh[s] * n),
                                        at(none, (a * W + b) * n), scales, n, out)
                if ready:
                    measured = Measure(sums.measure.query, sums.measure.block, sums.measure.shape, (kh[s], kw[s]), unit)
                    own = Sums(at(sums.peak, s * YX), at(sums.mass, s * YX), at(sums.total, s * Cv * YX), sums.values,
                               sums.channels, sums.negligible, sums.far, measured)
                    place = a + down, b + right, a + down, b + right
                    absorb(own, out, top, n, place, a * W + b, (a * W + b) * n)


@by_dtype
def scan_scales(stop, order, queries, training, geometry, sizes, negligible, peaks, masses, totals):
    """`posterior.scan` for every window of `sizes`, of the training pixels themselves, where candidates are only those
    at a pixel's own place.

    geometry: of the largest window      sizes: (kh (S,), kw (S,)), odd, the smallest first
    peaks, masses (B, S, Y, X), totals (B, S, Cv, Y, X): empty states on entry; peaks are left in powers of two
    """
    windows, (blocks, _, index), (kh, kw), n = queries.windows, training, sizes, training.blocks.shape[4]
    space = make_workspace(windows.shape[1], blocks.shape[1:4], n, geometry, windows.dtype)
    begin = np.zeros(kh.size + 1, np.int64)  # of each size's rows: kh of them, the sum of a band, and an idle one
    for s in range(kh.size):
        begin[s + 1] = begin[s] + (kh[s] + 2) * n
    buffer, far = aligned(begin[-1] + n, windows.dtype), far_below(False, windows.itemsize)
    for m in order:
        if not load_block(space, blocks[m], blocks[m], index[m], -1, geometry, False):
            continue
        for b in range(windows.shape[0]):
            if stop[0]:
                return
            unit = queries.precision[b] * LOG2E
            sums = sums_of(peaks[b, 0], masses[b, 0], totals[b, 0], space.values, negligible, far,
                           measure(queries.exact[b], space.block, (1, 1), unit))
            _sweep(windows[b], space.block, space.absent, kh, kw, unit, begin, buffer, sums)
