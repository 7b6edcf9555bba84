"""The covariance local score: the training set's own covariance says which pixels a value is compared on.

    W = S (S + sigma^2)^-1,   S the covariance of D
    M_mn = 1 where |W_mn| >= threshold |W_mm|, else 0
    x0_m = sum_i w_im u_im,   w_im proportional to exp(-sum_n M_mn (x_n - u_in)^2 / (2 sigma^2))

Window: of each value (pixel and channel) its own, at each noise level. Candidates: the N images. Averaged: that value.
Lukoianov et al. 2025; docs/theory/zoo.md
"""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.sparse import csr_array, vstack

from theory import arguments
from theory.engine import filters
from theory.machines.bounded_cache import BoundedCache
from theory.machines.gaussian import Gaussian, flat_images
from theory.machines.machine import ScoreMachine

MOMENTS_BYTES, MASKS_BYTES = 1 << 30, 1 << 28
"""Memory for covariances, of classes and of sets without an image, and for masks that a machine keeps."""

ROWS = 256
"""Rows of the Wiener filter that exist at once."""

NO_RESPONSE = 1e-12
"""W_mm, relative to the largest, up to which a value does not vary in D; it is compared by itself."""


class CovarianceLocalScore(ScoreMachine):
    """Denoise each value by comparing the values that the Wiener filter weighs for it.

    ::

        W = S (S + sigma^2)^-1,   M_mn = 1 where |W_mn| >= threshold |W_mm|, else 0
        x0_m = sum_i w_im u_im,   w_im proportional to exp(-sum_n M_mn (x_n - u_in)^2 / (2 sigma^2))

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    threshold : float
        In [0, 1]. 0 compares everything (the ideal score), 1 hardly more than the value itself.
    labels : array (N,) of int, optional
        For class-conditional use; a class has its own covariance.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    [LYSS2025]_ as derived. Their published code differs: the softmax is normalised within each batch of the loader, the
    mask is divided by the diagonal of the row and applied by column, and the threshold is relative to the largest entry
    of the whole matrix. S is the covariance divided by N, without shrinkage.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import CovarianceLocalScore, IdealScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
    >>> whole = CovarianceLocalScore(images, threshold=0.0).denoise(images[:2], 0.5)
    >>> bool(np.allclose(whole, IdealScore(images).denoise(images[:2], 0.5)))
    True
    """

    _in_parts = False  # its masks are of all of D

    def __init__(self, images, threshold: float = 0.02, labels=None):
        super().__init__(images, labels)
        self.threshold = arguments.at_least_0("threshold", threshold, 1.0)
        self._kept, self._masks_at = BoundedCache(MOMENTS_BYTES), BoundedCache(MASKS_BYTES)

    def _compared(self, sigma: float, request) -> csr_array | np.ndarray:
        """M (D, D) at a noise level."""
        key = tuple(request.order.tolist()), request.left_out
        covariance = self._kept.get(key, lambda: Gaussian.of_images(flat_images(self._bank, request), 0.0))
        gains = covariance.variances / (covariance.variances + sigma**2)
        return self._masks_at.get((*key, sigma), lambda: (self._masks(covariance.axes, gains),))[0]

    def _pairs_an_image(self):
        return int(np.prod(self.image_shape))

    def _bytes_of_call(self, batch):
        return super()._bytes_of_call(batch) + 2 * filters.PART_BYTES + 8 * self._pairs_an_image() ** 2

    def _denoise(self, x, sigma, request):
        return self._moments(x, sigma, request)[0]

    def _moments(self, x, sigma, request):
        parts = partial(filters.images_of, self._bank, request, x[0].size)
        own = [filters.own_moments(v, parts, self._compared(float(level), request), 1.0 / (2.0 * level**2))
               for v, level in zip(x.reshape(len(x), -1), sigma)]
        mean, variance = (np.reshape(part, x.shape) for part in zip(*own))
        return mean, variance

    def _masks(self, axes: np.ndarray, gains: np.ndarray) -> csr_array | np.ndarray:
        """M (D, D), from some rows of W = axes^T gains axes at a time."""
        diagonal, rows = gains @ axes**2, []
        fixed = diagonal <= NO_RESPONSE * diagonal.max()
        for some in np.array_split(np.arange(len(diagonal)), -(-len(diagonal) // ROWS)):
            near = np.abs((gains * axes[:, some].T) @ axes) >= self.threshold * diagonal[some, None]
            near[fixed[some]] = False
            near[np.arange(len(some)), some] = True
            rows.append(csr_array(near.astype(np.float64)))
        whole = vstack(rows, format="csr")
        return whole if whole.nnz <= filters.SPARSE * len(diagonal) ** 2 else whole.toarray()
