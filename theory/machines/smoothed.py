"""The smoothed score: the ideal score averaged around the query, which blurs between training images.

    x0 = (1 / M) sum_m IS(x + scale n_m),   n_m fixed standard normal draws

Window: the whole image. Candidates: the N images. Averaged: whole images, M times. Scarvelis et al. 2025;
docs/theory/zoo.md
"""

from __future__ import annotations

import numpy as np

from theory import arguments
from theory.machines.ideal import in_one_row, whole_image_scan
from theory.machines.machine import ScoreMachine


class SmoothedScore(ScoreMachine):
    """Denoise by the ideal score's mean over a few noisy copies of the query.

    ::

        x0 = (1 / M) sum_m IS(x + scale n_m),   IS the ideal score at the same sigma

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    draws : int
        M, at least 1.
    scale : float
        Standard deviation of the noise that is added, in pixel units, at least 0.
    seed : int
        Of the draws, which are the same at every x and sigma: numpy's default generator, normal((M, C, H, W)).
    labels : array (N,) of int, optional
        For class-conditional use.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    [SBS2025]_, whose samples are barycentres of M training images. There the draws are new at each step; fixed ones
    make x0 a function of x. scale = 0 is the ideal score.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import IdealScore, SmoothedScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
    >>> plain = SmoothedScore(images, draws=3, scale=0.0).denoise(images[:2], 0.5)
    >>> bool(np.allclose(plain, IdealScore(images).denoise(images[:2], 0.5)))
    True
    """

    _candidates_per_row = 4  # as in the ideal score

    def __init__(self, images, draws: int = 10, scale: float = 0.1, seed: int = 0, labels=None):
        super().__init__(images, labels)
        self._bank = in_one_row(self._bank)
        self.draws, self.scale = arguments.integer("draws", draws, 1), arguments.at_least_0("scale", scale)
        self.seed = arguments.integer("seed", seed, 0)
        self._noise = np.random.default_rng(self.seed).normal(size=(self.draws, *self.image_shape))

    def _denoise(self, x, sigma, request):
        return self._scan(x, sigma, request).posterior()[0].mean.reshape(-1, *x.shape).mean(axis=0)

    def _with_pull_back(self, x, sigma, request):
        mean, pull_back = self._scan(x, sigma, request).with_pull_back()

        def mean_pull_back(a):
            each = np.broadcast_to(a / self.draws, (self.draws, *a.shape))
            return pull_back(each.reshape(mean.shape)).reshape(-1, *x.shape).sum(axis=0)

        return mean.reshape(-1, *x.shape).mean(axis=0), mean_pull_back

    def _pairs_an_image(self):
        return self.draws

    def _scan(self, x, sigma, request):
        around = x + self.scale * self._noise[:, None]  # (M, B, C, H, W)
        return whole_image_scan(around.reshape(-1, *x.shape[1:]), np.tile(sigma, self.draws), self._bank, request)
