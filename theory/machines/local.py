"""The local score: each pixel sees its k x k window, and guesses among the training patches at its own location.

    x0(x) = sum_i W_i(x) varphi_i(x),   W_i(x) proportional to exp(-|x_Omega_x - varphi_i,Omega_x|^2 / (2 sigma^2))

Window: k x k at x. Candidates: the N patches at x. Averaged: their centres. KG eqs. 7-8; docs/theory/local.md
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theory import arguments
from theory.engine import backends
from theory.engine.scan_options import ScanOptions
from theory.machines.candidates import SamePlace
from theory.machines.patch import PatchMachine


class LocalScore(PatchMachine):
    """Denoise by the local score (LS): windows are compared with the training windows at the same place.

    ::

        x0(x) = sum_i W_i(x) varphi_i(x)
        W_i(x) proportional to exp(-|x_Omega_x - varphi_i,Omega_x|^2 / (2 sigma^2)), summed over the C channels too

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    patch_size : int
        k, odd, at least 1: the side of the window Omega_x; `denoise(..., patch_size=)` overrides it for a call.
    boundary : "zeros" or "circular"
        Pixels outside the image count in no distance; or windows wrap around.
    labels : array (N,) of int, optional
        For class-conditional use.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    Equations 7-8 of [KG2025]_. With zeros, k >= 2 max(H, W) - 1 is the ideal score.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import IdealScore, LocalScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
    >>> whole = LocalScore(images, patch_size=7).denoise(images[:2], 0.5)
    >>> bool(np.allclose(whole, IdealScore(images).denoise(images[:2], 0.5)))
    True
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", labels=None):
        super().__init__(images, patch_size, SamePlace(boundary), labels)
        self.boundary = boundary

    def denoise_scales(self, x, sigma, patch_sizes: Sequence[int], *, labels=None, backend=None, **options) -> list:
        """Return `denoise` for each of several window sizes, in one pass over the training set.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        patch_sizes : sequence of int
            Odd sizes, in any order.
        labels : int or array (B,) of int, optional
            Classes.
        backend : "numba", "torch" or TorchBackend, optional
            The engine.
        **options
            The other arguments of `denoise`; with any, the windows take a pass each.

        Returns
        -------
        list
            What `denoise` returns, one for each size.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import LocalScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
        >>> small, large = LocalScore(images, patch_size=3).denoise_scales(images[:2], 0.5, [3, 5])
        >>> bool(np.allclose(large, LocalScore(images, patch_size=5).denoise(images[:2], 0.5)))
        True
        """
        if options or arguments.requires_graph(x):
            return super().denoise_scales(x, sigma, patch_sizes, labels=labels, backend=backend, **options)
        wanted = arguments.patch_sizes(patch_sizes)
        queries, sigma, classes, _ = self._prepared(x, sigma, labels, {})
        sizes, results = sorted(set(wanted)), {k: np.empty(queries.shape) for k in wanted}
        for chosen, order in self._by_class(classes):
            request, axes = ScanOptions(order, backends.engine(backend, x)), [self._axes(k) for k in sizes]
            sums = request.engine.posterior_scales(queries[chosen], sigma[chosen], self._bank, request, axes)
            for k, of_size in zip(sizes, sums):
                results[k][chosen] = of_size.mean
        return [arguments.like(results[k], x) for k in wanted]
