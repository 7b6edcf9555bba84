"""The one streaming softmax: state (peak, mass, total, energy) per output value, merged without order or overflow.

With w = exp(logit - peak), peak the largest logit seen: mass = sum w, total = sum w value, and, where it is kept,
energy = (sum w log w over candidates, sum w log w over images, w being all of an image's candidates together).
All float64. The posterior mean is total / mass, the log normaliser peak + log(mass), an entropy
log(mass) - energy / mass. An empty state has peak = -inf, the rest 0.
"""

import numpy as np
from numba import njit


@njit(cache=True)
def merge_states(peaks, masses, totals, energies, peak, mass, total, energy):
    """Merge P partial states, in order: (P, B, Y, X), (P, B, Y, X), (P, B, Cv, Y, X), (P, B, E, Y, X) -> without P."""
    P, B = peaks.shape[:2]
    peak[:] = -np.inf
    mass[:] = 0.0
    total[:] = 0.0
    energy[:] = 0.0
    for b in range(B):
        for p in range(P):
            raise_peak(peak[b], peaks[p, b], mass[b], total[b], energy[b])
            raise_peak(peaks[p, b], peak[b], masses[p, b], totals[p, b], energies[p, b])
            mass[b] += masses[p, b]
            total[b] += totals[p, b]
            energy[b] += energies[p, b]


@njit(cache=True)
def raise_peak(peak, top, mass, total, energy):
    """Bring a state (Y, X), (Y, X), (Cv, Y, X), (E, Y, X) to the peak `top` (Y, X) where that is higher."""
    Y, X = peak.shape
    for y in range(Y):
        for x in range(X):
            if top[y, x] > peak[y, x]:
                if peak[y, x] > -np.inf:
                    fall = peak[y, x] - top[y, x]
                    factor = np.exp(fall)
                    for e in range(energy.shape[0]):
                        energy[e, y, x] = factor * (energy[e, y, x] + fall * mass[y, x])
                    for c in range(total.shape[0]):
                        total[c, y, x] *= factor
                    mass[y, x] *= factor
                peak[y, x] = top[y, x]


@njit(cache=True)
def add_lanes(lane_mass, lane_total, lane_energy, present, first, last, mass, total, energy):
    """Add a block's sums, taken relative to the state's own peak, over the lanes present: rows first, ..., last - 1."""
    for y in range(first, last):
        for x in range(mass.shape[1]):
            for j in range(present.shape[0]):
                if present[j]:
                    w = lane_mass[y, x, j]
                    mass[y, x] += w
                    for c in range(total.shape[0]):
                        total[c, y, x] += lane_total[c, y, x, j]
                    if energy.shape[0] > 0 and w > 0.0:
                        energy[0, y, x] += lane_energy[y, x, j]
                        energy[1, y, x] += w * np.log(w)
