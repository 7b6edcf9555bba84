"""A product of two matrices whose entries are given and wanted as logarithms."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

UNDERFLOW_BELOW = 1e-280
"""An entry of the scaled product below this may have lost terms to underflow, and is added up by its logarithms."""

MAX_TERMS = 1 << 22
"""Terms of such entries that are held at once."""


def log_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """log sum_j exp(a_ij + b_jk) for a (I, J), b (J, K): as a product of matrices scaled by their largest entries.

    -inf in a or b is a term of 0; every row of a and every column of b has one that is not.
    """
    left, right = a.max(axis=1, keepdims=True), b.max(axis=0, keepdims=True)
    in_float64 = lambda logs: np.exp(logs.astype(np.float64, copy=False))
    product = in_float64(a - left) @ in_float64(b - right)
    rows, cols = np.nonzero(product < UNDERFLOW_BELOW)
    with np.errstate(divide="ignore"):
        result = np.log(product) + left + right
    for some in np.array_split(np.arange(len(rows)), len(rows) * len(b) // MAX_TERMS + 1):
        result[rows[some], cols[some]] = logsumexp(a[rows[some]] + b[:, cols[some]].T, axis=1)
    return result
