"""Expected windows, each pasted where its output lies (`_kernels/paste.py`): gradients, and overlapping patches."""

from __future__ import annotations

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.numerics import CHUNKS
from theory._kernels.paste import scan_paste
from theory._kernels.softmax import LN2
from theory.engine.bank import Bank
from theory.engine.chunks import run_in_threads
from theory.engine.geometry import Axis
from theory.engine.posterior import _geometry, _queries, _training, is_large
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Posterior

drop_stale([*scan_paste.values()])


def paste(x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis, sums: Posterior,
          constant: np.ndarray, slope: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """sum over outputs o and candidates c of w_oc (constant_o + slope_o . (v_c - mean_o)) u_c(p), (B, C, H, W) like x.

    sums: the softmax sums of the same x, sigma, bank, request, axes and values
    constant (B, Y, X), slope (B, Cv, Y, X); Cv may be 0
    """
    training, geometry = _training(bank, values), _geometry(rows, cols)
    large = is_large(x, bank, request, rows, cols)
    pasted = np.zeros(x.shape)
    for chosen, queries in _queries(x, sigma, bank, large, rows, cols):
        peak = sums.peak[chosen] / LN2 + queries.base
        own = peak, peak + np.log2(sums.mass[chosen]), constant[chosen], slope[chosen], sums.mean[chosen]
        total = np.zeros((CHUNKS, *queries.exact.shape))
        inputs = (queries, training, geometry, request.left_out, request.log2_cutoff,
                  *map(np.ascontiguousarray, own))
        run_in_threads(scan_paste[queries.windows.dtype], request.order, inputs, (total,))
        pasted[chosen] = unpadded(total.sum(axis=0)[..., :-1], rows, cols, x.shape[2:])
    return pasted


def unpadded(padded: np.ndarray, rows: Axis, cols: Axis, shape: tuple[int, int]) -> np.ndarray:
    """padded (B, C, U, V) -> (B, C, H, W): each pixel the sum of the places that it was padded to."""
    for axis, index, length in ((3, cols.query_index, shape[1]), (2, rows.query_index, shape[0])):
        inside = index >= 0
        sums = np.zeros((length, *np.moveaxis(padded, axis, 0).shape[1:]))
        np.add.at(sums, index[inside], np.moveaxis(padded, axis, 0)[inside])
        padded = np.moveaxis(sums, 0, axis)
    return padded
