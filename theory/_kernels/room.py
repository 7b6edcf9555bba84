"""What all scans share: the block at hand, as the kernels want it, and what its distances become."""

from collections import namedtuple

import numpy as np
from numba import njit

from theory._kernels.numerics import FLOAT32_LOGIT
from theory._kernels.softmax import Sums
from theory._kernels.vector import aligned, pointer
from theory._kernels.window import copy_block, pad_block, window_norms

Room = namedtuple("Room", "block values absent norms images")
"""What a scan works in, one block at a time: block (C, U, V, n), padded; values (Cv, Hv, Wv, n); absent (H, W, n),
infinite for a lane without an image, else 0; norms (H, W, n), |window of the candidate|^2, infinite there too;
images (n,), -1 there."""


@njit
def _cube(C, U, V, n, dtype):
    return aligned(C * U * V * n, dtype).reshape((C, U, V, n))


@njit
def make_room(C, value_shape, n, geometry, dtype):
    kh, kw, rows, cols = geometry[:4]
    per_candidate = _cube(2, rows.size - kh + 1, cols.size - kw + 1, n, dtype)
    Cv, H, W = value_shape
    block, values = _cube(C, rows.size, cols.size, n, dtype), _cube(Cv, H, W, n, dtype)
    return Room(block, values, per_candidate[0], per_candidate[1], np.empty(n, np.int64))


@njit
def make_buffers(n, geometry, dtype):
    """The rows of `window.sweeping`, no longer than they need be: they should stay in the first cache."""
    kh, runs, length = geometry[0], geometry[5], 0
    for k in range(runs.shape[0]):
        length = max(length, (runs[k, 3] - runs[k, 2]) * n)
    return aligned(2 * kh * length, dtype).reshape((2, kh, length)), aligned(3 * length, dtype).reshape((3, length))


@njit
def fill(room, block, values, index, left_out, geometry, products):
    """Take in a block; False if it holds no image. norms are only made for products."""
    some = False
    for j in range(room.images.size):
        present = index[j] >= 0 and index[j] != left_out
        room.images[j] = index[j] if present else -1
        some = some or present
        for a in range(room.absent.shape[0]):
            for b in range(room.absent.shape[1]):
                room.absent[a, b, j] = 0.0 if present else np.inf
    if not some:
        return False
    pad_block(block, geometry[2], geometry[3], room.block)
    copy_block(values, room.values)
    if products:
        window_norms(room.block, geometry[0], geometry[1], room.norms)
        for a in range(room.absent.shape[0]):
            for b in range(room.absent.shape[1]):
                for j in range(room.images.size):
                    room.norms[a, b, j] += room.absent[a, b, j]
    return True


@njit
def logit_scales(products, unit):
    """(scale, norm_scale) of the logits: unit (2 <q, t> - |t|^2), or -unit |q - t|^2; powers of two."""
    return (2.0 * unit, unit) if products else (-unit, unit)


@njit
def far_below(products, itemsize):
    """The peak below which candidates are measured again in float64."""
    return -np.inf if products or itemsize == 8 else -FLOAT32_LOGIT


@njit
def sums_of(peak, mass, total, values, negligible, far, measure):
    Cv, Y, X = total.shape
    channels = Cv, Y * X, values.shape[1] * values.shape[2] * values.shape[3]
    return Sums(pointer(peak), pointer(mass), pointer(total), pointer(values), channels, negligible, far, measure)
