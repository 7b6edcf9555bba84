"""The ideal score: what a network that learned the score perfectly would output, and so only repeats D.

    x0 = sum_i W_i varphi_i,   W_i proportional to exp(-|x - varphi_i|^2 / (2 sigma^2))

Window: the whole image. Candidates: the N images. Averaged: whole images. KG eqs. 3-4; docs/theory/ideal.md
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theory.engine.bank import Bank
from theory.engine.geometry import whole_axis
from theory.engine.scan_options import ScanOptions
from theory.machines.attribution import whole_image_sources
from theory.machines.posterior import PosteriorMachine
from theory.machines.window_scan import WindowScan


class IdealScore(PosteriorMachine):
    """Denoise by the ideal score (IS): the posterior mean given the whole image.

    ::

        x0 = sum_i W_i varphi_i,   W_i proportional to exp(-|x - varphi_i|^2 / (2 sigma^2))

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
    Equations 3-4 of [KG2025]_. As sigma falls to 0, the nearest image; as it grows, the mean image.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import IdealScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8)).astype(np.float32)
    >>> nearest = IdealScore(images).denoise(images[:2] + 0.01, 1e-3)
    >>> bool(np.allclose(nearest, images[:2]))
    True
    """

    _candidates_per_row = 4  # really one; blocks of more images would outgrow the caches

    def __init__(self, images, labels=None):
        super().__init__(images, labels)
        self._bank = in_one_row(self._bank)

    def _posterior(self, x, sigma, request):
        return whole_image_scan(x, sigma, self._bank, request).posterior()

    def _moments(self, x, sigma, request):
        low, high = self._bank.low[:, None, None], self._bank.high[:, None, None]
        centre = np.clip(x, low, high).reshape(len(x), -1, 1, 1)
        mean, variance = whole_image_scan(x, sigma, self._bank, request).moments(centre)
        return mean.reshape(x.shape), variance.reshape(x.shape)

    def _with_pull_back(self, x, sigma, request):
        mean, pull_back = whole_image_scan(x, sigma, self._bank, request).with_pull_back()
        return mean.reshape(x.shape), lambda a: pull_back(a.reshape(mean.shape)).reshape(x.shape)

    def _truncation(self, request):
        pixels = self.image_shape[1] * self.image_shape[2]
        low, high = (np.repeat(edge, pixels) for edge in (self._bank.low, self._bank.high))
        return int(self._bank.present(request.order).sum()), len(low), low, high

    def _sources(self, sources):
        return whole_image_sources(sources, np.zeros((*sources.shape[:-1], 2), dtype=int), self.image_shape)


def in_one_row(bank: Bank) -> Bank:
    """The same images as one row of C * H * W pixels each."""
    return replace(bank, blocks=bank.blocks.reshape(len(bank.blocks), 1, 1, -1, bank.images_per_block))


def whole_image_scan(x, sigma, bank: Bank, request: ScanOptions) -> WindowScan:
    """One window over all of an image, a bank's `in_one_row`: a single output, valued in images."""
    flat = x.reshape(len(x), 1, 1, -1)
    values = bank.blocks.reshape(len(bank.blocks), flat.shape[-1], 1, 1, -1)
    return WindowScan(flat, sigma, bank, request, (whole_axis(1), whole_axis(flat.shape[-1])), values)
