"""The Gaussian score: what follows from mean and covariance of D alone, the baseline that is not easily beaten.

    x0 = m + S (S + sigma^2 I)^-1 (x - m),   m = mean of D,   S = (1 - rho) S_D + rho tr(S_D) / d I

Window: the whole image. No candidates: the answer is affine in x, an average of nothing that could be named.
"""

from __future__ import annotations

from theory import arguments
from theory.machines.bounded_cache import BoundedCache
from theory.machines.gaussian import Gaussian, flat_images
from theory.machines.machine import ScoreMachine

MOMENTS_BYTES = 1 << 30
"""Memory for the moments of classes and of sets without an image that a machine keeps."""


class WienerScore(ScoreMachine):
    """Denoise by the Wiener filter, the posterior mean for x0 ~ N(m, S) and the best affine denoiser.

    ::

        x0 = m + S (S + sigma^2 I)^-1 (x - m),   m = mean of D,   S = (1 - rho) S_D + rho tr(S_D) / d I

    with S_D the covariance of D (divided by N) over the d = C * H * W pixels, and rho the shrinkage towards white, so
    that few images in many pixels do not pass for certainty.

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    labels : array (N,) of int, optional
        For class-conditional use.
    shrinkage : float, optional
        rho in [0, 1]; by default of [LW2004]_, from D itself.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    [WV2024]_ find it to predict networks at high noise. As sigma falls to 0, x itself (its part inside the span of D
    without shrinkage); as it grows, the mean image.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import WienerScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8))
    >>> mean = WienerScore(images).denoise(images[:2], 1e4)
    >>> bool(np.allclose(mean, images.mean(axis=0), atol=1e-3))
    True
    """

    _in_parts = False  # its moments are of all of D

    def __init__(self, images, labels=None, shrinkage: float | None = None):
        super().__init__(images, labels)
        self.shrinkage = arguments.fraction("shrinkage", shrinkage)
        self._gaussians = BoundedCache(MOMENTS_BYTES)

    def _denoise(self, x, sigma, request):
        mean = self._gaussian(request).mean.reshape(x.shape[1:])
        return mean + self._filtered(x - mean, sigma, request)

    def _moments(self, x, sigma, request):
        return self._denoise(x, sigma, request), self._gaussian(request).variance(sigma).reshape(x.shape)

    def _with_pull_back(self, x, sigma, request):
        return self._denoise(x, sigma, request), lambda a: self._filtered(a, sigma, request)  # which is symmetric

    def _filtered(self, x, sigma, request):
        return self._gaussian(request).filtered(x.reshape(len(x), -1), sigma).reshape(x.shape)

    def _gaussian(self, request) -> Gaussian:
        key = tuple(request.order.tolist()), request.left_out
        return self._gaussians.get(key, lambda: Gaussian.of_images(flat_images(self._bank, request), self.shrinkage))
