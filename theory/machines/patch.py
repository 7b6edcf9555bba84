"""Machines that compare k x k windows: a window, a set of candidates, and the training pixels at their centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from theory import arguments
from theory.engine.geometry import Axis
from theory.engine.scan_options import ScanOptions
from theory.machines.candidates import Candidates
from theory.machines.machine import ScoreMachine
from theory.machines.posterior import PosteriorMachine
from theory.machines.window_scan import WindowScan


class WindowMachine(ScoreMachine):
    """Compare windows of a size that a call may change, and that competes with other sizes.

    Parameters
    ----------
    images, labels
        As in `ScoreMachine`.
    patch_size : int
        k, odd, at least 1.
    candidates : Candidates
        Which training patches compete for a pixel.
    """

    def __init__(self, images, patch_size: int, candidates: Candidates, labels=None):
        self._candidates_per_row = candidates.per_row
        super().__init__(images, labels)
        self.patch_size, self.candidates = arguments.odd_patch_size(patch_size), candidates
        self._axes(self.patch_size)

    @property
    def settings(self) -> tuple[str, ...]:
        """The machine's own options of a call."""
        return "patch_size", *super().settings

    def denoise_scales(self, x, sigma, patch_sizes: Sequence[int], **options) -> list:
        """Return `denoise` for each of several window sizes.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        patch_sizes : sequence of int
            Odd sizes, in any order.
        **options
            The other arguments of `denoise`.

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
        return [self.denoise(x, sigma, patch_size=k, **options) for k in arguments.patch_sizes(patch_sizes)]

    def _axes(self, patch_size: int) -> tuple[Axis, Axis]:
        return self.candidates.axes(*self.image_shape[1:], patch_size)

    def _checked(self, count, *, patch_size=None, **options):
        size = self.patch_size if patch_size is None else arguments.odd_patch_size(patch_size)
        return {"axes": self._axes(size), **super()._checked(count, **options)}

    def _pairs_an_image(self, axes: tuple[Axis, Axis], **options) -> int:
        return axes[0].pairs * axes[1].pairs

    def _range(self, request: ScanOptions, axes: tuple[Axis, Axis]) -> tuple[int, int, np.ndarray, np.ndarray]:
        """Candidates a pixel draws on at most, pixels of a window, and the range of the candidates', (C,) and (C,)."""
        places = [max(1, len(range(*axis.candidate_range))) for axis in axes]
        count = int(np.prod(places)) * int(self._bank.present(request.order).sum())
        return count, self.image_shape[0] * axes[0].size * axes[1].size, self._bank.low, self._bank.high


class PatchMachine(PosteriorMachine, WindowMachine):
    """Average the centres of the candidates whose windows are like the one at x.

    ::

        x0(x) = sum_j W_j(x) v_j
        W_j(x) proportional to exp(-|window of the query at x - window of j|^2 / (2 sigma^2))

    A machine of one's own is one of these with candidates of its own: docs/examples/plot_4_new_machine.py.

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    patch_size : int
        k, odd, at least 1; `denoise(..., patch_size=)` overrides it for a call.
    candidates : Candidates
        Which training patches j compete for a pixel.
    labels : array (N,) of int, optional
        For class-conditional use.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import EquivariantLocalScore
    >>> from theory.machines.candidates import EveryPlace
    >>> from theory.machines.patch import PatchMachine
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
    >>> machine = PatchMachine(images, 3, EveryPlace("circular"))
    >>> bool((machine.denoise(images, 1.0) == EquivariantLocalScore(images, 3, "circular").denoise(images, 1.0)).all())
    True
    """

    def _posterior(self, x, sigma, request, axes):
        return WindowScan(x, sigma, self._bank, request, axes).posterior()

    def _moments(self, x, sigma, request, axes):
        low, high = self._bank.low[:, None, None], self._bank.high[:, None, None]
        return WindowScan(x, sigma, self._bank, request, axes).moments(np.clip(x, low, high))

    def _with_pull_back(self, x, sigma, request, axes):
        return WindowScan(x, sigma, self._bank, request, axes).with_pull_back()

    def _truncation(self, request, axes):
        return self._range(request, axes)
