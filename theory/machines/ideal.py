"""The ideal score: what a network that learned the score perfectly would output, and so only repeats D."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theory.engine.attribution import whole_image_sources
from theory.engine.geometry import whole_axis
from theory.machines.machine import ScoreMachine


class IdealScore(ScoreMachine):
    """IS: x0 = sum_i W_i varphi_i, W_i proportional to exp(-|x - varphi_i|^2 / (2 sigma^2)) (KG eqs. 3-4).

    images (N, C, H, W) float in [-1, 1]; labels (N,) integers for class-conditional use, or None.
    Limits: sigma -> 0, the nearest image; sigma -> infinity, the mean image. docs/ideal.md
    """

    _candidates_per_row = 4  # really one; blocks of more images would outgrow the caches

    def __init__(self, images, labels=None):
        super().__init__(images, labels)
        # The image as one row of C * H * W pixels and one window over all of it: a single output, valued in images.
        D = int(np.prod(self.image_shape))
        self._values = self._bank.blocks.reshape(len(self._bank.blocks), D, 1, 1, -1)
        self._bank = replace(self._bank, blocks=self._values.reshape(-1, 1, 1, D, self._bank.images_per_block))
        self._rows, self._cols = whole_axis(1), whole_axis(D)

    def _posterior(self, x, sigma, request):
        flat = x.reshape(len(x), 1, 1, -1)
        return request.engine.posterior(flat, sigma, self._bank, request, self._rows, self._cols, self._values)

    def _truncation(self, request):
        pixels = self.image_shape[1] * self.image_shape[2]
        low, high = (np.repeat(edge, pixels) for edge in (self._bank.low, self._bank.high))
        return int(self._bank.present(request.order).sum()), low, high

    def _sources(self, sources):
        return whole_image_sources(sources, np.zeros((*sources.shape[:-1], 2), dtype=int), self.image_shape)
