"""The equivariant local score: each pixel guesses among the training patches of every location.

    x0(x) = sum_{i,y} W_{i,y}(x) varphi_i(y)
    W_{i,y}(x) proportional to exp(-|x_Omega_x - varphi_i,Omega_y|^2 / (2 sigma^2))

Window: k x k at x. Candidates: the patches of every image at every place y that the boundary allows. Averaged: their
centres. KG eqs. 9-10, 39-41; docs/theory/equivariant-local.md
"""

from __future__ import annotations

from theory.machines.candidates import EveryPlace
from theory.machines.patch import PatchMachine


class EquivariantLocalScore(PatchMachine):
    """Denoise by the equivariant local score (ELS): windows are compared with training windows of all allowed places.

    ::

        x0(x) = sum_{i,y} W_{i,y}(x) varphi_i(y)
        W_{i,y}(x) proportional to exp(-|x_Omega_x - varphi_i,Omega_y|^2 / (2 sigma^2))

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    patch_size : int
        k, odd, at least 1; `denoise(..., patch_size=)` overrides it for a call.
    boundary : "zeros" or "circular"
        "zeros" is the boundary-broken machine: along each axis a pixel whose window fits in the image draws on all
        places whose windows fit, any other on the same coordinate only; pixels outside count in no distance.
        "circular": every place, windows wrap around.
    labels : array (N,) of int, optional
        For class-conditional use.
    wrap_training : bool
        Circular only. False: training patches do not wrap, so only places whose window fits are candidates, as in the
        published code; then k <= min(H, W).

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    Equations 9-10 and 39-41 of [KG2025]_. As sigma falls to 0, the centre of the nearest patch (their Theorem 4.1);
    circular commutes with circular shifts, and with k = H = W odd is the equivariant score.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import EquivariantLocalScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8)).astype(np.float32)
    >>> machine = EquivariantLocalScore(images, patch_size=3)
    >>> machine.denoise(images[:2], 0.3, patch_size=5).shape
    (2, 3, 8, 8)
    >>> machine
    EquivariantLocalScore(images, patch_size=3)
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", labels=None, wrap_training: bool = True):
        super().__init__(images, patch_size, EveryPlace(boundary, wrap_training), labels)
        self.boundary, self.wrap_training = boundary, wrap_training
