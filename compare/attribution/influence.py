"""What single training images do to an output: the output with and without each, exactly, no sampling and no refit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from compare.result.schema import variable
from theory.errors import UserError
from theory.samplers import ddim
from theory.schedules import Schedule


def influence(machine, x: np.ndarray, sigma, images: Sequence[int], **options) -> xr.Dataset:
    """Exact leave-one-out: x0 had training image i not been in D, for each i of `images`.

    machine: anything with `denoise` and `leave_out` of `ScoreMachine`; it drops one term of its sums
    x (B, C, H, W), sigma, options: as in `denoise`
    Returns over (left_out, sample, channel, y, x): without, the output without the image;
    over (left_out, sample, y, x): change, |x0 - without| of the pixel, Euclidean over channels;
    over (left_out, sample): total, the root mean square of `change` over the pixels.
    ValueError: no images, or what `leave_out` refuses.
    """
    _check(images)
    whole = np.asarray(machine.denoise(x, sigma, **options), dtype=np.float64)
    without = np.stack([machine.leave_out(x, sigma, int(i), **options) for i in images])
    return _changes(whole, without, images, "x0 without the training image")


def redrawn(machine, phi_1: np.ndarray, schedule: Schedule, images: Sequence[int], *, drawn: np.ndarray | None = None,
            callback: Callable[[], None] | None = None, **options) -> xr.Dataset:
    """Exact leave-one-out of a whole trajectory: the sample drawn anew without each of `images`, at every step.

    machine: as in `influence`; phi_1 (B, C, H, W), schedule, options (steps, patch_sizes, ...): as in `theory.ddim`
    drawn (B, C, H, W): what the machine draws from phi_1 with all images, if it is known; callback(): after each step
    Returns what `influence` returns, `without` being the sample at t = 0.
    UserError: no images, or what `leave_out` and `ddim` refuse.
    """
    _check(images)
    done = None if callback is None else lambda *_: callback()
    whole = ddim(machine, phi_1, schedule, **options) if drawn is None else drawn
    without = [ddim(_Without(machine, int(i)), phi_1, schedule, callback=done, **options) for i in images]
    return _changes(np.asarray(whole, dtype=np.float64), np.stack(without), images, "sample without the training image")


def _check(images: Sequence[int]) -> None:
    if len(images) == 0:
        raise UserError("images: got none, want at least one training image to leave out")


class _Without(NamedTuple):
    """A machine as if one training image had not been in D."""

    machine: Any
    image: int

    def denoise(self, x, sigma, **options):
        return self.machine.leave_out(x, sigma, self.image, **options)


def _changes(whole: np.ndarray, without: np.ndarray, images: Sequence[int], long_name: str) -> xr.Dataset:
    """whole (B, C, H, W) beside without (n, B, C, H, W), what was made without each of `images`."""
    change = np.sqrt(((whole - without) ** 2).sum(axis=2))
    pixels = ("left_out", "sample", "y", "x")
    return xr.Dataset(
        {"without": variable(("left_out", "sample", "channel", "y", "x"), without, long_name),
         "change": variable(pixels, change, "distance that the pixel moves without the training image"),
         "total": variable(pixels[:2], np.sqrt((change**2).mean(axis=(-2, -1))), "root mean square change")},
        {"left_out": variable("left_out", [int(i) for i in images], "training image that is left out")})
