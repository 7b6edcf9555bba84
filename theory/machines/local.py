"""The local score: each pixel sees its k x k window, and guesses among the training patches at its own location."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theory import arguments
from theory.engine.geometry import BOUNDARIES, Axis, local_axis
from theory.machines.machine import ScoreMachine


class PatchMachine(ScoreMachine):
    """A machine that compares k x k windows; it says along each axis which candidates compete (`_axis`)."""

    def __init__(self, images, patch_size: int, boundary: str = "zeros", labels=None):
        super().__init__(images, labels)
        self.patch_size = arguments.odd_patch_size(patch_size)
        self.boundary = arguments.choice("boundary", boundary, BOUNDARIES)
        self._axes(self.patch_size)

    def denoise_scales(self, x, sigma, patch_sizes: Sequence[int], **options) -> list:
        """`denoise` for each of `patch_sizes`."""
        return [self.denoise(x, sigma, patch_size=k, **options) for k in arguments.patch_sizes(patch_sizes)]

    def _axis(self, length: int, patch_size: int) -> Axis:
        raise NotImplementedError

    def _axes(self, patch_size: int) -> tuple[Axis, Axis]:
        return self._axis(self.image_shape[1], patch_size), self._axis(self.image_shape[2], patch_size)

    def _checked(self, count, *, patch_size=None, **options):
        size = self.patch_size if patch_size is None else arguments.odd_patch_size(patch_size)
        return {"axes": self._axes(size), **super()._checked(count, **options)}

    def _posterior(self, x, sigma, request, axes):
        return request.engine.posterior(x, sigma, self._bank, request, *axes)

    def _truncation(self, request, axes):
        places = [max(1, axis.candidate_range[1] - axis.candidate_range[0]) for axis in axes]
        return int(np.prod(places)) * int(self._bank.present(request.order).sum()), self._bank.low, self._bank.high


class LocalScore(PatchMachine):
    """LS: x0(x) = sum_i W_i(x) varphi_i(x), W_i(x) from the k x k windows at x (KG eqs. 7-8).

        W_i(x) proportional to exp(-|x_Omega_x - varphi_i,Omega_x|^2 / (2 sigma^2)), summed over the C channels too
    images (N, C, H, W) float in [-1, 1]      patch_size: odd k; `denoise(..., patch_size=)` overrides it for a call
    boundary: "zeros", pixels outside the image count in no distance; "circular", windows wrap around
    labels (N,) integers for class-conditional use, or None
    Limit: with zeros, k >= 2 max(H, W) - 1 is the ideal score. docs/local.md
    """

    _candidates_per_row = 4  # really one; blocks of more images would outgrow the caches

    def _axis(self, length, patch_size):
        return local_axis(length, patch_size, self.boundary)

    def denoise_scales(self, x, sigma, patch_sizes: Sequence[int], *, labels=None, backend=None) -> list:
        """`denoise` for each of `patch_sizes`, in one pass over the training set."""
        wanted = arguments.patch_sizes(patch_sizes)
        queries, sigma, classes, _ = self._prepared(x, sigma, labels, {})
        sizes, results = sorted(set(wanted)), {k: np.empty(queries.shape) for k in wanted}
        for chosen, order in self._by_class(classes):
            request, axes = self._request(order, x, backend), [self._axes(k) for k in sizes]
            sums = request.engine.posterior_scales(queries[chosen], sigma[chosen], self._bank, request, axes)
            for k, of_size in zip(sizes, sums):
                results[k][chosen] = of_size.mean
        return [arguments.like(results[k], x) for k in wanted]
