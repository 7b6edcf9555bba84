"""The one streaming softmax: state (peak, mass, total) per output value, merged without order or overflow.

peak = largest logit seen, mass = sum exp(logit - peak), total = sum exp(logit - peak) value; all float64. Any machine's
posterior mean is total / mass, its log normaliser peak + log(mass). An empty state has peak = -inf, mass = total = 0.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def _rescale(peak, new_peak):
    """exp(peak - new_peak) for new_peak >= peak, and 0 for an empty state (peak = -inf)."""
    return 0.0 if peak == -np.inf else np.exp(peak - new_peak)


@njit(cache=True)
def merge_states(peaks, masses, totals, peak, mass, total):
    """Merge P partial states, in order: (P, B, Y, X), (P, B, Y, X), (P, B, Cv, Y, X) -> the same without P."""
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
                for p in range(P):
                    factor = _rescale(peaks[p, b, y, x], top)
                    mass[b, y, x] += factor * masses[p, b, y, x]
                    for c in range(total.shape[1]):
                        total[b, c, y, x] += factor * totals[p, b, c, y, x]


@njit(cache=True)
def raise_peak(peak, top, mass, total):
    """Bring a state (Y, X), (Y, X), (Cv, Y, X) to the peak `top` (Y, X) where that is higher."""
    Y, X = peak.shape
    for y in range(Y):
        for x in range(X):
            if top[y, x] > peak[y, x]:
                factor = _rescale(peak[y, x], top[y, x])
                peak[y, x] = top[y, x]
                mass[y, x] *= factor
                for c in range(total.shape[0]):
                    total[c, y, x] *= factor


@njit(cache=True)
def add_lanes(lane_mass, lane_total, present, first, last, mass, total):
    """Add a block's sums, taken relative to the state's own peak, over the lanes present: rows first, ..., last - 1."""
    for y in range(first, last):
        for x in range(mass.shape[1]):
            for j in range(present.shape[0]):
                if present[j]:
                    mass[y, x] += lane_mass[y, x, j]
                    for c in range(total.shape[0]):
                        total[c, y, x] += lane_total[c, y, x, j]
