"""What every score machine shares: the training set, the checks at the border, classes, and what follows from x0."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

import numpy as np
import xarray as xr

import theory.engine.posterior
from theory import arguments
from theory.engine import backends, truncation
from theory.engine.attribution import attribution
from theory.engine.bank import Bank
from theory.engine.posterior import Nearest, Posterior
from theory.engine.scan_options import ScanOptions
from theory.errors import UserError


class ScoreMachine(ABC):
    """A closed-form denoiser: the posterior mean E[x0 | what the machine may see] for x = x0 + sigma n, x0 in D.

    A machine implements `_posterior`, which gets checked float64 queries of one class; the rest is here.
    """

    _candidates_per_row: int | None = None
    """Candidates in a row of one training image that a query pixel draws on; None for about the image's width."""

    def __init__(self, images, labels=None):
        images = arguments.training_images(images)
        labels = arguments.training_labels(labels, len(images))
        self.count, self.image_shape, self.conditional = len(images), images.shape[1:], labels is not None
        self._bank = Bank.build(images, labels, self._candidates_per_row)

    def denoise(self, x, sigma, *, labels=None, tolerance: float | None = None, return_bound: bool = False,
                backend=None, **options):
        """The posterior mean x0.

        x (B, C, H, W): x0 + sigma n, numpy or torch      sigma: a number or (B,), noise std in pixel units, above 0
        labels: None for all of D, an integer or (B,) for D restricted to that class
        tolerance: None for the exact mean, or how far from it an output may be; return_bound: also return, per output
            value, a bound on that distance, at most the tolerance. docs/posterior.md
        backend: "numba", "torch", or a `theory.engine.torch_backend.TorchBackend`; by default as x's device has it
        options: per-call settings of the machine, such as patch_size
        Returns (B, C, H, W) like x, or two of them. UserError: an argument that is not as said here, in one line.
        """
        x0, bound = self._answer(x, sigma, labels, options, backend, tolerance=arguments.tolerance(tolerance))
        return (x0, bound) if return_bound else x0

    def leave_out(self, x, sigma, image: int, *, labels=None, backend=None, **options):
        """The posterior mean had training image `image` not been in D, exactly; arguments as in `denoise`."""
        if isinstance(image, bool) or not isinstance(image, int | np.integer) or not 0 <= image < self.count:
            raise UserError(f"image: got {image!r}, want an integer from 0 to {self.count - 1}")
        return self._answer(x, sigma, labels, options, backend, left_out=int(image))[0]

    def attribute(self, x, sigma, top: int = 8, *, labels=None, **options) -> xr.Dataset:
        """Which training patches each output pixel is made of, exactly and in one pass with the posterior mean.

        top: how many candidates to name, 1 to 1024; the other arguments as in `denoise`
        Returns a dataset over (sample, y, x, rank): image, source_y, source_x (the candidate's centre; -1 where there
        are fewer candidates than `top`), weight (descending, a share of the whole posterior);
        over (sample, y, x): mass (sum of the kept weights), entropy (nats, of the whole posterior over candidates),
        n_eff = exp(entropy), and entropy_images, n_eff_images, of the posterior over training images;
        over (sample, channel, y, x): x0, the posterior mean.
        """
        if isinstance(top, bool) or not isinstance(top, int | np.integer) or not 1 <= top <= 1024:
            raise UserError(f"top: got {top!r}, want an integer from 1 to 1024")
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        B, C, H, W = queries.shape
        x0, weight, source = np.empty(queries.shape), np.empty((B, H, W, top)), np.empty((B, H, W, top, 3), dtype=int)
        entropies = np.empty((B, 2, H, W))
        for chosen, order in self._by_class(classes):
            request = ScanOptions(order, theory.engine.posterior, top=int(top))
            own = self._restricted(options, chosen)
            sums, nearest = self._posterior(queries[chosen], sigma[chosen], request, **own)
            logits = -nearest.key / (2.0 * sigma[chosen, None, None, None] ** 2)
            weight[chosen] = np.exp(logits - sums.log_normaliser[..., None])
            source[chosen], entropies[chosen] = self._sources(nearest.source), np.maximum(sums.entropies, 0.0)
            x0[chosen] = sums.mean.reshape(-1, C, H, W)
        return attribution(x0, weight, source, entropies[:, 0], entropies[:, 1])

    def score(self, x, sigma, **options):
        """The score of the noised data, (x0 - x) / sigma^2 in the units of x; arguments as in `denoise`."""
        clean, x_array = self.denoise(x, sigma, **options), arguments.as_numpy(x)
        levels = arguments.noise_levels(sigma, len(x_array))[:, None, None, None]
        return arguments.like((arguments.as_numpy(clean) - x_array) / levels**2, x)

    def _answer(self, x, sigma, labels, options, backend, left_out=-1, tolerance=None):
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        result, bound = np.empty(queries.shape), np.zeros(queries.shape)
        for chosen, order in self._by_class(classes):
            if not self._bank.present(order, left_out).any():
                raise UserError(f"image: got {left_out}, the only training image there is; want one of several")
            asked = queries[chosen], sigma[chosen], replace(self._request(order, x, backend), left_out=left_out)
            own = self._restricted(options, chosen)
            limits = None if tolerance is None else self._truncation(asked[2], **own)
            if limits is None:
                result[chosen] = self._denoise(*asked, **own)
            else:
                result[chosen], bound[chosen] = self._truncated(*asked, tolerance, limits, **own)
        return arguments.like(result, x), arguments.like(bound, x)

    def _request(self, order, x, backend) -> ScanOptions:
        return ScanOptions(order, backends.engine(backend, x))

    def _truncated(self, x, sigma, request, tolerance, limits, **options):
        """The posterior mean without candidates that cannot matter to the tolerance, with the bound."""
        count, low, high = limits
        span = float((high - low).max())
        request = replace(request, log2_cutoff=truncation.cut(count, span, tolerance),
                          float64=truncation.in_double(span, tolerance))
        sums, _ = self._posterior(x, sigma, request, **options)
        bound = truncation.bound(sums, count, request.log2_cutoff, request.float64, low, high)
        return sums.mean.reshape(x.shape), bound.reshape(x.shape)

    def _truncation(self, request: ScanOptions, **options) -> tuple[int, np.ndarray, np.ndarray] | None:
        """Candidates an output draws on, and the range of their values (Cv,), (Cv,); None where nothing is left out."""
        return None

    def _prepared(self, x, sigma, labels, options: dict):
        """The arguments of a call, checked: queries (B, C, H, W) and sigma (B,) float64, classes (B,), options."""
        queries = arguments.queries(x, self.image_shape)
        sigma = arguments.noise_levels(sigma, len(queries))
        classes = arguments.query_labels(labels, len(queries), self.conditional)
        return queries, sigma, classes, self._checked(len(queries), **options)

    def _by_class(self, classes: list[int | None]):
        """For each class asked for: which queries (mask), and the bank's blocks that they draw on."""
        for label in dict.fromkeys(classes):
            yield np.array([c == label for c in classes]), self._bank.blocks_of(label)

    def _checked(self, count: int, **options) -> dict:
        """The per-call options for `count` queries, checked and completed; a machine without any allows none."""
        if options:
            raise UserError(f"{', '.join(options)}: got an option that {type(self).__name__} has not, want none")
        return {}

    def _restricted(self, options: dict, chosen: np.ndarray) -> dict:
        """The options for some of the queries; only a machine with options a query needs to say more."""
        return options

    def _denoise(self, x, sigma, request, **options) -> np.ndarray:
        """x (B, C, H, W), sigma (B,) float64 -> (B, C, H, W)."""
        return self._posterior(x, sigma, request, **options)[0].mean.reshape(x.shape)

    @abstractmethod
    def _posterior(self, x: np.ndarray, sigma: np.ndarray, request: ScanOptions,
                   **options) -> tuple[Posterior, Nearest]:
        """Softmax sums and the nearest candidates asked for, an output for each pixel or one for the whole image."""

    def _sources(self, sources: np.ndarray) -> np.ndarray:
        """Nearest.source (B, Y, X, K, 3) -> image, y, x of each pixel's candidates (B, H, W, K, 3)."""
        return sources
