"""Classifier-free guidance: a denoiser of classes, driven further towards its class than the data are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from theory import arguments
from theory.errors import UserError


@dataclass(frozen=True)
class Guided:
    """Denoise with classifier-free guidance, by a closed form or a network alike.

    ::

        x0 = x0(unconditional) + scale (x0(class) - x0(unconditional))

    Parameters
    ----------
    denoiser : anything with denoise(x, sigma, labels=)
        Without labels it answers unconditionally: a machine built with labels draws on all of D.
    scale : float
        0 is unconditional, 1 conditional; above 1 the answer leaves the convex hull of the training images.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    Ho & Salimans 2022, with scale = 1 + w.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import EDMSchedule, Guided, IdealScore, heun
    >>> images = np.stack([np.full((1, 4, 4), -0.5), np.full((1, 4, 4), 0.5)])
    >>> guided = Guided(IdealScore(images, labels=[0, 1]), scale=2.0)
    >>> noise = 80.0 * np.random.default_rng(0).normal(size=(1, 1, 4, 4))
    >>> out = heun(guided, noise, EDMSchedule().grid(20), labels=[1])
    >>> bool(out.mean() > 0.4)
    True
    """

    denoiser: Any
    scale: float

    def __post_init__(self):
        if not callable(getattr(self.denoiser, "denoise", None)):
            raise UserError(f"denoiser: got {type(self.denoiser).__name__}, want an object with denoise(x, sigma)")
        number = isinstance(self.scale, int | float | np.number) and not isinstance(self.scale, bool)
        if not number or not np.isfinite(self.scale):
            raise UserError(f"scale: got {arguments.shown(self.scale)}, want a finite number, above 1 to guide")

    def denoise(self, x, sigma, labels=None, **options):
        """Return the guided x0.

        Parameters
        ----------
        x : array (B, C, H, W)
            x0 + sigma n.
        sigma : float or array (B,)
            Standard deviation of the noise.
        labels : int or array (B,) of int, optional
            Classes; without, the unconditional answer.
        **options
            The denoiser's own, such as `patch_size`.

        Returns
        -------
        array (B, C, H, W)
            Of the kind of the denoiser's answer.

        Raises
        ------
        UserError
            A bound is asked for: the sum of two answers states none.
        """
        if options.get("return_bound"):
            raise UserError("return_bound: got True for Guided, which states no bound, want False")
        conditional = lambda: self.denoiser.denoise(x, sigma, labels=labels, **options)
        if labels is not None and self.scale == 1.0:
            return conditional()
        free = self.denoiser.denoise(x, sigma, **options)
        return free if labels is None or self.scale == 0.0 else free + self.scale * (conditional() - free)
