"""The one streaming softmax: state (peak, mass, total, energy) per output value, merged without order or overflow.

With w = exp(logit - peak), peak the largest logit seen: mass = sum w, total = sum w value, and, where it is kept,
energy = (sum w log w over candidates, sum w log w over images, w being all of an image's candidates together).
State float64. The posterior mean is total / mass, the log normaliser peak + log(mass), an entropy
log(mass) - energy / mass. An empty state has peak = -inf, the rest 0.

While a scan goes on logits and peaks are in powers of two; `merge_states` has them in nats.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from theory._kernels.cache import compiled
from theory._kernels.nearest import collect, distance, limit_in_float32
from theory._kernels.numerics import FLOAT32_ERROR
from theory._kernels.vector import (
    any_above,
    at,
    exp2,
    fma,
    item,
    lanes,
    larger,
    load,
    pointer,
    put,
    splat,
    store,
    zeros,
)
from theory._kernels.vector import total as across

LN2 = 0.6931471805599453

Sums = namedtuple("Sums", "peak mass total values channels negligible far measure")
"""Pointers to peak, mass (Y, X), total (Cv, Y, X), and to the block's values (Cv, H, W, n); channels: Cv, Y * X,
H * W * n; negligible: powers of two below the peak at which candidates may be left out; far: the peak below which
candidates are measured again in float64, by `measure`, -inf where the logits are good at any distance."""

RankedState = namedtuple("RankedState", "sums lists energy image_mass done lanes")
"""Sums with the nearest candidates (`nearest.Lists`), and pointers for the entropies: energy (2, Y, X); image_mass
(Y, X, n), of the images of the block; done (Y, X), the mass of the blocks before; lanes: n."""

ImageSums = namedtuple("ImageSums", "peak mass total energy values")
"""Sums for each image of the block by itself: peak, mass (Y, X, n), total (Cv, Y, X, n), energy (Y or 0, X, n)."""


@compiled
def merge_states(peaks, masses, totals, energies, peak, mass, total, energy):
    """Merge P partial states, in order: (P, B, Y, X), (P, B, Y, X), (P, B, Cv, Y, X), (P, B, E, Y, X) -> without P."""
    P, B, Y, X = peaks.shape
    for b in range(B):
        for y in range(Y):
            for x in range(X):
                top = -np.inf
                for p in range(P):
                    top = max(top, peaks[p, b, y, x])
                peak[b, y, x] = top
                mass[b, y, x] = 0.0
                total[b, :, y, x] = 0.0
                energy[b, :, y, x] = 0.0
                for p in range(P):
                    fall = peaks[p, b, y, x] - top
                    if fall == -np.inf:
                        continue
                    factor = np.exp(fall)
                    mass[b, y, x] += factor * masses[p, b, y, x]
                    for c in range(total.shape[1]):
                        total[b, c, y, x] += factor * totals[p, b, c, y, x]
                    for e in range(energy.shape[1]):
                        energy[b, e, y, x] += factor * (energies[p, b, e, y, x] + fall * masses[p, b, y, x])


@njit
def _weigh(logits, reference, negligible, values, L):
    """(sum w, sum w value) of a row, w = 2^(logit - reference), less pairs of vectors with negligible weights only."""
    step, least, reference = lanes(logits), splat(logits, reference - negligible), splat(logits, reference)
    m0, m1, t0, t1 = zeros(logits), zeros(logits), zeros(logits), zeros(logits)
    for j in range(0, L, 2 * step):
        l0, l1 = load(logits, j), load(logits, j + step)
        if any_above(larger(l0, l1), least):
            w0, w1 = exp2(l0 - reference), exp2(l1 - reference)
            m0, m1 = m0 + w0, m1 + w1
            t0, t1 = fma(w0, load(values, j), t0), fma(w1, load(values, j + step), t1)
    return across(m0 + m1), across(t0 + t1)


@njit
def _weights(logits, reference, L):
    """Put the weights in place of the logits; returns their sum."""
    step, reference, mass = lanes(logits), splat(logits, reference), zeros(logits)
    for j in range(0, L, step):
        w = exp2(load(logits, j) - reference)
        store(logits, j, w)
        mass = mass + w
    return across(mass)


@njit
def _inner(a, b, L):
    """sum of a b."""
    step, s = lanes(a), zeros(a)
    for j in range(0, L, step):
        s = fma(load(a, j), load(b, j), s)
    return across(s)


@njit(forceinline=True)
def raise_peak(sums, top, pixel):
    """Bring the state of a pixel to the peak `top`, if that is higher; returns the peak."""
    peak = item(sums.peak, pixel)
    if top <= peak:
        return peak
    factor = 2.0 ** (peak - top)
    put(sums.mass, pixel, factor * item(sums.mass, pixel))
    Cv, next_total, _ = sums.channels
    for c in range(Cv):
        place = c * next_total + pixel
        put(sums.total, place, factor * item(sums.total, place))
    put(sums.peak, pixel, top)
    return float(top)


@njit
def remeasure_float64(sums, logits, top, peak, L, row):
    """Measure in float64, one by one, those of a row that may count, for a query far from every candidate.

    Return (reference, the largest logit of the row); what is left in `logits` is relative to the reference, and -inf
    where it does not count. Nothing is concluded from a float32 logit without the width of its error, for far away that
    is many powers of two. top: the largest of the row in float32      peak: the state's, of what came before, float64
    """
    a, b, a2, b2 = row
    measure, largest_yet = sums.measure, -np.inf
    n = measure.shape[3]
    reference = max(peak, (1.0 + FLOAT32_ERROR) * top)  # the peak will not be below this
    least = (reference - sums.negligible) / (1.0 - FLOAT32_ERROR)
    if not (top > -np.inf and top >= least):
        return 0.0, -np.inf
    for j in range(L):
        if item(logits, j) >= least:
            logit = -measure.unit * distance(measure, a, b, a2, b2 + j // n, j % n)
            largest_yet = max(largest_yet, logit)
            put(logits, j, logit - reference)
        else:
            put(logits, j, -np.inf)
    return reference, largest_yet


@njit(forceinline=True)
def absorb(sums, logits, top, L, row, pixel, candidate):
    """Add a row of candidates to the state of a pixel; `row` is (a, b, a2, b2), pixel and candidate their places."""
    old, reference = item(sums.peak, pixel), 0.0
    if max(top, old) < sums.far:
        reference, top = remeasure_float64(sums, logits, top, old, L, row)
    if not top > old - sums.negligible:
        return
    peak = raise_peak(sums, top, pixel) - reference
    Cv, next_total, next_values = sums.channels
    if Cv == 1:
        mass, weighted = _weigh(logits, peak, sums.negligible, at(sums.values, candidate), L)
        put(sums.mass, pixel, item(sums.mass, pixel) + mass)
        put(sums.total, pixel, item(sums.total, pixel) + weighted)
    else:
        put(sums.mass, pixel, item(sums.mass, pixel) + _weights(logits, peak, L))
        _add_values(sums, logits, L, pixel, candidate, 0)


@njit
def _add_values(sums, weights, L, pixel, candidate, first):
    """total += sum w value, in each channel from the first on."""
    Cv, next_total, next_values = sums.channels
    for c in range(first, Cv):
        place = c * next_total + pixel
        weighted = _inner(weights, at(sums.values, c * next_values + candidate), L)
        put(sums.total, place, item(sums.total, place) + weighted)


@njit(forceinline=True)
def absorb_ranked(ranked, logits, top, L, row, pixel, candidate):
    """`absorb`, keeping the nearest candidates and the entropies too."""
    sums = ranked.sums
    if top > limit_in_float32(ranked.lists, item(ranked.lists.limit, pixel)):
        collect(ranked.lists, logits, L, row, pixel)
    old, reference = item(sums.peak, pixel), 0.0
    if max(top, old) < sums.far:
        reference, top = remeasure_float64(sums, logits, top, old, L, row)
    if not top > old - sums.negligible:
        return
    if top > old:
        _lower_energies(ranked, (old - top) * LN2, pixel)
    peak = raise_peak(sums, top, pixel) - reference
    mass, energy, weighted = _weigh_by_image(ranked, logits, peak, at(sums.values, candidate), L, pixel)
    put(sums.mass, pixel, item(sums.mass, pixel) + mass)
    put(ranked.energy, pixel, item(ranked.energy, pixel) + LN2 * energy)
    put(sums.total, pixel, item(sums.total, pixel) + weighted)
    if sums.channels[0] > 1:
        _add_values(sums, logits, L, pixel, candidate, 1)


@njit
def _lower_energies(ranked, fall, pixel):
    """Bring the energies of a pixel to a peak that is -fall nats higher."""
    if fall == -np.inf:
        return
    factor, over_images = np.exp(fall), ranked.sums.channels[1] + pixel
    done = item(ranked.done, pixel)
    put(ranked.energy, pixel, factor * (item(ranked.energy, pixel) + fall * item(ranked.sums.mass, pixel)))
    put(ranked.energy, over_images, factor * (item(ranked.energy, over_images) + fall * done))
    put(ranked.done, pixel, factor * done)
    for i in range(pixel * ranked.lanes, (pixel + 1) * ranked.lanes):
        put(ranked.image_mass, i, factor * item(ranked.image_mass, i))


@njit
def _weigh_by_image(ranked, logits, reference, values, L, pixel):
    """(sum w, sum w log2 w, sum w value) of a row; adds to each image's mass, and leaves w in place for more values."""
    n, step, keep = ranked.lanes, lanes(logits), ranked.sums.channels[0] > 1
    least, reference = splat(logits, reference - ranked.sums.negligible), splat(logits, reference)
    smallest, nothing = splat(logits, -2000.0), zeros(logits)
    mass, e0, e1, t0, t1 = nothing, nothing, nothing, nothing, nothing
    for i in range(0, n, 2 * step):
        m0, m1 = nothing, nothing
        for j in range(i, L, n):
            l0, l1 = load(logits, j), load(logits, j + step)
            w0, w1 = nothing, nothing
            if any_above(larger(l0, l1), least):
                l0, l1 = larger(l0 - reference, smallest), larger(l1 - reference, smallest)
                w0, w1 = exp2(l0), exp2(l1)
                m0, m1 = m0 + w0, m1 + w1
                e0, e1 = fma(w0, l0, e0), fma(w1, l1, e1)
                t0, t1 = fma(w0, load(values, j), t0), fma(w1, load(values, j + step), t1)
            if keep:
                store(logits, j, w0)
                store(logits, j + step, w1)
        masses = at(ranked.image_mass, pixel * n + i)
        store(masses, 0, load(masses, 0) + m0)
        store(masses, step, load(masses, step) + m1)
        mass = mass + (m0 + m1)
    return across(mass), across(e0 + e1), across(t0 + t1)


@njit
def finish_block(ranked, outputs):
    """The images of the block are complete: add them to the entropy over images, and begin with others."""
    for pixel in range(outputs):
        energy = 0.0
        for i in range(pixel * ranked.lanes, (pixel + 1) * ranked.lanes):
            w = float(item(ranked.image_mass, i))
            if w > 0.0:
                energy += w * np.log(w)
            put(ranked.image_mass, i, 0.0)
        put(ranked.energy, outputs + pixel, item(ranked.energy, outputs + pixel) + energy)
        put(ranked.done, pixel, item(ranked.sums.mass, pixel))


@njit
def absorb_by_image(sums, logits, top, L, row, pixel, candidate):
    """Add a row of candidates to the states that each image has by itself."""
    Y, X, n = sums.peak.shape
    Cv, next_values = sums.total.shape[0], sums.values.shape[1] * sums.values.shape[2] * n
    log_two, smallest = splat(logits, LN2), splat(logits, -2000.0)
    peaks, masses = at(pointer(sums.peak), pixel * n), at(pointer(sums.mass), pixel * n)
    energies, energetic = at(pointer(sums.energy), pixel * n), sums.energy.shape[0] > 0
    for i in range(0, n, lanes(logits)):
        old = load(peaks, i)
        peak = old
        for j in range(i, L, n):
            peak = larger(load(logits, j), peak)
        fall = larger(old - peak, smallest)
        factor, mass, energy = exp2(fall), load(masses, i), zeros(logits)
        if energetic:
            energy = factor * (load(energies, i) + fall * log_two * mass)
        mass = factor * mass
        for j in range(i, L, n):
            log = larger(load(logits, j) - peak, smallest)
            w = exp2(log)
            mass = mass + w
            if energetic:
                energy = fma(w, log * log_two, energy)
            store(logits, j, w)
        store(peaks, i, peak)
        store(masses, i, mass)
        if energetic:
            store(energies, i, energy)
        for c in range(Cv):
            totals = at(pointer(sums.total), (c * Y * X + pixel) * n + i)
            values = at(pointer(sums.values), c * next_values + candidate)
            weighted = factor * load(totals, 0)
            for j in range(i, L, n):
                weighted = fma(load(logits, j), load(values, j), weighted)
            store(totals, 0, weighted)
