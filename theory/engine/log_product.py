"""A product of two matrices whose entries are given and wanted as logarithms."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from theory._kernels.cache import drop_stale
from theory._kernels.log_product import log2_product
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import LN2
from theory.engine.chunks import run_in_threads

drop_stale([log2_product])

UNDERFLOW_BELOW = 1e-280
"""An entry of the scaled product below this may have lost terms to underflow, and is added up by its logarithms."""

MAX_TERMS = 1 << 22
"""Terms of longer floats that are held at once."""

LANES = 16
"""Numbers to a multiple of which those sums are filled up, at least those of any processor's vector."""


def log_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log sum_j exp(a_ij + b_jk) for a (I, J), b (J, K): as a product of matrices scaled by their largest entries.

    -inf in a or b is a term of 0; every row of a and every column of b has one that is not.
    """
    left, right = a.max(axis=1, keepdims=True), b.max(axis=0, keepdims=True)
    in_float64 = lambda logs: np.exp(logs.astype(np.float64, copy=False))
    product = in_float64(a - left) @ in_float64(b - right)
    underflown = product < UNDERFLOW_BELOW
    with np.errstate(divide="ignore"):
        result = np.log(product) + left + right
    if underflown.any():
        result[underflown] = (_of_float64 if a.dtype == np.float64 else _of_longer)(a, b, underflown)
    return result


def _of_float64(a: np.ndarray, b: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The wanted (I, K) entries, one after the other."""
    sums = np.empty(wanted.shape)
    rows = np.flatnonzero(wanted.any(axis=1))
    run_in_threads(log2_product, rows, (_powers_of_two(a), _powers_of_two(b.T), wanted, sums), [])
    return LN2 * sums[wanted]


def _of_longer(a: np.ndarray, b: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The same for logarithms that float64 would round."""
    rows, cols = np.nonzero(wanted)
    parts = np.array_split(np.arange(len(rows)), len(rows) * len(b) // MAX_TERMS + 1)
    return np.concatenate([logsumexp(a[rows[some]] + b[:, cols[some]].T, axis=1) for some in parts])


def _powers_of_two(logarithms: np.ndarray) -> np.ndarray:
    """Rows in powers of two, filled up with -inf to a multiple of LANES."""
    filled = np.full((len(logarithms), -(-logarithms.shape[1] // LANES) * LANES), -np.inf)
    np.multiply(logarithms, LOG2E, out=filled[:, : logarithms.shape[1]])
    return filled
