"""What attention adds, and what a closed form says that it adds: two differences at the same noisy images.

    a(x) = x0hat of the attention network - x0hat of the matched CNN      (same architecture, recipe, data and seed)
    g(x) = x0hat of a closed form of attention - x0hat of ELS             (at the window k(t) of the CNN)
    cosine     sum <a, g> / sqrt(sum <a, a> sum <g, g>)       over images
    slope      sum <a, g> / sum <g, g>                        1: the correction has the right size
    explained  1 - sum |a - g|^2 / sum |a|^2                  with slope 1; below 0, saying nothing would be better
So what CNN and ELS do not share cancels, and no weight is fitted to a network with attention.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Products(NamedTuple):
    """<a, a>, <a, g>, <g, g> of each image: (..., images)."""

    aa: np.ndarray
    ag: np.ndarray
    gg: np.ndarray


def products(a: np.ndarray, g: np.ndarray) -> Products:
    """Return the products of two differences (..., images, C, H, W)."""
    dot = lambda u, v: (np.asarray(u, dtype=np.float64) * v).sum(axis=(-3, -2, -1))
    return Products(dot(a, a), dot(a, g), dot(g, g))


def cosine(aa, ag, gg):
    """Return the cosine over the last axis; NaN where a difference is 0 or not known."""
    return _ratio(ag.sum(-1), np.sqrt(aa.sum(-1) * gg.sum(-1)))


def slope(aa, ag, gg):
    """Return the slope over the last axis; NaN as for the cosine."""
    return _ratio(ag.sum(-1), gg.sum(-1))


def explained(aa, ag, gg):
    """Return the share explained with slope 1 over the last axis; NaN as for the cosine."""
    return _ratio(2 * ag.sum(-1) - gg.sum(-1), aa.sum(-1))


MEASURES = {"cosine": (cosine, "cosine of a = attention network - CNN and g = closed form - ELS, over all pixels"),
            "slope": (slope, "slope of a on g"),
            "explained": (explained, "1 - |a - g|^2 / |a|^2, over all pixels")}


def _ratio(part, whole):
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0.0)
