"""Far from every candidate for the noise: sums and lists measured again in double-double (`_kernels/far.py`)."""

from __future__ import annotations

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.far import distances_far, scan_far
from theory._kernels.numerics import CHUNKS, FLOAT64_ERROR, FLOAT64_LOGIT, NEGLIGIBLE
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import LN2
from theory._kernels.workspace import Geometry, Queries, Training
from theory.engine.chunks import run_in_threads
from theory.engine.softmax import Nearest, Posterior, arrays, merged_by_distance

drop_stale([scan_far, distances_far])


def measure_exactly(queries: Queries, training: Training, geometry: Geometry, left_out: int, order: np.ndarray,
                 sums: Posterior, nearest: Nearest) -> None:
    """Put exact sums and lists in place of those of the pixels for which float64 distances are not good enough."""
    far = sums.peak < -FLOAT64_LOGIT * LN2
    some = np.flatnonzero(far.any(axis=(1, 2)))
    if not len(some):
        return
    K, unit = nearest.key.shape[3], LOG2E * queries.precision[some, None, None]
    last = nearest.key[some, ..., K - 1] if K else np.zeros_like(sums.peak[some])
    reach = np.maximum(-sums.peak[some] * LOG2E + NEGLIGIBLE, unit * last)
    least = np.where(far[some], -(1.0 + FLOAT64_ERROR) * reach, np.inf)
    exact = queries.exact[some]
    asked = Queries(exact, exact, queries.precision[some], False, 0.0 * queries.base[some])
    shape, Cv = (CHUNKS, *least.shape), sums.total.shape[1]
    near, keys = (np.stack([np.full(size, np.inf), np.zeros(size)], axis=2) for size in (shape, (*shape, K)))
    mass, total, energy = (np.zeros((*shape[:2], *size, *shape[2:])) for size in ((), (Cv,), (2,)))
    sources = np.full((*shape, K, 3), -1)
    states = near, mass, total, energy, keys, sources
    run_in_threads(scan_far, order, (asked, training, geometry, left_out, least), states)
    parts = Posterior(np.zeros(shape), mass, total, energy[:, :, : sums.energy.shape[1]])
    merged = merged_by_distance(parts, near[:, :, 0], near[:, :, 1], queries.precision[some, None, None])
    lists = Nearest(keys[:, :, 0], sources, keys[:, :, 1]).merged()
    b, y, x = np.nonzero(far[some])
    for whole, part in zip(arrays(sums), arrays(merged)):
        whole[(some[b], *(slice(None),) * (whole.ndim - 3), y, x)] = part[(b, *(slice(None),) * (part.ndim - 3), y, x)]
    for whole, part in zip(arrays(nearest), arrays(lists)):
        whole[some[b], y, x] = part[b, y, x]
