"""The parameters that every machine has which attends by a rule, said once for the docstrings of all."""

from __future__ import annotations

import inspect
from typing import TypeVar

Machine = TypeVar("Machine", bound=type)

FIRST = """\
images : array (N, C, H, W)
    The training set, floats in [-1, 1].
patch_size : int
    k, odd, at least 1; `denoise(..., patch_size=)` overrides it for a call, and so the settings below.
boundary : "zeros" or "circular"
    As in `EquivariantLocalScore`.
attention : "uniform", "identity", "top1", "overlap", array or function
    The rule of alpha (`theory.machines.attention.maps`): all other pixels alike; softmax of beta <z_x, z_x'>, z the
    ELS output; the most similar one; the overlap of posteriors over images to the power beta. Or an array
    (H*W, H*W) or (B, H*W, H*W), pixels in row-major order, rows summing to 1, diagonal 0; or a function of
    x (B, C, H, W) and sigma (B,), float64, to (B, H*W, H*W): a network's own map.
"""
LAST = """\
labels : array (N,) of int, optional
    For class-conditional use.
wrap_training : bool
    As in `EquivariantLocalScore`.
beta : float
    Inverse temperature of "identity" and "overlap", at least 0; 0 is uniform, infinity the most similar pixel.
"""


def documented(kind: Machine) -> Machine:
    """Put them in their places in a class's docstring."""
    if kind.__doc__:  # none under python -OO
        text = inspect.cleandoc(kind.__doc__)
        kind.__doc__ = text.replace("{images to attention}\n", FIRST).replace("{labels to beta}\n", LAST)
    return kind
