"""The equivariant local score: each pixel guesses among the training patches of every location."""

from __future__ import annotations

from theory.engine.geometry import equivariant_axis
from theory.machines.local import PatchMachine


class EquivariantLocalScore(PatchMachine):
    """ELS: x0(x) = sum_{i, y} W_{i,y}(x) varphi_i(y) over the patches of all images at all allowed locations y.

        W_{i,y}(x) proportional to exp(-|x_Omega_x - varphi_i,Omega_y|^2 / (2 sigma^2))   (KG eqs. 9-10, 39-41)
    images (N, C, H, W) float in [-1, 1]      patch_size: odd k; `denoise(..., patch_size=)` overrides it for a call
    boundary: "zeros", the boundary-broken machine: along each axis a pixel whose window fits in the image draws on all
        locations whose window fits, any other on the same coordinate only; pixels outside count in no distance.
        "circular": every location, windows wrap around; with wrap_training=False the training patches do not wrap,
        so only locations whose window fits are candidates (as in the published code; then k <= min(H, W)).
    labels (N,) integers for class-conditional use, or None
    Limits: sigma -> 0, the centre of the nearest patch (Theorem 4.1); circular commutes with circular shifts and with
    k = H = W odd is the equivariant score. docs/equivariant-local.md
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", labels=None, wrap_training: bool = True):
        self.wrap_training = wrap_training
        super().__init__(images, patch_size, boundary, labels)

    def _axis(self, length, patch_size):
        return equivariant_axis(length, patch_size, self.boundary, self.wrap_training)
