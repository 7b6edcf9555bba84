"""Posterior mean and variance of every output value, from one scan (`_kernels/moments.py`)."""

from __future__ import annotations

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.moments import scan_moments
from theory._kernels.numerics import CHUNKS
from theory.engine.bank import Bank
from theory.engine.chunks import run_in_threads
from theory.engine.geometry import Axis
from theory.engine.posterior import _geometry, _queries, _training, is_large
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Posterior, merge_stacked

drop_stale([*scan_moments.values()])


def moments(x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
            centre: np.ndarray, values: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (B, Cv, Y, X) of `values` under the posterior of `engine.posterior.posterior`.

    centre (B, Cv, Y, X): about which the moments are summed, near the candidates that count
    """
    training, geometry = _training(bank, values), _geometry(rows, cols)
    large = is_large(x, bank, request, rows, cols)
    mean, variance = np.empty(centre.shape), np.empty(centre.shape)
    B, Cv, *outputs = centre.shape
    for chosen, queries in _queries(x, sigma, bank, large, rows, cols):
        own, count = np.ascontiguousarray(centre[chosen]), len(chosen)
        peak, mass = np.full((CHUNKS, count, *outputs), -np.inf), np.zeros((CHUNKS, count, *outputs))
        total = np.zeros((CHUNKS, count, 2 * Cv, *outputs))
        inputs = queries, training, geometry, request.left_out, request.log2_cutoff, own
        run_in_threads(scan_moments[queries.windows.dtype], request.order, inputs, (peak, mass, total))
        peak *= np.log(2.0)
        first, second = np.split(merge_stacked(Posterior(peak, mass, total, total[:, :, :0])).mean, 2, axis=1)
        mean[chosen], variance[chosen] = own + first, np.maximum(second - first**2, 0.0)
    return mean, variance
