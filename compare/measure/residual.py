"""The residual test: where ELS and the network part, does the closed form's correction point where the network went?

At the same noisy image, y = network - ELS and z = machine - ELS, all pixels and channels of an image in one vector,
measured as predicted noise, x0hat / sigma: in units of the training loss, steps can be taken together.
    slope      b = sum <y, z> / sum <z, z>, over images         1: the correction has the right size
    explained  1 - sum |y - b z|^2 / sum |y|^2, with b >= 0      share of y's energy that lies along z, in [0, 1]
    skill      1 - sum |y - z|^2 / sum |y|^2                     the same with b = 1: above 0, the machine is closer to
                                                                 the network than ELS is
A second training seed of the network (z = its output - ELS) stands beside, and is no ceiling: it carries deviations of
its own, so a theory of all that training seeds share explains more, about the square root of what the seed does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compare.measure.intervals import Interval, bootstrap


class Products(NamedTuple):
    """<y, y>, <y, z>, <z, z> of each image: (..., images)."""

    yy: np.ndarray
    yz: np.ndarray
    zz: np.ndarray


def products(network: np.ndarray, machine: np.ndarray, local: np.ndarray, sigma: float) -> Products:
    """From the three x0hat at the same points, (..., images, C, H, W); leading axes broadcast."""
    y, z = ((np.asarray(a, dtype=np.float64) - local) / sigma for a in (network, machine))
    dot = lambda a, b: (a * b).sum(axis=(-3, -2, -1))
    return Products(*np.broadcast_arrays(dot(y, y), dot(y, z), dot(z, z)))


def slope(yy, yz, zz):
    """b, over the last axis; 0 where the machine is ELS."""
    return _share(yz.sum(-1), zz.sum(-1))


def explained(yy, yz, zz):
    """Over the last axis; 0 where the machine is ELS or the network is."""
    return _share(np.maximum(yz.sum(-1), 0.0) ** 2, yy.sum(-1) * zz.sum(-1))


def skill(yy, yz, zz):
    """Over the last axis; 0 where the network is ELS."""
    return _share(2.0 * yz.sum(-1) - zz.sum(-1), yy.sum(-1))


def over_steps(products: Products, statistic) -> float | np.ndarray:
    """`explained` or `skill` of several steps together, (..., steps, images): each with its own slope, weighted by the
    energy sum <y, y> of the step."""
    energy = products.yy.sum(-1)
    return _share((statistic(*products) * energy).sum(-1), energy.sum(-1))


def interval(products: Products, statistic, seed: int) -> Interval:
    """The statistic with its 95 % bootstrap interval over images; products (images,), or (steps, images) together."""
    together = Products(*(np.atleast_2d(part) for part in products))

    def of(drawn):
        parts = Products(*(part[:, drawn].swapaxes(0, 1) for part in together))  # (draws, steps, images)
        return over_steps(parts, statistic) if statistic is not slope else statistic(*parts)[:, 0]

    return bootstrap(together.yy.shape[-1], of, seed=seed)


def _share(part, whole):
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0.0)
