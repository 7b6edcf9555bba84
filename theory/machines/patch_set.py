"""The patch set machine: posterior means of whole patches, pasted, their overlaps averaged.

    E_P = sum_i w_i u_i|P,   w_i proportional to exp(-|x|P - u_i|P|^2 / (2 sigma^2)),   for each patch P of a set
    x0(p) = the mean of E_P(p) over the patches P that hold p

Window: a patch. Candidates: the N patches at the same place. Averaged: whole patches, not their centres as in the local
score. PSPC of Niedoba et al. 2025; docs/theory/zoo.md
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from theory import arguments
from theory.engine import filters
from theory.engine.geometry import Axis, inner_axis
from theory.errors import UserError
from theory.machines.filtered import compacted, normalised
from theory.machines.machine import ScoreMachine
from theory.machines.window_scan import WindowScan


class PatchSetScore(ScoreMachine):
    """Denoise by a set of patches: each one's posterior mean is pasted where it lies, and overlaps are averaged.

    ::

        E_P = sum_i w_i u_i|P,   w_i proportional to exp(-|x|P - u_i|P|^2 / (2 sigma^2))
        x0(p) = mean of E_P(p) over the patches P that hold p

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    patch_size : int, optional
        s at least 1: all s x s squares that fit, as wide as the image at most; `denoise(..., patch_size=)` overrides
        it for a call.
    masks : array (L, C, H, W) of 0 and 1, optional
        Any patches instead; every pixel must be in one.
    labels : array (N,) of int, optional
        For class-conditional use.

    Raises
    ------
    UserError
        An argument is not as said here; neither or both of patch_size and masks.

    Notes
    -----
    [NZWM2025]_: PSPC-Square, and with masks PSPC-Flex. Their code loops over patches and doubles the training set by
    mirror images unless told otherwise. One patch over the whole image is the ideal score.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import IdealScore, PatchSetScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
    >>> machine = PatchSetScore(images, patch_size=3)
    >>> whole = machine.denoise(images[:2], 0.5, patch_size=6)
    >>> bool(np.allclose(whole, IdealScore(images).denoise(images[:2], 0.5)))
    True
    """

    def __init__(self, images, patch_size: int | None = None, masks=None, labels=None):
        super().__init__(images, labels)
        if (patch_size is None) == (masks is None):
            raise UserError("patch_size, masks: got neither or both, want one of them")
        self.patch_size = None if patch_size is None else arguments.integer("patch_size", patch_size, 1)
        self.masks = None if masks is None else arguments.masks(masks, self.image_shape)
        if masks is not None:
            self._filters, self._responses = compacted(self.masks), normalised("masks", self.masks)

    @property
    def settings(self) -> tuple[str, ...]:
        """The machine's own options of a call."""
        return () if self.patch_size is None else ("patch_size", *super().settings)

    def denoise_scales(self, x, sigma, patch_sizes: Sequence[int], **options) -> list:
        """Return `denoise` for each of several sizes of squares.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        patch_sizes : sequence of int
            Sizes, in any order.
        **options
            The other arguments of `denoise`.

        Returns
        -------
        list
            What `denoise` returns, one for each size.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import PatchSetScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
        >>> small, large = PatchSetScore(images, patch_size=3).denoise_scales(images[:2], 0.5, [2, 5])
        >>> bool(np.allclose(large, PatchSetScore(images, patch_size=5).denoise(images[:2], 0.5)))
        True
        """
        sizes = arguments.sequence("patch_sizes", patch_sizes)
        return [self.denoise(x, sigma, patch_size=size, **options) for size in sizes]

    def _checked(self, count, *, patch_size=None, **options):
        if self.patch_size is None:
            given = {} if patch_size is None else {"patch_size": patch_size}
            return super()._checked(count, **given, **options)
        size = self.patch_size if patch_size is None else arguments.integer("patch_size", patch_size, 1)
        return {"axes": tuple(inner_axis(side, size) for side in self.image_shape[1:]),
                **super()._checked(count, **options)}

    def _pairs_an_image(self, axes=None):
        return len(self.masks) if axes is None else axes[0].pairs * axes[1].pairs

    def _denoise(self, x, sigma, request, axes: tuple[Axis, Axis] | None = None):
        if axes is None:
            parts = partial(filters.images_of, self._bank, request, len(self.masks))
            x0 = [filters.responded(v, parts, self._filters, self._responses, 1.0 / (2.0 * level**2))
                  for v, level in zip(x.reshape(len(x), -1), sigma)]
            return np.reshape(x0, x.shape)
        rows, cols = axes
        blocks = self._bank.blocks
        nothing = np.empty((len(blocks), 0, rows.outputs, cols.outputs, blocks.shape[-1]), np.float32)
        scan = WindowScan(x, sigma, self._bank, request, axes, nothing)
        sums, _ = scan.posterior()
        shape = len(x), rows.outputs, cols.outputs
        return scan.paste(sums, np.ones(shape), np.empty((shape[0], 0, *shape[1:]))) / _overlaps(rows, cols)


def _overlaps(rows: Axis, cols: Axis) -> np.ndarray:
    """How many squares hold each pixel, (H, W)."""
    along = [np.convolve(np.ones(axis.outputs), np.ones(axis.size)) for axis in (rows, cols)]
    return np.outer(*along)
