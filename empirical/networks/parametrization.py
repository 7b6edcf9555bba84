"""What a network's last layer gives: the noise itself, or v, from which the noise follows.

On the cosine schedule phi = cos(a) x0 + sin(a) eps with the angle a = t / 1.008 * pi / 2, and (Salimans & Ho 2022)
    v = cos(a) eps - sin(a) x0        eps = sin(a) phi + cos(a) v        x0 = cos(a) phi - sin(a) v.
An error of v is no more than itself in x0. An error of eps is tan(a) times itself in x0, 80 times at t = 1: there the
first step of a sample, which lays out the image, needs eps more precisely than a short training gets it.
"""

from __future__ import annotations

import math

import torch

from theory.errors import UserError
from theory.schedules import CosineSchedule

PARAMETRIZATIONS = ("eps", "v")


def check_parametrization(parametrization: str) -> None:
    """Raise a UserError unless it is "eps" or "v"."""
    if parametrization not in PARAMETRIZATIONS:
        raise UserError(f"parametrization: got {parametrization!r}, want one of {', '.join(PARAMETRIZATIONS)}")


def as_eps(parametrization: str, output: torch.Tensor, phi: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Return the noise that the last layer's output means: (B, C, H, W)."""
    if parametrization == "eps":
        return output
    angle = _angle(t)
    return angle.sin() * phi + angle.cos() * output


def error_scale(parametrization: str, t: torch.Tensor) -> torch.Tensor | float:
    """Return the error of the last layer's output over that of eps: 1, or 1 / cos(a) (B, 1, 1, 1)."""
    return 1.0 if parametrization == "eps" else 1.0 / _angle(t).cos()


def _angle(t: torch.Tensor) -> torch.Tensor:
    return (t / CosineSchedule().stretch * (math.pi / 2))[:, None, None, None]
