"""The K nearest candidates of every query pixel, by name: sorted lists, exact distances, equals in scan order."""

from collections import namedtuple

from numba import njit

from theory._kernels.numerics import FLOAT32_ERROR
from theory._kernels.vector import any_above, item, lanes, load, pointer, put, splat

Measure = namedtuple("Measure", "query block shape size unit")
"""Pointers to a query and a block, the block's shape, the window's size, and powers of two a unit of distance."""

Lists = namedtuple("Lists", "keys sources images offset limit base far measure")
"""keys (Y, X, K), sources (Y, X, K, 3) (image, y, x): the candidates with the smallest distance - offset, sorted;
images (n,): those of the block, -1 for none; offset (Y, X, n); limit: pointer to (Y, X), the logit to exceed;
base (Y, X): logit = base - unit (distance - offset); far: the logit below which float32 logits are not good enough, as
in `softmax.Sums`; measure: with which to measure again."""


@njit
def measure(query, block, size, unit):
    """A `Measure` of query (C, U, V + 1), float64, against block (C, U, V, n)."""
    C, U, V, n = block.shape
    return Measure(pointer(query), pointer(block), (C, U, V, n), size, unit)


@njit
def distance(measure, a, b, a2, b2, j):
    """|window of the query at (a, b) - window of image j at (a2, b2)|^2, float64."""
    C, U, V, n = measure.shape
    d = 0.0
    for c in range(C):
        for u in range(measure.size[0]):
            q, t = (c * U + a + u) * (V + 1) + b, ((c * U + a2 + u) * V + b2) * n + j
            for v in range(measure.size[1]):
                e = item(measure.query, q + v) - item(measure.block, t + v * n)
                d += e * e
    return d


@njit(forceinline=True)
def limit_in_float32(lists, limit):
    """Return the logit to exceed, lowered far away by what a float32 logit may be off."""
    return limit if limit >= lists.far else (1.0 + FLOAT32_ERROR) * limit


@njit
def collect(lists, logits, L, row, pixel):
    """Put those of a row of candidates that belong there into the sorted list of pixel (a, b).

    Logits, which may be float32, say which candidates are worth measuring. One that then turns out no nearer than the
    last of the list raises the limit, where logits are good: of many equal candidates few are measured.
    """
    a, b, a2, b2 = row
    images, n, unit = lists.images, lists.images.shape[0], lists.measure.unit
    keys, sources = lists.keys[a, b], lists.sources[a, b]
    K, limit = keys.shape[0], item(lists.limit, pixel)
    for start in range(0, L, lanes(logits)):
        if not any_above(load(logits, start), splat(logits, limit_in_float32(lists, limit))):
            continue
        for j in range(start, start + lanes(logits)):
            logit = float(item(logits, j))
            if logit <= limit_in_float32(lists, limit) or images[j % n] < 0:
                continue
            column, lane = b2 + j // n, j % n
            key, k = distance(lists.measure, a, b, a2, column, lane) - lists.offset[a, b, lane], K - 1
            if not key < keys[k]:
                if limit >= lists.far:
                    limit = logit
                continue
            while k > 0 and keys[k - 1] > key:
                keys[k] = keys[k - 1]
                sources[k] = sources[k - 1]
                k -= 1
            keys[k] = key
            sources[k, 0], sources[k, 1], sources[k, 2] = images[lane], a2, column
            limit = max(limit, lists.base[a, b] - unit * keys[K - 1])
    put(lists.limit, pixel, limit)
