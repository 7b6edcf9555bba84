"""How close is a predicted image to the network's? Three numbers for each sample, which are not the same number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compare.measure.measure import Measure
from theory.errors import UserError


class Agreement(NamedTuple):
    """Per-sample agreement of predicted and generated images; the three arrays share one shape."""

    pearson_r: np.ndarray
    r2: np.ndarray
    R2: np.ndarray


def agreement(predicted, generated) -> Agreement:
    """Pearson r, its square and the coefficient of determination, over all pixels and channels of each image.

        r = cov(p, g) / (s_p s_g)        r2 = r^2        R2 = 1 - sum (p - g)^2 / sum (g - mean g)^2
        R2 = r^2 - (r - s_p / s_g)^2 - ((mean p - mean g) / s_g)^2,  hence  R2 <= r2 <= |r|

    predicted, generated (..., C, H, W): the closed form's image p and the network's image g; leading axes broadcast, so
    that (M, 1, S, C, H, W) against (1, N, S, C, H, W) compares M machines with N networks on S samples.
    Returns float64 arrays of the broadcast leading shape. pearson_r and r2 are in [-1, 1] and [0, 1], R2 in (-inf, 1].
    A constant image (all its values equal) has no variance: r and r2 are NaN if either image is constant, R2 is NaN if
    the network's is. They stay in the arrays, and `intervals.bootstrap_interval` counts them.
    ValueError: image shapes that differ, fewer than three axes, no pixels, values that are not finite.
    Source: Kamb & Ganguli 2025 print r2; their released evaluation computes r.
    """
    p, g = _pixels("predicted", predicted), _pixels("generated", generated)
    if np.shape(predicted)[-3:] != np.shape(generated)[-3:]:
        raise UserError(f"predicted: got images of shape {np.shape(predicted)[-3:]}, "
                         f"want {np.shape(generated)[-3:]} as in generated")
    mean_p, mean_g = p.mean(-1, keepdims=True), g.mean(-1, keepdims=True)
    p_flat, g_flat = np.ptp(p, axis=-1) == 0.0, np.ptp(g, axis=-1) == 0.0
    dp, dg = p - mean_p, g - mean_g
    pp = np.where(p_flat, np.nan, np.einsum("...d,...d->...", dp, dp))          # (..., ) sums over D = C H W
    gg = np.where(g_flat, np.nan, np.einsum("...d,...d->...", dg, dg))
    pg = np.einsum("...d,...d->...", dp, dg)
    sse = np.where(p_flat, 0.0, pp) - 2.0 * pg + gg + p.shape[-1] * (mean_p - mean_g)[..., 0] ** 2
    r = np.clip(pg / np.sqrt(pp * gg), -1.0, 1.0)
    return Agreement(r, r**2, 1.0 - sse / gg)


def _pixels(name: str, images) -> np.ndarray:
    """(..., C, H, W) -> (..., C H W) in float64."""
    images = np.asarray(images, dtype=np.float64)
    if images.ndim < 3 or images.shape[-3:].count(0):
        raise UserError(f"{name}: got shape {images.shape}, want (..., channel, y, x) with at least one pixel")
    if not np.all(np.isfinite(images)):
        raise UserError(f"{name}: got values that are not finite, want images without NaN or infinity")
    return images.reshape(*images.shape[:-3], -1)


MEASURE = Measure({
    "pearson_r": "Pearson correlation of two images, over all pixels and channels; NaN if either image is constant",
    "r2": "square of the Pearson correlation",
    "R2": "coefficient of determination, 1 - SSE / SST of the network's image; NaN if that is constant",
}, lambda predicted, generated: agreement(predicted, generated)._asdict())
