"""The equivariant score: the ideal score of the training set and all its circular translates.

    x0 = sum_{i,s} W_{i,s} T_s varphi_i,   W_{i,s} proportional to exp(-|x - T_s varphi_i|^2 / (2 sigma^2))

Window: the whole image. Candidates: the H * W translates of the N images. Averaged: whole images. KG eqs. 5-6;
docs/theory/equivariant.md
"""

from __future__ import annotations

import numba
import numpy as np
from scipy.fft import irfft2, rfft2

from theory._kernels.numerics import NEGLIGIBLE, PRODUCT_ERROR
from theory.engine.posterior import Nearest, Posterior, concatenated, merge, merge_nearest
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
            orbit = members, images, _transform(images)
            for b, state in enumerate(states):
                state.append(_over_translates(x[b], spectra[b], 1.0 / (2.0 * sigma[b] ** 2), orbit, top))
        merged = [(merge([s for s, _ in state]), merge_nearest([n for _, n in state])) for state in states]
        sums, nearest = zip(*merged)
        return concatenated(sums), concatenated(nearest)

    def _truncation(self, request):
        C, H, W = self.image_shape
        low, high = (np.repeat(edge, H * W) for edge in (self._bank.low, self._bank.high))
        return int(self._bank.present(request.order).sum()) * H * W, len(low), low, high

    def _sources(self, sources):
        shift = np.stack(np.divmod(sources[..., 1], self.image_shape[2]), axis=-1)
        return whole_image_sources(sources, shift, self.image_shape)


def _over_translates(x, spectrum, precision: float, orbit, top: int) -> tuple[Posterior, Nearest]:
    """One query's softmax sums over all translates of some images, and the nearest: sources (image, dy * W + dx, 0)."""
    members, images, spectra = orbit
    n, C, H, W = images.shape
    inner = _back((spectrum * spectra.conj()).sum(axis=1), (H, W))  # <x, T_s varphi_i>, (n, H, W)
    norms = (x**2).sum() + (images**2).sum(axis=(1, 2, 3))
    distance = np.maximum(norms[:, None, None] - 2.0 * inner, 0.0)
    error = FFT_ERROR * norms.max()
    if precision * error > PRODUCT_ERROR["float64"]:
        _remeasure(x, distance, images, NEGLIGIBLE / precision + 2.0 * error)
    logits = -precision * distance
    peak = logits.max()
    weights = np.exp(logits - peak)
    image_mass = weights.sum(axis=(1, 2))
    total = _back((spectra * _transform(weights)[:, None]).sum(axis=0), (H, W))  # sum_{i, s} W T_s varphi_i
    energy = np.array([(weights * (logits - peak)).sum(), (image_mass * np.log(np.maximum(image_mass, 1e-300))).sum()])
    sums = Posterior(np.full((1, 1, 1), peak), np.full((1, 1, 1), image_mass.sum()), total.reshape(1, -1, 1, 1),
                     energy[: 2 * bool(top)].reshape(1, -1, 1, 1))
    return sums, _nearest(x, distance, members, images, top)


def _remeasure(x, distance, images, reach: float) -> None:
    """Measure again, in place, the translates that are no farther than `reach` beyond the nearest, where products
    cancel: as sigma falls to 0."""
    _, C, H, W = images.shape
    i, dy, dx = np.nonzero(distance <= distance.min() + reach)
    for some in np.array_split(np.arange(len(i)), -(-len(i) * x.size // (ORBIT_BYTES // 8))):
        rows = (np.arange(H) - dy[some, None]) % H
        cols = (np.arange(W) - dx[some, None]) % W
        moved = images[i[some, None, None, None], np.arange(C)[:, None, None], rows[:, None, :, None],
                       cols[:, None, None, :]]
        distance[i[some], dy[some], dx[some]] = ((x - moved) ** 2).sum(axis=(1, 2, 3))


def _nearest(x, distance, members, images, top: int) -> Nearest:
    """The `top` nearest translates, measured again one by one, equals in their order."""
    lists = Nearest.empty((1, 1, 1), top)
    count = min(top, distance.size)
    if not count:
        return lists
    chosen = np.sort(np.argpartition(distance, count - 1, axis=None)[:count])
    i, dy, dx = np.unravel_index(chosen, distance.shape)
    exact = [((x - np.roll(images[j], (s, t), axis=(1, 2))) ** 2).sum() for j, s, t in zip(i, dy, dx)]
    rank = np.argsort(exact, kind="stable")
    lists.key[0, 0, 0, :count] = np.array(exact)[rank]
    lists.source[0, 0, 0, :count] = np.stack([members[i], dy * distance.shape[2] + dx, 0 * dx], axis=-1)[rank]
    return lists


def _transform(images: np.ndarray) -> np.ndarray:
    return rfft2(images, workers=numba.get_num_threads())


def _back(spectra: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return irfft2(spectra, s=size, workers=numba.get_num_threads())
