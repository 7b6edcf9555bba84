"""Scans far from every candidate for the noise, where float64 distances round by a weight: those that count, exactly.

At a distance d the rounding of d, 2^-53 d, is a factor of 2^(unit 2^-53 d) of a weight. Where that matters a float64
scan only says which candidates may count. They are measured in double-double, a sum of two float64 with 2^-104 between
their error and the number [Dekker 1971], and compared by the differences of their distances.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from theory._kernels.cache import compiled
from theory._kernels.nearest import measure
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import LN2
from theory._kernels.vector import item
from theory._kernels.window import sweeping
from theory._kernels.workspace import load_block, logit_scales, make_buffers, make_workspace

SPLIT = 134217729.0  # 2^27 + 1: halves of a float64 whose products are exact

LEAST_FALL = -1000.0
"""Powers of two below the nearest candidate at which a weight is 0 in any sum."""

FarSums = namedtuple("FarSums", "least near mass total energy image_mass done keys sources images values measure")
"""Of one query: least (Y, X), the float64 logit from which candidates are measured, infinite for a pixel that needs
none; near (2, Y, X), the smallest distance, its two parts; mass (Y, X), total (Cv, Y, X), energy (2, Y, X) relative to
it; image_mass (Y, X, n), done (Y, X): as in `softmax.RankedState`; keys (2, Y, X, K), sources (Y, X, K, 3): the nearest
by name; images (n,), values (Cv, Hv, Wv, n), measure: of the block."""


@njit
def _two_sum(a, b):
    """(s, e) with s + e = a + b exactly."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@njit
def _square(a):
    """(p, e) with p + e = a^2 exactly."""
    p, t = a * a, SPLIT * a
    high = t - (t - a)
    low = a - high
    return p, ((high * high - p) + 2.0 * high * low) + low * low


@njit
def _add_square(high, low, q, t):
    """high + low + (q - t)^2."""
    e, rest = _two_sum(q, -t)
    p, error = _square(e)
    high, lost = _two_sum(high, p)
    return high, low + (lost + (error + rest * (2.0 * e + rest)))


@njit
def distance(measure, a, b, a2, b2, j):
    """|window of the query at (a, b) - window of image j at (a2, b2)|^2, in two parts."""
    C, U, V, n = measure.shape
    high, low = 0.0, 0.0
    for c in range(C):
        for u in range(measure.size[0]):
            q, t = (c * U + a + u) * (V + 1) + b, ((c * U + a2 + u) * V + b2) * n + j
            for v in range(measure.size[1]):
                high, low = _add_square(high, low, item(measure.query, q + v), item(measure.block, t + v * n))
    return _two_sum(high, low)


@njit
def _nearer(far, fall, a, b):
    """Bring the state of a pixel to a candidate that is nearer by fall < 0 powers of two."""
    factor = 2.0**fall
    if far.mass[a, b] > 0.0:
        far.energy[0, a, b] = factor * (far.energy[0, a, b] + LN2 * fall * far.mass[a, b])
        far.energy[1, a, b] = factor * (far.energy[1, a, b] + LN2 * fall * far.done[a, b])
    far.mass[a, b] *= factor
    far.done[a, b] *= factor
    far.total[:, a, b] *= factor
    far.image_mass[a, b] *= factor


@njit
def _rank(far, high, low, a, b, a2, b2, lane):
    """Put a candidate into the sorted list of a pixel, behind its equals."""
    keys, rest, sources = far.keys[0, a, b], far.keys[1, a, b], far.sources[a, b]
    k = keys.shape[0] - 1
    if k < 0 or not (high < keys[k] or (high == keys[k] and low < rest[k])):
        return
    while k > 0 and (keys[k - 1] > high or (keys[k - 1] == high and rest[k - 1] > low)):
        keys[k], rest[k] = keys[k - 1], rest[k - 1]
        sources[k] = sources[k - 1]
        k -= 1
    keys[k], rest[k] = high, low
    sources[k, 0], sources[k, 1], sources[k, 2] = far.images[lane], a2, b2


@njit
def absorb_far(far, logits, top, L, row, pixel, candidate):
    """Add those of a row of candidates that may count to the state of a pixel, measured exactly."""
    a, b, a2, b2 = row
    least, n = far.least[a, b], far.images.shape[0]
    if not (top > -np.inf and top >= least):
        return
    Cv, flat = far.total.shape[0], far.values.reshape((far.values.shape[0], -1))
    for j in range(L):
        if not (item(logits, j) >= least and far.images[j % n] >= 0):
            continue
        high, low = distance(far.measure, a, b, a2, b2 + j // n, j % n)
        _rank(far, high, low, a, b, a2, b2 + j // n, j % n)
        fall = -np.inf
        if far.near[0, a, b] < np.inf:
            fall = far.measure.unit * ((high - far.near[0, a, b]) + (low - far.near[1, a, b]))
        if fall < 0.0:
            _nearer(far, fall, a, b)
            far.near[0, a, b], far.near[1, a, b] = high, low
            fall = 0.0
        if -fall < LEAST_FALL:
            continue
        w = 2.0**-fall
        far.mass[a, b] += w
        far.energy[0, a, b] -= w * LN2 * fall
        far.image_mass[a, b, j % n] += w
        for c in range(Cv):
            far.total[c, a, b] += w * flat[c, candidate + j]


@njit
def _finish_block(far):
    """The images of the block are complete: add them to the entropy over images."""
    Y, X, n = far.image_mass.shape
    for a in range(Y):
        for b in range(X):
            for j in range(n):
                w = far.image_mass[a, b, j]
                if w > 0.0:
                    far.energy[1, a, b] += w * np.log(w)
                far.image_mass[a, b, j] = 0.0
            far.done[a, b] = far.mass[a, b]


_sweep_far = sweeping(absorb_far)


@compiled
def scan_far(stop, order, queries, training, geometry, left_out, least, nears, masses, totals, energies, keys, sources):
    """States of the pixels that are far from every candidate, with the K nearest by name; see `FarSums`.

    queries: float64, by squares      least (B, Y, X)      nears, keys: their two parts, (B, 2, ...), infinite on entry;
    masses (B, Y, X), totals (B, Cv, Y, X), energies (B, 2, Y, X): 0 on entry; sources (B, Y, X, K, 3)
    """
    windows, (blocks, values, index) = queries.windows, training
    n, (B, Y, X) = blocks.shape[4], masses.shape
    space = make_workspace(windows.shape[1], values.shape[1:4], n, geometry, np.float64)
    buffers = make_buffers(n, geometry, np.float64)
    size, image_mass, done = (geometry.height, geometry.width), np.zeros((Y, X, n)), np.zeros((B, Y, X))
    for m in order:
        if not load_block(space, blocks[m], values[m], index[m], left_out, geometry, False):
            continue
        for b in range(B):
            if stop[0]:
                return
            unit = queries.precision[b] * LOG2E
            far = FarSums(least[b], nears[b], masses[b], totals[b], energies[b], image_mass, done[b], keys[b],
                          sources[b], space.images, space.values, measure(queries.exact[b], space.block, size, unit))
            _sweep_far(windows[b], space.block, space.absent, geometry, X, False, logit_scales(False, unit), buffers,
                       far)
            _finish_block(far)


@compiled
def distances_far(x, others, out):
    """out[:, i] = the two parts of |x - others[i]|^2, x (D,), others (N, D), float64; out (2, N)."""
    for i in range(others.shape[0]):
        high, low = 0.0, 0.0
        for d in range(x.shape[0]):
            high, low = _add_square(high, low, x[d], others[i, d])
        out[0, i], out[1, i] = _two_sum(high, low)
