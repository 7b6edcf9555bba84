"""The equivariant score: the ideal score of the training set and all its circular translates.

    x0 = sum_{i,s} W_{i,s} T_s varphi_i,   W_{i,s} proportional to exp(-|x - T_s varphi_i|^2 / (2 sigma^2))

Window: the whole image. Candidates: the H * W translates of the N images. Averaged: whole images. KG eqs. 5-6;
docs/theory/equivariant.md
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft2, rfft2

from theory._kernels.far import distances_far
from theory._kernels.numerics import NEGLIGIBLE, PRODUCT_ERROR
from theory.engine.chunks import thread_count
from theory.engine.softmax import Nearest, Posterior, concatenated, merge_nearest, merged_by_distance, stacked
from theory.machines.attribution import whole_image_sources
from theory.machines.posterior import PosteriorMachine

ORBIT_BYTES = 1 << 26
"""Memory for the spectra and distances of the images that are taken at once."""

FFT_ERROR = 16.0 * float(np.finfo(np.float64).eps)
"""Error of a squared distance by Fourier products, per |x|^2 + |varphi_i|^2."""


class EquivariantScore(PosteriorMachine):
    """Denoise by the equivariant score (ES): the ideal score over all circular translates of each image.

    ::

        x0 = sum_{i,s} W_{i,s} T_s varphi_i,   W_{i,s} proportional to exp(-|x - T_s varphi_i|^2 / (2 sigma^2))

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    labels : array (N,) of int, optional
        For class-conditional use.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    Equations 5-6 of [KG2025]_. Both sums over translates are Fourier products, in float64: an image costs
    O(C H W log(H W)), not O(C (H W)^2).

    Examples
    --------
    >>> import numpy as np
    >>> from theory import EquivariantScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8))
    >>> machine = EquivariantScore(images)
    >>> moved = machine.denoise(np.roll(images[:2], 3, axis=-1), 0.5)
    >>> bool(np.allclose(moved, np.roll(machine.denoise(images[:2], 0.5), 3, axis=-1)))
    True
    """

    def _posterior(self, x, sigma, request):
        return self._over_orbits(x, sigma, request, lambda images: images)

    def _moments(self, x, sigma, request):
        sums, _ = self._over_orbits(x, sigma, request, lambda images: np.concatenate([images, images**2], axis=1))
        mean, square = np.split(sums.mean.reshape(len(x), -1, *self.image_shape[1:]), 2, axis=1)
        return mean, np.maximum(square - mean**2, 0.0)

    def _over_orbits(self, x, sigma, request, values: Callable[[np.ndarray], np.ndarray]):
        """Softmax sums over all translates of `values` (n, Cv, H, W) of the images (n, C, H, W), and the nearest."""
        order, top = request.order, request.top
        C, H, W = self.image_shape
        at_once = max(1, ORBIT_BYTES // (16 * (C + 3) * H * W * self._bank.images_per_block))
        spectra = _transform(x)
        states: list[list] = [[] for _ in x]
        for start in range(0, len(order), at_once):
            some = order[start : start + at_once]
            present = self._bank.present(some, request.left_out)
            members = self._bank.index[some][present]
            if not len(members):
                continue
            images = np.moveaxis(self._bank.blocks[some], -1, 1)[present].astype(np.float64)  # (n, C, H, W)
            orbit = members, images, _transform(images), _transform(values(images))
            for b, state in enumerate(states):
                state.append(_over_translates(x[b], spectra[b], 1.0 / (2.0 * sigma[b] ** 2), orbit, top))
        merged = [_merged(state, 1.0 / (2.0 * level**2)) for state, level in zip(states, sigma)]
        sums, nearest = zip(*merged)
        return concatenated(sums), concatenated(nearest)

    def _pairs_an_image(self):
        return self.image_shape[1] * self.image_shape[2]

    def _truncation(self, request):
        C, H, W = self.image_shape
        low, high = (np.repeat(edge, H * W) for edge in (self._bank.low, self._bank.high))
        return int(self._bank.present(request.order).sum()) * H * W, len(low), low, high

    def _sources(self, sources):
        shift = np.stack(np.divmod(sources[..., 1], self.image_shape[2]), axis=-1)
        return whole_image_sources(sources, shift, self.image_shape)


def _merged(parts, precision: float) -> tuple[Posterior, Nearest]:
    """One query's sums and lists from those of some images each."""
    sums, near, lists = zip(*parts)
    distance, rest = (np.stack([getattr(own, part) for own in near]) for part in ("key", "rest"))
    return merged_by_distance(stacked(sums), distance, rest, precision), merge_nearest(lists)


def _over_translates(x, spectrum, precision: float, orbit, top: int) -> tuple[Posterior, Nearest]:
    """One query's softmax sums over all translates of some images, and the nearest: sources (image, dy * W + dx, 0)."""
    members, images, spectra, averaged = orbit
    n, C, H, W = images.shape
    inner = _back((spectrum * spectra.conj()).sum(axis=1), (H, W))  # <x, T_s varphi_i>, (n, H, W)
    norms = (x**2).sum() + (images**2).sum(axis=(1, 2, 3))
    distance = np.maximum(norms[:, None, None] - 2.0 * inner, 0.0)
    error = FFT_ERROR * norms.max()
    rest = np.zeros_like(distance)
    if precision * error > PRODUCT_ERROR["float64"]:
        rest = _remeasure(x, distance, images, NEGLIGIBLE / precision + 2.0 * error)
    nearest = np.unravel_index(np.lexsort((rest.ravel(), distance.ravel()))[0], distance.shape)
    logits = -precision * ((distance - distance[nearest]) + (rest - rest[nearest]))
    weights = np.exp(logits)
    image_mass = weights.sum(axis=(1, 2))
    total = _back((averaged * _transform(weights)[:, None]).sum(axis=0), (H, W))  # sum_{i, s} W T_s varphi_i
    energy = np.array([(weights * logits).sum(), (image_mass * np.log(np.maximum(image_mass, 1e-300))).sum()])
    near = Nearest(distance[nearest].reshape(1, 1, 1), np.array(nearest), rest[nearest].reshape(1, 1, 1))
    sums = Posterior(np.zeros((1, 1, 1)), np.full((1, 1, 1), image_mass.sum()), total.reshape(1, -1, 1, 1),
                     energy[: 2 * bool(top)].reshape(1, -1, 1, 1))
    return sums, near, _nearest(x, distance, 2.0 * error, members, images, top)


def _remeasure(x, distance, images, reach: float) -> np.ndarray:
    """Measure again, in place, the translates that are no farther than `reach` beyond the nearest, where products
    cancel: as sigma falls to 0. Returns what float64 leaves of the distances."""
    rest = np.zeros_like(distance)
    places = np.nonzero(distance <= distance.min() + reach)
    for some in np.array_split(np.arange(len(places[0])), -(-len(places[0]) * x.size // (ORBIT_BYTES // 8))):
        part = tuple(along[some] for along in places)
        distance[part], rest[part] = _exact_distances(x, images, *part)
    return rest


def _exact_distances(x, images, i, dy, dx) -> np.ndarray:
    """|x - T_(dy, dx) images[i]|^2 for each of some translates, in two parts, (2, n)."""
    _, C, H, W = images.shape
    rows, cols = (np.arange(H) - dy[:, None]) % H, (np.arange(W) - dx[:, None]) % W
    moved = images[i[:, None, None, None], np.arange(C)[:, None, None], rows[:, None, :, None], cols[:, None, None, :]]
    out = np.empty((2, len(i)))
    distances_far(x.ravel(), moved.reshape(len(i), -1), out)
    return out


def _nearest(x, distance, error: float, members, images, top: int) -> Nearest:
    """The `top` nearest translates, measured again one by one, equals in their order."""
    lists = Nearest.empty((1, 1, 1), top)
    count = min(top, distance.size)
    if not count:
        return lists
    last = np.partition(distance, count - 1, axis=None)[count - 1]
    i, dy, dx = np.nonzero(distance <= last + error)
    exact, rest = _exact_distances(x, images, i, dy, dx)
    rank = np.lexsort((rest, exact))[:count]
    lists.key[0, 0, 0, :count], lists.rest[0, 0, 0, :count] = exact[rank], rest[rank]
    lists.source[0, 0, 0, :count] = np.stack([members[i], dy * distance.shape[2] + dx, 0 * dx], axis=-1)[rank]
    return lists


def _transform(images: np.ndarray) -> np.ndarray:
    return rfft2(images, workers=thread_count())


def _back(spectra: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return irfft2(spectra, s=size, workers=thread_count())
