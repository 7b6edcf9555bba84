"""Machines whose answer is a mean over candidates, which can therefore be named, and left out within a bound."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np
import xarray as xr

from theory import arguments
from theory.engine import backends, truncation
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior
from theory.machines.attribution import attribution
from theory.machines.machine import ScoreMachine


class PosteriorMachine(ScoreMachine):
    """Average training pixels by softmax weights: x0 = sum_j W_j v_j / sum_j W_j, over candidates j.

    A machine implements `_posterior`; where it says how many candidates there are (`_truncation`), those that cannot
    matter to the tolerance of a call are left out.
    """

    def attribute(self, x, sigma, top: int = 8, *, labels=None, **options) -> xr.Dataset:
        """Return which training patches each output pixel is made of, exactly and in one pass with the posterior mean.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`, and so the other arguments.
        sigma : float or array (B,)
            Standard deviation of the noise.
        top : int
            How many candidates to name, 1 to 1024.
        labels : int or array (B,) of int, optional
            Classes.
        **options
            Settings for this call.

        Returns
        -------
        xarray.Dataset
            Over (sample, y, x, rank): image, source_y, source_x (the candidate's centre; -1 where there are fewer
            candidates than `top`), weight (descending, a share of the whole posterior).
            Over (sample, y, x): mass (sum of the kept weights), entropy (nats, of the whole posterior over candidates),
            n_eff = exp(entropy), and entropy_images, n_eff_images, of the posterior over training images.
            Over (sample, channel, y, x): x0, the posterior mean.

        Raises
        ------
        UserError
            An argument is not as said here.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import EquivariantLocalScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6)).astype(np.float32)
        >>> found = EquivariantLocalScore(images, patch_size=3).attribute(images[4:5], 0.05, top=2)
        >>> found.image.sel(sample=0, y=2, x=3).values[0], found.source_x.sel(sample=0, y=2, x=3).values[0]
        (np.int32(4), np.int32(3))
        """
        top = arguments.integer("top", top, 1, 1024)
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        B, C, H, W = queries.shape
        x0, weight, source = np.empty(queries.shape), np.empty((B, H, W, top)), np.empty((B, H, W, top, 3), dtype=int)
        entropies = np.empty((B, 2, H, W))
        for chosen, order in self._by_class(classes):
            request = ScanOptions(order, backends.engine("numba", x), top=top)
            sums, nearest = self._posterior(queries[chosen], sigma[chosen], request,
                                            **self._restricted(options, chosen))
            weight[chosen] = _weights(nearest, 1.0 / (2.0 * sigma[chosen, None, None] ** 2), sums)
            source[chosen], entropies[chosen] = self._sources(nearest.source), np.maximum(sums.entropies, 0.0)
            x0[chosen] = sums.mean.reshape(-1, C, H, W)
        return attribution(x0, weight, source, entropies[:, 0], entropies[:, 1])

    def _denoise(self, x, sigma, request, **options):
        return self._posterior(x, sigma, request, **options)[0].mean.reshape(x.shape)

    def _within(self, x, sigma, request, accuracy, **options):
        limits = self._truncation(request, **options) if accuracy.asked else None
        if limits is None:
            return super()._within(x, sigma, request, accuracy, **options)
        count, pixels, low, high = limits
        request = replace(request, float64=accuracy.stated)
        if accuracy.tolerance is not None:
            span, budget = float((high - low).max()), accuracy.budget(low, high)
            request = replace(request, log2_cutoff=truncation.cutoff(count, span, budget),
                              float64=accuracy.stated or truncation.needs_float64(span, budget))
        sums, _ = self._posterior(x, sigma, request, **options)
        bound = truncation.bound(sums, count, pixels, request.log2_cutoff, request.float64, low, high)
        return sums.mean.reshape(x.shape), bound.reshape(x.shape)

    @abstractmethod
    def _posterior(self, x: np.ndarray, sigma: np.ndarray, request: ScanOptions,
                   **options) -> tuple[Posterior, Nearest]:
        """Softmax sums and the nearest candidates asked for, an output for each pixel or one for the whole image."""

    def _truncation(self, request: ScanOptions, **options) -> tuple[int, int, np.ndarray, np.ndarray] | None:
        """Candidates an output draws on, pixels of a window, and the range of the values (Cv,), (Cv,); None where there
        is no bound."""
        return None

    def _sources(self, sources: np.ndarray) -> np.ndarray:
        """Nearest.source (B, Y, X, K, 3) -> image, y, x of each pixel's candidates (B, H, W, K, 3)."""
        return sources


def _weights(nearest: Nearest, precision: np.ndarray, sums: Posterior) -> np.ndarray:
    """Shares of the whole posterior (B, Y, X, K), the largest first.

    Keys may be rounded otherwise than those in the sums. Far from D a logit of 1e14 nats is off by a tenth: the
    largest, where it is the posterior's peak, stands for it.
    """
    best = -nearest.key[..., 0] * precision
    peak = np.where(np.abs(best - sums.peak) <= 1e-12 * np.abs(best), best, sums.peak)
    farther = (nearest.key - nearest.key[..., :1]) + (nearest.rest - nearest.rest[..., :1])
    weight = np.exp((best - peak - np.log(sums.mass))[..., None] - precision[..., None] * farther)
    return weight / np.maximum(weight.sum(axis=-1, keepdims=True), 1.0)
