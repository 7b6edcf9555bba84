"""The K nearest candidates of every query pixel, by name: sorted lists, exact distances, equals in scan order."""

from collections import namedtuple

from numba import njit

from theory._kernels.vector import item

Lists = namedtuple("Lists", "keys sources images offset limit base exact")
"""keys (Y, X, K), sources (Y, X, K, 3) (image, y, x): the candidates with the smallest distance - offset, sorted;
images (n,): those of the block, -1 for none; offset (Y, X, n); limit (Y, X): the logit that a candidate must exceed;
base (Y, X): logit = base - unit (distance - offset);
exact: query (C, U, V) float64, block (C, U, V, n), window size, and unit, powers of two a squared distance."""


@njit
def distance(exact, a, b, a2, b2, j):
    """|window of the query at (a, b) - window of image j at (a2, b2)|^2, float64."""
    query, block, size, _ = exact
    d = 0.0
    for c in range(query.shape[0]):
        for u in range(size[0]):
            for v in range(size[1]):
                e = query[c, a + u, b + v] - block[c, a2 + u, b2 + v, j]
                d += e * e
    return d


@njit
def collect(lists, logits, top, L, row):
    """Put those of a row of candidates that belong there into the sorted list of pixel (a, b).

    Logits, which may be float32, say which candidates are worth measuring. One that then turns out no nearer than the
    last of the list raises the limit: of many equal candidates few are measured.
    """
    a, b, a2, b2 = row
    if top <= lists.limit[a, b]:
        return
    images, n, unit = lists.images, lists.images.shape[0], lists.exact[3]
    keys, sources = lists.keys[a, b], lists.sources[a, b]
    K = keys.shape[0]
    for j in range(L):
        logit = float(item(logits, j))
        if logit <= lists.limit[a, b] or images[j % n] < 0:
            continue
        column, lane = b2 + j // n, j % n
        key, k = distance(lists.exact, a, b, a2, column, lane) - lists.offset[a, b, lane], K - 1
        if not key < keys[k]:
            lists.limit[a, b] = logit
            continue
        while k > 0 and keys[k - 1] > key:
            keys[k] = keys[k - 1]
            sources[k] = sources[k - 1]
            k -= 1
        keys[k] = key
        sources[k, 0], sources[k, 1], sources[k, 2] = images[lane], a2, column
        lists.limit[a, b] = max(lists.limit[a, b], lists.base[a, b] - unit * keys[K - 1])
