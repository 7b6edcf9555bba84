"""A product of two matrices whose entries are given and wanted as logarithms."""

from __future__ import annotations

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.log_product import log2_product
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import LN2
from theory.engine.chunks import run_in_threads

drop_stale([log2_product])

UNDERFLOW_BELOW = 1e-280
"""An entry of the scaled product below this may have lost terms to underflow, and is added up by its logarithms."""

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
    rows = np.flatnonzero(underflown.any(axis=1))
    if len(rows):
        sums = np.empty_like(product)
        run_in_threads(log2_product, rows, (_powers_of_two(a), _powers_of_two(b.T), underflown, sums), [])
        result[underflown] = LN2 * sums[underflown]
    return result


def _powers_of_two(logarithms: np.ndarray) -> np.ndarray:
    """Rows in powers of two, filled up with -inf to a multiple of LANES."""
    filled = np.full((len(logarithms), -(-logarithms.shape[1] // LANES) * LANES), -np.inf)
    np.multiply(logarithms, LOG2E, out=filled[:, : logarithms.shape[1]])
    return filled
