"""Entries of a product of matrices by the logarithms of their terms: the largest first, then those that count."""

import numpy as np

from theory._kernels.cache import compiled
from theory._kernels.numerics import NEGLIGIBLE
from theory._kernels.vector import (
    any_above,
    at,
    exp2,
    lanes,
    larger,
    largest,
    load,
    lowest,
    pointer,
    splat,
    total,
    zeros,
)


@compiled
def log2_product(stop, rows, a, b, wanted, result):
    """result[i, k] = log2 sum_j 2^(a[i, j] + b[k, j]) for i of `rows` and k where wanted (I, K).

    a (I, J), b (K, J): float64 in powers of two, J a multiple of a vector's lanes, filled up with -inf
    """
    J = a.shape[1]
    for i in rows:
        if stop[0]:
            return
        left = at(pointer(a), i * J)
        for k in np.flatnonzero(wanted[i]):
            right = at(pointer(b), k * J)
            peaks = lowest(left)
            for j in range(0, J, lanes(left)):
                peaks = larger(load(left, j) + load(right, j), peaks)
            peak = largest(peaks)
            if peak == -np.inf:
                result[i, k] = -np.inf
                continue
            shift, least, mass = splat(left, peak), splat(left, peak - NEGLIGIBLE), zeros(left)
            for j in range(0, J, lanes(left)):
                term = load(left, j) + load(right, j)
                if any_above(term, least):
                    mass = mass + exp2(term - shift)
            result[i, k] = peak + np.log2(total(mass))
