"""Mean and variance from one scan: first and second moment of the values, about a centre of each output's own.

Where a posterior is sharp, E[v^2] - E[v]^2 would cancel; about a centre near the candidates, such as the query's own
pixel, both terms are as small as the variance.
"""

from collections import namedtuple

from numba import njit

from theory._kernels.cache import by_dtype
from theory._kernels.nearest import measure
from theory._kernels.softmax import _weights, raise_peak, remeasure_float64
from theory._kernels.vector import at, fma, item, lanes, load, pointer, put, splat, zeros
from theory._kernels.vector import total as across
from theory._kernels.window import sweeping
from theory._kernels.workspace import far_below, load_block, logit_scales, make_buffers, make_workspace, sums_of

LOG2E = 1.4426950408889634

Moments = namedtuple("Moments", "sums centre")
"""Sums whose total holds sum w (v - centre) of the Cv channels, then sum w (v - centre)^2 of them; centre: pointer to
(Cv, Y, X)."""


@njit
def _about(weights, values, centre, L):
    """(sum w (v - centre), sum w (v - centre)^2) of a row."""
    step, centre, first, second = lanes(weights), splat(weights, centre), zeros(weights), zeros(weights)
    for j in range(0, L, step):
        d = load(values, j) - centre
        weighted = load(weights, j) * d
        first, second = first + weighted, fma(weighted, d, second)
    return across(first), across(second)


@njit(forceinline=True)
def absorb_moments(moments, logits, top, L, row, pixel, candidate):
    """Add a row of candidates to the moments of a pixel, as `softmax.absorb` does."""
    sums = moments.sums
    old, reference = item(sums.peak, pixel), 0.0
    if max(top, old) < sums.far:
        reference, top = remeasure_float64(sums, logits, top, old, L, row)
    if not top > old - sums.negligible:
        return
    peak = raise_peak(sums, top, pixel) - reference
    put(sums.mass, pixel, item(sums.mass, pixel) + _weights(logits, peak, L))
    channels, next_total, next_values = sums.channels
    Cv = channels // 2
    for c in range(Cv):
        place = c * next_total + pixel
        first, second = _about(logits, at(sums.values, c * next_values + candidate), item(moments.centre, place), L)
        put(sums.total, place, item(sums.total, place) + first)
        place += Cv * next_total
        put(sums.total, place, item(sums.total, place) + second)


_sweep_moments = sweeping(absorb_moments)


@by_dtype
def scan_moments(stop, order, queries, training, geometry, left_out, negligible, centres, peaks, masses, totals):
    """`posterior.scan`, of first and second moments about centres (B, Cv, Y, X): totals (B, 2 Cv, Y, X)."""
    windows, (blocks, values, index), products = queries.windows, training, queries.products
    n = blocks.shape[4]
    space = make_workspace(windows.shape[1], values.shape[1:4], n, geometry, windows.dtype)
    buffers = make_buffers(n, geometry, windows.dtype)
    size, X = (geometry.height, geometry.width), peaks.shape[2]
    far = far_below(products, windows.itemsize)
    for m in order:
        if not load_block(space, blocks[m], values[m], index[m], left_out, geometry, products):
            continue
        for b in range(windows.shape[0]):
            if stop[0]:
                return
            unit = queries.precision[b] * LOG2E
            sums = sums_of(peaks[b], masses[b], totals[b], space.values, negligible, far,
                           measure(queries.exact[b], space.block, size, unit))
            _sweep_moments(windows[b], space.block, space.norms if products else space.absent, geometry, X, products,
                           logit_scales(products, unit), buffers, Moments(sums, pointer(centres[b])))
