"""What each training image says by itself, far from every candidate for the noise, with distances in double-double.

Images compete by differences of their evidence, and so of distances: each image's nearest is kept in two parts, and
everything else is relative to it.
"""

from collections import namedtuple

import numpy as np
from numba import njit

from theory._kernels.cache import compiled
from theory._kernels.far import LEAST_FALL, distance
from theory._kernels.nearest import measure
from theory._kernels.numerics import FLOAT64_ERROR
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import LN2
from theory._kernels.vector import item
from theory._kernels.window import sweeping
from theory._kernels.workspace import load_block, logit_scales, make_buffers, make_workspace

FarImages = namedtuple("FarImages", "least near mass total energy values measure")
"""Of one query and the images of a block: least (Y, X, n), the float64 logit from which candidates are measured,
infinite for none; near (2, Y, X, n), the smallest distance, infinite on entry; mass, energy (Y, X, n), total
(C, Y, X, n), relative to it, 0 on entry; values (C, H, W, n), measure: of the block."""

FarLists = namedtuple("FarLists", "keys sources images near offset measure")
"""keys (Y, X, K), sources (Y, X, K, 3): the nearest by name; images (n,); near (2, Y, X, n), offset (Y, X, n): of the
block; measure: of the block, too."""


@njit
def absorb_far_images(far, logits, top, L, row, pixel, candidate):
    """Add those of a row of candidates that may count to the states that each image has by itself."""
    a, b, a2, b2 = row
    C, n = far.total.shape[0], far.least.shape[2]
    flat = far.values.reshape((C, -1))
    for j in range(L):
        i = j % n
        if not item(logits, j) >= far.least[a, b, i]:
            continue
        high, low = distance(far.measure, a, b, a2, b2 + j // n, i)
        fall = -np.inf
        if far.near[0, a, b, i] < np.inf:
            fall = far.measure.unit * ((high - far.near[0, a, b, i]) + (low - far.near[1, a, b, i]))
        if fall < 0.0:
            if far.mass[a, b, i] > 0.0:
                factor = 2.0**fall
                far.energy[a, b, i] = factor * (far.energy[a, b, i] + LN2 * fall * far.mass[a, b, i])
                far.mass[a, b, i] *= factor
                far.total[:, a, b, i] *= factor
            far.near[0, a, b, i], far.near[1, a, b, i] = high, low
            fall = 0.0
        if -fall < LEAST_FALL:
            continue
        w = 2.0**-fall
        far.mass[a, b, i] += w
        far.energy[a, b, i] -= w * LN2 * fall
        for c in range(C):
            far.total[c, a, b, i] += w * flat[c, candidate + j]


_sweep_images = sweeping(absorb_far_images)


@compiled
def scan_images_far(stop, order, query, precision, training, geometry, least, nears, masses, means, energies):
    """`posterior.scan_images` of one query, by squares in double-double, relative to each image's nearest candidate.

    query (C, U, V + 1) float64      training.index (M, n): where an image stands in the rest, -1 for none
    least (N, Y, X): as in `FarImages`      nears (2, N, Y, X), masses, energies (N, Y, X), means (N, C, Y, X): results
    """
    blocks, values, index = training
    n, (_, C, Y, X) = blocks.shape[4], means.shape
    space = make_workspace(query.shape[0], values.shape[1:4], n, geometry, np.float64)
    buffers = make_buffers(n, geometry, np.float64)
    limit, near, total = np.empty((Y, X, n)), np.empty((2, Y, X, n)), np.empty((C, Y, X, n))
    mass, energy = np.empty((Y, X, n)), np.empty((Y, X, n))
    unit = precision * LOG2E
    measured = measure(query, space.block, (geometry.height, geometry.width), unit)
    for m in order:
        if stop[0]:
            return
        if not load_block(space, blocks[m], values[m], index[m], -1, geometry, False):
            continue
        near[0], near[1], mass[:], total[:], energy[:] = np.inf, 0.0, 0.0, 0.0, 0.0
        for j in range(n):
            limit[:, :, j] = np.inf
            if index[m, j] >= 0:
                limit[:, :, j] = least[index[m, j]]
        far = FarImages(limit, near, mass, total, energy, space.values, measured)
        _sweep_images(query, space.block, space.absent, geometry, X, False, logit_scales(False, unit), buffers, far)
        for j in range(n):
            s = index[m, j]
            if s >= 0:
                nears[0, s], nears[1, s] = near[0, :, :, j], near[1, :, :, j]
                masses[s], energies[s] = mass[:, :, j], energy[:, :, j] / mass[:, :, j]
                for c in range(C):
                    means[s, c] = total[c, :, :, j] / mass[:, :, j]


@njit
def collect_far(lists, logits, top, L, row, pixel, candidate):
    """Put those of a row of candidates that belong there into the sorted list of a pixel, behind their equals."""
    a, b, a2, b2 = row
    keys, sources, n, last = lists.keys[a, b], lists.sources[a, b], lists.images.shape[0], lists.keys.shape[2] - 1
    for j in range(L):
        i, logit = j % n, item(logits, j)
        if lists.images[i] < 0:
            continue
        beyond = lists.near[0, a, b, i] + lists.offset[a, b, i]
        if not -(1.0 - FLOAT64_ERROR) * logit - beyond < keys[last]:
            continue
        high, low = distance(lists.measure, a, b, a2, b2 + j // n, i)
        key = ((high - lists.near[0, a, b, i]) + (low - lists.near[1, a, b, i])) - lists.offset[a, b, i]
        if not key < keys[last]:
            continue
        k = last
        while k > 0 and keys[k - 1] > key:
            keys[k] = keys[k - 1]
            sources[k] = sources[k - 1]
            k -= 1
        keys[k] = key
        sources[k, 0], sources[k, 1], sources[k, 2] = lists.images[i], a2, b2 + j // n


_sweep_lists = sweeping(collect_far)


@compiled
def scan_offsets_far(stop, order, query, training, position, geometry, nears, offsets, keys, sources):
    """`posterior.scan_offsets`: the K candidates with the smallest (d - near[s, y, x]) - offsets[s, y, x]."""
    blocks, _, index = training
    n, (Y, X, _) = blocks.shape[4], keys.shape
    space = make_workspace(query.shape[0], blocks.shape[1:4], n, geometry, np.float64)
    buffers = make_buffers(n, geometry, np.float64)
    present, near, offset = np.empty(n, np.int64), np.zeros((2, Y, X, n)), np.zeros((Y, X, n))
    measured = measure(query, space.block, (geometry.height, geometry.width), 1.0)
    for m in order:
        if stop[0]:
            return
        for j in range(n):
            s = position[m, j]
            present[j] = index[m, j] if s >= 0 else -1
            if s >= 0:
                near[0, :, :, j], near[1, :, :, j], offset[:, :, j] = nears[0, s], nears[1, s], offsets[s]
        if not load_block(space, blocks[m], blocks[m], present, -1, geometry, False):
            continue
        lists = FarLists(keys, sources, space.images, near, offset, measured)
        _sweep_lists(query, space.block, space.absent, geometry, X, False, logit_scales(False, 1.0), buffers, lists)
