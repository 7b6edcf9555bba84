"""Filtered patch machines: every posterior by weighted squared differences, every answer a weighted paste.

    E_j = sum_u w_j(u) u,   w_j(u) proportional to exp(-sum_d lambda_jd (x_d - u_d)^2 / (2 sigma^2)),   u in the source
    x0_d = sum_j rho_jd E_jd / sum_j rho_jd

Window: the pixels where lambda_j > 0, as much as it says. Candidates: the training images, their translates, or other
images. Averaged: whole images, of which rho_j keeps what it says. Niedoba et al. 2026; docs/theory/zoo.md
"""

from __future__ import annotations

import numpy as np

from theory import arguments
from theory.engine import filters
from theory.errors import UserError
from theory.machines.machine import ScoreMachine

SOURCES = ("same", "translates")


class FilteredScore(ScoreMachine):
    """Denoise by filters that say how much each pixel counts in a comparison, and where its result is written.

    ::

        E_j = sum_u w_j(u) u,   w_j(u) proportional to exp(-sum_d lambda_jd (x_d - u_d)^2 / (2 sigma^2))
        x0_d = sum_j rho_jd E_jd / sum_j rho_jd

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    query : array (J, C, H, W)
        lambda_j, finite, at least 0: precision weights of the comparison.
    response : array (J, C, H, W)
        rho_j, finite, at least 0: weights of the answer; every pixel needs one above 0.
    source : "same", "translates" or array (S, C, H, W)
        The candidates u: the training images, all their circular translates, or other images in place of `images`.
    labels : array (N,) of int, optional
        For class-conditional use; of the source's images where that is an array.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    The class of [NZW2026]_. One filter of ones is the ideal score; lambda_u a window and rho_u = 1 at its pixel u is
    the local score; lambda = rho = patches is `PatchSetScore`. Every query costs N J pixels that count, in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import FilteredScore, IdealScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
    >>> ones = np.ones((1, 1, 4, 4))
    >>> whole = FilteredScore(images, query=ones, response=ones).denoise(images[:2], 0.5)
    >>> bool(np.allclose(whole, IdealScore(images).denoise(images[:2], 0.5)))
    True
    """

    def __init__(self, images, query, response, source="same", labels=None):
        own = isinstance(source, str)
        if own:
            arguments.choice("source", source, SOURCES)
            super().__init__(images, labels)
        else:
            shape = arguments.training_images(images).shape[1:]
            super().__init__(arguments.training_images(source, "source"), labels)
            if self.image_shape != shape:
                raise UserError(f"source: got images of shape {self.image_shape}, want {shape} like images")
        self.query, self.response = (arguments.filters(name, value, self.image_shape)
                                     for name, value in (("query", query), ("response", response)))
        if len(self.query) != len(self.response):
            raise UserError(f"response: got {len(self.response)} filters, want {len(self.query)}, as many as query")
        self.source = source if own else np.asarray(arguments.as_numpy(source))
        self._filters, self._responses = compacted(self.query), normalised("response", self.response)

    def _denoise(self, x, sigma, request):
        return self._with_pull_back(x, sigma, request)[0]

    def _with_pull_back(self, x, sigma, request):
        precision, parts = 1.0 / (2.0 * sigma**2), lambda: self._candidates(request)
        flat = x.reshape(len(x), -1)
        x0 = [filters.responded(v, parts, self._filters, self._responses, p) for v, p in zip(flat, precision)]

        def pull_back(a):
            pulled = [filters.pulled_back(v, parts, self._filters, self._responses, p, own)
                      for v, p, own in zip(flat, precision, a.reshape(flat.shape))]
            return np.reshape(pulled, x.shape)

        return np.reshape(x0, x.shape), pull_back

    def _pairs_an_image(self):
        translated = isinstance(self.source, str) and self.source == "translates"
        return len(self.query) * (self.image_shape[1] * self.image_shape[2] if translated else 1)

    def _bytes_of_call(self, batch):
        return super()._bytes_of_call(batch) + 2 * filters.PART_BYTES

    def _candidates(self, request):
        images = filters.images_of(self._bank, request, len(self.query))
        translated = isinstance(self.source, str) and self.source == "translates"
        return filters.translates_of(images, self.image_shape) if translated else images


def compacted(stack: np.ndarray):
    """Filters (J, C, H, W) as a matrix (J, D) of float64."""
    return filters.compact(stack.reshape(len(stack), -1).astype(np.float64))


def normalised(name: str, stack: np.ndarray):
    """Responses (J, C, H, W) such that each pixel's sum to 1, as a matrix; UserError for a pixel that has none."""
    covered = stack.sum(axis=0, dtype=np.float64)
    if (covered <= 0.0).any():
        missing = tuple(map(int, np.argwhere(covered <= 0.0)[0]))
        raise UserError(f"{name}: got none above 0 at {int((covered <= 0.0).sum())} values (the first at channel, y, x "
                        f"= {missing}), want one at every pixel")
    return compacted(stack / covered)
