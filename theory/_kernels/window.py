"""Squared distances between windows, displacement by displacement, for one query and one block of training images.

For a displacement (dy, dx) the candidate of query pixel (a, b) is training pixel (a + dy, b + dx), and its distance is
the window sum of one squared-difference image. Window sums cost three additions a pixel at any window size: doubling
along the row, and down the columns the suffix sums of one band of rows plus the prefix sums of the next
(van Herk 1992). Nothing is ever subtracted, so small distances keep their relative precision.
"""

import numpy as np
from numba import njit

from theory._kernels.exponential import exp
from theory._kernels.numerics import FASTMATH


@njit(cache=True)
def pad_block(block, rows, cols, out):
    """out[c, u, v, :] = block[c, rows[u], cols[v], :], and 0 where an index is -1; (C, H, W, n) -> (C, U, V, n)."""
    for c in range(out.shape[0]):
        for u in range(rows.shape[0]):
            for v in range(cols.shape[0]):
                target = out[c, u, v]
                if rows[u] < 0 or cols[v] < 0:
                    target[:] = 0.0
                else:
                    source = block[c, rows[u], cols[v]]
                    for j in range(target.shape[0]):
                        target[j] = source[j]


@njit(fastmath=FASTMATH, cache=True)
def _difference_row(query, block, u, dy, b_low, width, dx, out):
    """out[v, j] = sum_c (query[c, u, v] - block[c, u + dy, v + dx, j])^2 for width columns from b_low, flat."""
    n = block.shape[3]
    out = out[: width * n]
    for c in range(block.shape[0]):
        q = query[c, u].reshape(-1)[b_low * n : (b_low + width) * n]
        t = block[c, u + dy].reshape(-1)[(b_low + dx) * n : (b_low + dx + width) * n]
        if c == 0:
            for j in range(out.shape[0]):
                d = q[j] - t[j]
                out[j] = d * d
        else:
            for j in range(out.shape[0]):
                d = q[j] - t[j]
                out[j] += d * d


@njit(fastmath=FASTMATH, cache=True)
def _add(a, b, out):
    for j in range(out.shape[0]):
        out[j] = a[j] + b[j]


@njit(fastmath=FASTMATH, cache=True)
def _row_windows(source, spare, kw, width, n, out):
    """out[b] = source[b] + ... + source[b + kw - 1] by doubling; source (width + kw - 1 columns) and spare are used up.

    No array is written in terms of its own neighbours: the compiler's check for overlap would choose the scalar loop.
    """
    L = width * n
    out = out[:L]
    if kw == 3:
        first, second, third = source[:L], source[n : n + L], source[2 * n : 2 * n + L]
        for j in range(L):
            out[j] = first[j] + second[j] + third[j]
        return
    out[:] = source[:L]
    offset, size, columns = 1, 1, width + kw - 1
    rest = (kw - 1) >> 1
    while rest > 0:
        columns -= size  # spare[v] becomes the sum of 2 * size columns from v
        _add(source[: columns * n], source[size * n : (size + columns) * n], spare[: columns * n])
        source, spare = spare, source
        size *= 2
        if rest & 1:
            piece = source[offset * n : offset * n + L]
            for j in range(L):
                out[j] += piece[j]
            offset += size
        rest >>= 1


@njit(fastmath=FASTMATH, cache=True)
def _advance(query, block, u, step, dy, dx, b_low, width, kh, kw, scratch, spare, band, prefix, out):
    """Take in padded row u, the step-th of this displacement; true once `out` holds a full row of window distances.

    band (kh, >= width * n): suffix sums of the last full band of kh rows; prefix: sum of the current band so far.
    For kh = 3 the three rows are simply added.
    """
    n = block.shape[3]
    L = width * n
    position = step % kh
    _difference_row(query, block, u, dy, b_low, width + kw - 1, dx, scratch)
    row = band[position, :L]  # the suffix sum kept here is not needed any more
    _row_windows(scratch, spare, kw, width, n, row)
    prefix, out = prefix[:L], out[:L]
    if kh == 3:
        if step >= 2:
            first, second, third = band[0, :L], band[1, :L], band[2, :L]
            for j in range(L):
                out[j] = first[j] + second[j] + third[j]
        return step >= 2
    if position == 0:
        for j in range(L):
            prefix[j] = row[j]
    else:
        for j in range(L):
            prefix[j] += row[j]
    if position == kh - 1:
        for j in range(L):
            out[j] = prefix[j]
        for p in range(kh - 2, -1, -1):
            low, high = band[p, :L], band[p + 1, :L]
            for j in range(L):
                low[j] += high[j]
    elif step >= kh:
        suffix = band[position + 1, :L]
        for j in range(L):
            out[j] = prefix[j] + suffix[j]
    return step >= kh - 1


@njit(fastmath=FASTMATH, cache=True)
def _lower(distance, smallest):
    for j in range(distance.shape[0]):
        smallest[j] = distance[j] if distance[j] < smallest[j] else smallest[j]


@njit(fastmath=FASTMATH, cache=True)
def _weigh(distance, reference, precision, weight, mass):
    for j in range(distance.shape[0]):
        w = exp((reference[j] - distance[j]) * precision)
        weight[j] = w
        mass[j] += w


@njit(fastmath=FASTMATH, cache=True)
def _add_energy(distance, reference, precision, weight, energy):
    for j in range(distance.shape[0]):
        energy[j] += weight[j] * ((reference[j] - distance[j]) * precision)


@njit(cache=True)
def _collect(distance, a, b_low, dy, dx, images, offset, limit, keys, sources):
    """Put the candidates of one row whose distance is below `limit` into the sorted lists of their query pixels."""
    n, width, K = limit.shape[2], distance.shape[0] // limit.shape[2], keys.shape[2]
    limits = limit[a].reshape(-1)[b_low * n : (b_low + width) * n]
    hits = 0
    for j in range(limits.shape[0]):
        hits += 1 if distance[j] < limits[j] else 0
    if hits == 0:
        return
    for v in range(width):
        b = b_low + v
        for j in range(n):
            if distance[v * n + j] < limit[a, b, j]:
                key, k = distance[v * n + j] - offset[a, b, j], K - 1
                while k > 0 and keys[a, b, k - 1] > key:
                    keys[a, b, k] = keys[a, b, k - 1]
                    sources[a, b, k] = sources[a, b, k - 1]
                    k -= 1
                keys[a, b, k] = key
                sources[a, b, k, 0], sources[a, b, k, 1], sources[a, b, k, 2] = images[j], a + dy, b + dx
                set_limits(keys[a, b, K - 1], images, offset[a, b], limit[a, b])


@njit(cache=True)
def set_limits(key, images, offset, limit):
    """limit[j] = key + offset[j], the distance from which image j's candidate would enter the list; never for -1."""
    for j in range(limit.shape[0]):
        limit[j] = key + offset[j] if images[j] >= 0 else -np.inf


@njit(fastmath=FASTMATH, cache=True)
def _add_values(weight, value, total):
    for j in range(weight.shape[0]):
        total[j] += weight[j] * value[j]


@njit(cache=True)
def sweep(query, block, values, geometry, first, last, find, weigh, collect, reference, precision, work, sums, lists):
    """One pass over all (query pixel, candidate) pairs of a block, for query rows first, ..., last - 1.

        find:   smallest[a, b, j] = min d
        weigh:  mass[a, b, j] = sum w,   total[c, a, b, j] = sum w v,   energy[a, b, j] = sum w log w,
                w = exp((reference[a, b, j] - d) precision)
        collect: the candidates with the smallest d - offset[a, b, j], into sorted lists
        d = |query window at (a, b) - window of image j at (a + dy, b + dx)|^2,   v = values[c, a + dy, b + dx, j]

    query (C, U, V, n): padded, the same in all n lanes      block (C, U, V, n): padded      values (Cv, H, W, n)
    geometry: (kh, kw, _, _, row moves, column moves), a move being (displacement, low, high): the query coordinates
    that may use it      precision: 1 / (2 sigma^2)      work: row buffers (5, V * n) and band (kh, V * n)
    sums: smallest, mass (H, W, n), total (Cv, H, W, n), energy (H, W, n) or empty: set for the rows asked for
    lists: images (n,), -1 for none; offset, limit (H, W, n), keys (H, W, K), sources (H, W, K, 3): image, y, x
    One dtype throughout, but for the lists' keys.
    """
    smallest, mass, total, energy = sums
    images, offset, limit, keys, sources = lists
    kh, kw, _, _, rows, cols = geometry
    buffers, band = work
    scratch, spare, prefix, distance, weight = buffers[0], buffers[1], buffers[2], buffers[3], buffers[4]
    n = block.shape[3]
    if find:
        smallest[first:last] = np.inf
    if weigh:
        mass[first:last] = 0
        total[:, first:last] = 0
        energy[first:last] = 0
    for i in range(rows.shape[0]):
        dy, a_low, a_high = rows[i, 0], max(rows[i, 1], first), min(rows[i, 2], last)
        for k in range(cols.shape[0]):
            dx, b_low, b_high = cols[k]
            width = b_high - b_low
            d, w = distance[: width * n], weight[: width * n]
            for u in range(a_low, a_high + kh - 1 if a_high > a_low else a_low):
                if not _advance(query, block, u, u - a_low, dy, dx, b_low, width, kh, kw, scratch, spare, band,
                                prefix, distance):
                    continue
                a = u - kh + 1
                if find:
                    _lower(d, smallest[a].reshape(-1)[b_low * n : b_high * n])
                if collect:
                    _collect(d, a, b_low, dy, dx, images, offset, limit, keys, sources)
                if weigh:
                    _weigh(d, reference[a].reshape(-1)[b_low * n : b_high * n], precision, w,
                           mass[a].reshape(-1)[b_low * n : b_high * n])
                    if energy.shape[0] > 0:
                        _add_energy(d, reference[a].reshape(-1)[b_low * n : b_high * n], precision, w,
                                    energy[a].reshape(-1)[b_low * n : b_high * n])
                    for c in range(values.shape[0]):
                        _add_values(w, values[c, a + dy].reshape(-1)[(b_low + dx) * n : (b_high + dx) * n],
                                    total[c, a].reshape(-1)[b_low * n : b_high * n])
