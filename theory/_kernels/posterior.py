"""Scans of a part of the training set, every block against every query. They release the GIL: a thread takes a part."""

import numpy as np
from numba import njit

from theory._kernels.cache import by_dtype, compiled
from theory._kernels.nearest import Lists, collect, measure
from theory._kernels.softmax import (
    LN2,
    ImageSums,
    RankedState,
    absorb,
    absorb_by_image,
    absorb_ranked,
    finish_block,
)
from theory._kernels.vector import at, item, lanes, larger, largest, load, lowest, pointer, store
from theory._kernels.window import sweeping
from theory._kernels.workspace import far_below, load_block, logit_scales, make_buffers, make_workspace, sums_of

LOG2E = 1.4426950408889634

TILE = 16
"""Images whose sums are written out together, from one image the innermost index to pixel the innermost."""

_sweep_sums, _sweep_ranked, _sweep_images = sweeping(absorb), sweeping(absorb_ranked), sweeping(absorb_by_image)


@by_dtype
def scan(stop, order, queries, training, geometry, left_out, negligible, peaks, masses, totals):
    """Streaming softmax states of B queries (`workspace.Queries`) over the blocks `order` of `workspace.Training`.

    stop (1,): return, with anything, when it becomes true
    left_out: image to pass over, or -1      negligible: powers of two below the peak
    peaks, masses (B, Y, X), totals (B, Cv, Y, X): empty states on entry; peaks are left in powers of two, and short of
    the queries' base where windows were compared by products
    """
    windows, (blocks, values, index), products = queries.windows, training, queries.products
    n = blocks.shape[4]
    space = make_workspace(windows.shape[1], values.shape[1:4], n, geometry, windows.dtype)
    buffers = make_buffers(n, geometry, windows.dtype)
    size, X = (geometry.height, geometry.width), peaks.shape[2]
    far = far_below(products, windows.itemsize)
    for m in order:
        if not load_block(space, blocks[m], values[m], index[m], left_out, geometry, products):
            continue
        for b in range(windows.shape[0]):
            if stop[0]:
                return
            unit = queries.precision[b] * LOG2E
            sums = sums_of(peaks[b], masses[b], totals[b], space.values, negligible, far,
                           measure(queries.exact[b], space.block, size, unit))
            _sweep_sums(windows[b], space.block, space.norms if products else space.absent, geometry, X, products,
                        logit_scales(products, unit), buffers, sums)


@by_dtype
def scan_sources(stop, order, queries, training, geometry, left_out, negligible, peaks, masses, totals, energies, keys,
                 sources):
    """`scan`, with energies (B, 2, Y, X), keys (B, Y, X, K) and sources (B, Y, X, K, 3): the K nearest candidates."""
    windows, (blocks, values, index), products = queries.windows, training, queries.products
    n, (B, Y, X) = blocks.shape[4], peaks.shape
    space = make_workspace(windows.shape[1], values.shape[1:4], n, geometry, windows.dtype)
    buffers = make_buffers(n, geometry, windows.dtype)
    size, far = (geometry.height, geometry.width), far_below(products, windows.itemsize)
    image_mass, offset = np.zeros((Y, X, n), windows.dtype), np.zeros((Y, X, n))
    done, limit = np.zeros((B, Y, X)), np.full((B, Y, X), -np.inf)
    for m in order:
        if not load_block(space, blocks[m], values[m], index[m], left_out, geometry, products):
            continue
        for b in range(B):
            if stop[0]:
                return
            unit = queries.precision[b] * LOG2E
            measured = measure(queries.exact[b], space.block, size, unit)
            sums = sums_of(peaks[b], masses[b], totals[b], space.values, negligible, far, measured)
            lists = Lists(keys[b], sources[b], space.images, offset, pointer(limit[b]), queries.base[b], far, measured)
            ranked = RankedState(sums, lists, pointer(energies[b]), pointer(image_mass), pointer(done[b]), n)
            _sweep_ranked(windows[b], space.block, space.norms if products else space.absent, geometry, X, products,
                          logit_scales(products, unit), buffers, ranked)
            finish_block(ranked, Y * X)


@by_dtype
def scan_images(stop, order, queries, training, geometry, peaks, masses, means, energies):
    """Evidence and local mean of each training image, for one query.

        exp(peaks[s, y, x]) masses[s, y, x] = sum_candidates exp(-d precision),  means[s, c, y, x] = their softmax mean
        log masses[s, y, x] - energies[s, y, x] = the entropy of that softmax, nats (or energies is empty)
    for the s-th image in the order of the blocks; training.index (M, n) gives s here, -1 for none. Logarithms are left
    to the caller: numpy takes them sixteen at a time.
    """
    query, (blocks, values, index), products = queries.windows[0], training, queries.products
    n, (_, Cv, Y, X) = blocks.shape[4], means.shape
    space = make_workspace(query.shape[0], values.shape[1:4], n, geometry, query.dtype)
    buffers = make_buffers(n, geometry, query.dtype)
    kept = Y if energies.shape[0] > 0 else 0
    sums = ImageSums(np.empty((Y, X, n), query.dtype), np.empty((Y, X, n), query.dtype),
                     np.empty((Cv, Y, X, n), query.dtype), np.empty((kept, X, n), query.dtype), space.values)
    unit, base = queries.precision[0] * LOG2E, queries.base[0]
    for m in order:
        if stop[0]:
            return
        if not load_block(space, blocks[m], values[m], index[m], -1, geometry, products):
            continue
        sums.peak[:] = -np.inf
        sums.mass[:] = 0.0
        sums.total[:] = 0.0
        sums.energy[:] = 0.0
        _sweep_images(query, space.block, space.norms if products else space.absent, geometry, X, products,
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
                        inverse = 1.0 / float(sums.mass[y, x, j])
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


@compiled
def scan_offsets(stop, order, query, training, position, geometry, offsets, keys, sources):
    """The K candidates with the smallest d - offsets[s, y, x] for one query, float64; s = position (M, n), -1 for none.

    query (C, U, V + 1); keys (Y, X, K), sources (Y, X, K, 3): as in `scan_sources`
    """
    blocks, _, index = training
    n, (Y, X, _) = blocks.shape[4], keys.shape
    space = make_workspace(query.shape[0], blocks.shape[1:4], n, geometry, np.float64)
    buffers = make_buffers(n, geometry, np.float64)
    present, offset = np.empty(n, np.int64), np.zeros((Y, X, n))
    limit, base = np.full((Y, X), -np.inf), np.zeros((Y, X))
    for m in order:
        if stop[0]:
            return
        for j in range(n):
            s = position[m, j]
            present[j] = index[m, j] if s >= 0 else -1
            if s >= 0:
                for y in range(Y):
                    for x in range(X):
                        offset[y, x, j] = offsets[s, y, x]
        if not load_block(space, blocks[m], blocks[m], present, -1, geometry, False):
            continue
        measured = measure(query, space.block, (geometry.height, geometry.width), 1.0)
        lists = Lists(keys, sources, space.images, offset, pointer(limit), base, -np.inf, measured)
        _sweep_offsets(query, space.block, space.absent, geometry, X, False, logit_scales(False, 1.0), buffers, lists)
