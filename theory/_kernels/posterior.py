"""Scans of a part of the training set, every block against every query. They release the GIL: a thread takes a part."""

import numpy as np
from numba import njit

from theory._kernels.cache import by_dtype
from theory._kernels.nearest import Lists, collect, measure
from theory._kernels.room import far_below, fill, logit_scales, make_buffers, make_room, sums_of
from theory._kernels.softmax import LN2, ImageSums, Named, absorb, absorb_by_image, absorb_named, close_block
from theory._kernels.vector import at, item, lanes, larger, largest, load, lowest, pointer, store
from theory._kernels.window import sweeping

LOG2E = 1.4426950408889634

TILE = 16
"""Images whose sums are written out together, from one image the innermost index to pixel the innermost."""

_sweep_sums, _sweep_named, _sweep_images = sweeping(absorb), sweeping(absorb_named), sweeping(absorb_by_image)


@by_dtype
def scan(queries, exact, blocks, values, index, order, geometry, precision, products, left_out, negligible, base,
         peaks, masses, totals):
    """Streaming softmax states of B queries over the blocks in `order`.

    queries (B, C, U, V + 1): padded, one column more, in the dtype to compute in; exact: the same in float64
    blocks (M, C, H, W, n), values (M, Cv, Hv, Wv, n): float32      index (M, n): image of a lane, -1 for none
    order: the blocks to visit                                      precision (B,): 1 / (2 sigma^2)
    geometry: (kh, kw, row index (U,), column index (V,), row moves, column runs), see theory.engine.geometry
    products (B,): whether to compare windows by inner products, see `numerics.PRODUCT_ERROR`
    left_out: image to pass over, or -1      negligible: powers of two below the peak
    base (B, Y, X): not used here, see `scan_sources`
    peaks, masses (B, Y, X), totals (B, Cv, Y, X): empty states on entry; peaks are left in powers of two, and short of
    `base` where windows were compared by products
    """
    n = blocks.shape[4]
    room = make_room(queries.shape[1], values.shape[1:4], n, geometry, queries.dtype)
    buffers = make_buffers(n, geometry, queries.dtype)
    size, X = (geometry[0], geometry[1]), peaks.shape[2]
    for m in order:
        if not fill(room, blocks[m], values[m], index[m], left_out, geometry, products.any()):
            continue
        for b in range(queries.shape[0]):
            unit, far = precision[b] * LOG2E, far_below(products[b], queries.itemsize)
            sums = sums_of(peaks[b], masses[b], totals[b], room.values, negligible, far,
                           measure(exact[b], room.block, size, unit))
            _sweep_sums(queries[b], room.block, room.norms if products[b] else room.absent, geometry, X, products[b],
                        logit_scales(products[b], unit), buffers, sums)


@by_dtype
def scan_sources(queries, exact, blocks, values, index, order, geometry, precision, products, left_out, negligible,
                 base, peaks, masses, totals, energies, keys, sources):
    """`scan`, with energies (B, 2, Y, X), keys (B, Y, X, K) and sources (B, Y, X, K, 3): the K nearest candidates.

    base (B, Y, X): logit = base - unit distance, as `scan` leaves the logits.
    """
    n, (B, Y, X) = blocks.shape[4], peaks.shape
    room = make_room(queries.shape[1], values.shape[1:4], n, geometry, queries.dtype)
    buffers = make_buffers(n, geometry, queries.dtype)
    size = geometry[0], geometry[1]
    image_mass, offset = np.zeros((Y, X, n), queries.dtype), np.zeros((Y, X, n))
    done, limit = np.zeros((B, Y, X)), np.full((B, Y, X), -np.inf)
    for m in order:
        if not fill(room, blocks[m], values[m], index[m], left_out, geometry, products.any()):
            continue
        for b in range(B):
            unit, far = precision[b] * LOG2E, far_below(products[b], queries.itemsize)
            measured = measure(exact[b], room.block, size, unit)
            sums = sums_of(peaks[b], masses[b], totals[b], room.values, negligible, far, measured)
            lists = Lists(keys[b], sources[b], room.images, offset, pointer(limit[b]), base[b], measured)
            named = Named(sums, lists, pointer(energies[b]), pointer(image_mass), pointer(done[b]), n)
            _sweep_named(queries[b], room.block, room.norms if products[b] else room.absent, geometry, X, products[b],
                         logit_scales(products[b], unit), buffers, named)
            close_block(named, Y * X)


@njit(nogil=True, cache=True)
def scan_images(query, blocks, values, index, order, geometry, precision, products, base, peaks, masses, means,
                energies):
    """Evidence and local mean of each training image, for one query (C, U, V + 1), float64.

        exp(peaks[s, y, x]) masses[s, y, x] = sum_candidates exp(-d precision),  means[s, c, y, x] = their softmax mean
        log masses[s, y, x] - energies[s, y, x] = the entropy of that softmax, nats (or energies is empty)
    for the s-th image in the order of the blocks; index (M, n) gives s here, -1 for none. Logarithms are left to the
    caller: numpy takes them sixteen at a time.
    """
    n, (_, Cv, Y, X) = blocks.shape[4], means.shape
    room = make_room(query.shape[0], values.shape[1:4], n, geometry, np.float64)
    buffers = make_buffers(n, geometry, np.float64)
    kept = Y if energies.shape[0] > 0 else 0
    sums = ImageSums(np.empty((Y, X, n)), np.empty((Y, X, n)), np.empty((Cv, Y, X, n)), np.empty((kept, X, n)),
                     room.values)
    unit = precision * LOG2E
    for m in order:
        if not fill(room, blocks[m], values[m], index[m], -1, geometry, products):
            continue
        sums.peak[:] = -np.inf
        sums.mass[:] = 0.0
        sums.total[:] = 0.0
        sums.energy[:] = 0.0
        _sweep_images(query, room.block, room.norms if products else room.absent, geometry, X, products,
                      logit_scales(products, unit), buffers, sums)
        for some in range(0, n, TILE):
            for y in range(Y):
                for x in range(X):
                    for j in range(some, min(some + TILE, n)):
                        s = index[m, j]
                        if s < 0:
                            continue
                        masses[s, y, x] = sums.mass[y, x, j]
                        peaks[s, y, x] = (sums.peak[y, x, j] - base[y, x]) * LN2
                        inverse = 1.0 / sums.mass[y, x, j]
                        for c in range(Cv):
                            means[s, c, y, x] = sums.total[c, y, x, j] * inverse
                        if kept:
                            energies[s, y, x] = sums.energy[y, x, j] * inverse


@njit
def _collect_with_offsets(lists, logits, top, L, row, pixel, candidate):
    """`collect` by distance - offset of the image."""
    n, largest_yet = lists.images.shape[0], lowest(logits)
    offsets = at(pointer(lists.offset), pixel * n)
    for j in range(0, L, n):
        for i in range(0, n, lanes(logits)):
            logit = load(logits, j + i) + load(offsets, i)
            store(logits, j + i, logit)
            largest_yet = larger(logit, largest_yet)
    if largest(largest_yet) > item(lists.limit, pixel):
        collect(lists, logits, L, row, pixel)


_sweep_offsets = sweeping(_collect_with_offsets)


@njit(nogil=True, cache=True)
def scan_offsets(query, blocks, index, position, order, geometry, offsets, keys, sources):
    """The K candidates with the smallest d - offsets[s, y, x] for one query, float64; s = position (M, n), -1 for none.

    keys (Y, X, K), sources (Y, X, K, 3): as in `scan_sources`; index (M, n): image of a lane.
    """
    n, (Y, X, _) = blocks.shape[4], keys.shape
    room = make_room(query.shape[0], blocks.shape[1:4], n, geometry, np.float64)
    buffers = make_buffers(n, geometry, np.float64)
    present, offset = np.empty(n, np.int64), np.zeros((Y, X, n))
    limit, base = np.full((Y, X), -np.inf), np.zeros((Y, X))
    for m in order:
        for j in range(n):
            s = position[m, j]
            present[j] = index[m, j] if s >= 0 else -1
            if s >= 0:
                for y in range(Y):
                    for x in range(X):
                        offset[y, x, j] = offsets[s, y, x]
        if not fill(room, blocks[m], blocks[m], present, -1, geometry, False):
            continue
        measured = measure(query, room.block, (geometry[0], geometry[1]), 1.0)
        lists = Lists(keys, sources, room.images, offset, pointer(limit), base, measured)
        _sweep_offsets(query, room.block, room.absent, geometry, X, False, logit_scales(False, 1.0), buffers, lists)
