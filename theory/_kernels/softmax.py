"""The one streaming softmax: state (peak, mass, total) per output value, merged without order or overflow.

peak = largest logit seen, mass = sum exp(logit - peak), total = sum exp(logit - peak) value; all float64. Any machine's
posterior mean is total / mass, its log normaliser peak + log(mass). An empty state has peak = -inf, mass = total = 0.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def rescale(peak, new_peak):
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
                    factor = rescale(peaks[p, b, y, x], top)
                    mass[b, y, x] += factor * masses[p, b, y, x]
                    for c in range(total.shape[1]):
                        total[b, c, y, x] += factor * totals[p, b, c, y, x]


@njit(cache=True)
def absorb_block(smallest, lane_mass, lane_total, precision, index, left_out, peak, mass, total):
    """Add one block's images to a state: (Y, X, n), (Y, X, n), (Cv, Y, X, n) into (Y, X), (Y, X), (Cv, Y, X).

    index (n,): the image of each lane, -1 where there is none; left_out: an image to pass over, or -1.
    """
    Y, X, n = smallest.shape
    for y in range(Y):
        for x in range(X):
            top = peak[y, x]
            for j in range(n):
                if index[j] >= 0 and index[j] != left_out:
                    top = max(top, -smallest[y, x, j] * precision)
            if top == -np.inf:
                continue
            factor = rescale(peak[y, x], top)
            peak[y, x] = top
            mass[y, x] *= factor
            for c in range(total.shape[0]):
                total[c, y, x] *= factor
            for j in range(n):
                if index[j] >= 0 and index[j] != left_out:
                    w = np.exp(-smallest[y, x, j] * precision - top)
                    if w > 0.0:
                        mass[y, x] += w * lane_mass[y, x, j]
                        for c in range(total.shape[0]):
                            total[c, y, x] += w * lane_total[c, y, x, j]
