"""What all scans share: their arguments as records, the block at hand as the kernels want it, and its logits' scale."""

from collections import namedtuple

import numpy as np
from numba import njit

from theory._kernels.numerics import FLOAT32_LOGIT
from theory._kernels.softmax import Sums
from theory._kernels.vector import aligned, pointer
from theory._kernels.window import copy_block, pad_block, window_norms

Queries = namedtuple("Queries", "windows exact precision products base")
"""windows (B, C, U, V + 1): queries, padded, one column more, in the dtype to compute in; exact: the same in float64;
precision (B,): 1 / (2 sigma^2); products: whether to compare by inner products, see `numerics.PRODUCT_ERROR`;
base (B, Y, X): logit = base - unit distance, |window of the query|^2 in powers of two for products, 0 for squares."""

Training = namedtuple("Training", "blocks values index")
"""blocks (M, C, H, W, n), values (M, Cv, Hv, Wv, n): float32, what is compared and what is averaged;
index (M, n): the image in a lane, -1 for none."""

Geometry = namedtuple("Geometry", "height width rows cols displacements runs")
"""The window's size, row index (U,) and column index (V,) of padded coordinates, row displacements and column runs, see
`theory.engine.geometry`."""

Workspace = namedtuple("Workspace", "block values absent norms images")
"""What a scan works in, one block at a time: block (C, U, V, n), padded; values (Cv, Hv, Wv, n); absent (H, W, n),
infinite for a lane without an image, else 0; norms (H, W, n), |window of the candidate|^2, infinite there too;
images (n,), -1 there."""


@njit
def _cube(C, U, V, n, dtype):
    return aligned(C * U * V * n, dtype).reshape((C, U, V, n))


@njit
def make_workspace(C, value_shape, n, geometry, dtype):
    rows, cols = geometry.rows.size, geometry.cols.size
    per_candidate = _cube(2, rows - geometry.height + 1, cols - geometry.width + 1, n, dtype)
    Cv, H, W = value_shape
    block, values = _cube(C, rows, cols, n, dtype), _cube(Cv, H, W, n, dtype)
    return Workspace(block, values, per_candidate[0], per_candidate[1], np.empty(n, np.int64))


@njit
def make_buffers(n, geometry, dtype):
    """The rows of `window.sweeping`, no longer than they need be: they should stay in the first cache."""
    kh, runs, length = geometry.height, geometry.runs, 0
    for k in range(runs.shape[0]):
        length = max(length, (runs[k, 3] - runs[k, 2]) * n)
    return aligned(2 * kh * length, dtype).reshape((2, kh, length)), aligned(3 * length, dtype).reshape((3, length))


@njit
def load_block(workspace, block, values, index, left_out, geometry, products):
    """Take in a block; False if it holds no image. norms are only made for products."""
    absent, norms, some = workspace.absent, workspace.norms, False
    for j in range(workspace.images.size):
        present = index[j] >= 0 and index[j] != left_out
        workspace.images[j] = index[j] if present else -1
        some = some or present
        for a in range(absent.shape[0]):
            for b in range(absent.shape[1]):
                absent[a, b, j] = 0.0 if present else np.inf
    if not some:
        return False
    pad_block(block, geometry.rows, geometry.cols, workspace.block)
    copy_block(values, workspace.values)
    if products:
        window_norms(workspace.block, geometry.height, geometry.width, norms)
        for a in range(absent.shape[0]):
            for b in range(absent.shape[1]):
                for j in range(workspace.images.size):
                    norms[a, b, j] += absent[a, b, j]
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
