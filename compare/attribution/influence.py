"""What single training images do to an output: the output with and without each, exactly, no sampling and no refit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compare.result.schema import variable
from theory.errors import UserError


def influence(machine, x: np.ndarray, sigma, images: Sequence[int], **options) -> xr.Dataset:
    """Exact leave-one-out: x0 had training image i not been in D, for each i of `images`.

    machine: anything with `denoise` and `leave_out` of `ScoreMachine`; it drops one term of its sums
    x (B, C, H, W), sigma, options: as in `denoise`
    Returns over (left_out, sample, channel, y, x): without, the output without the image;
    over (left_out, sample, y, x): change, |x0 - without| of the pixel, Euclidean over channels;
    over (left_out, sample): total, the root mean square of `change` over the pixels.
    ValueError: no images, or what `leave_out` refuses.
    """
    if len(images) == 0:
        raise UserError("images: got none, want at least one training image to leave out")
    whole = np.asarray(machine.denoise(x, sigma, **options), dtype=np.float64)
    without = np.stack([machine.leave_out(x, sigma, int(i), **options) for i in images])
    change = np.sqrt(((whole - without) ** 2).sum(axis=2))
    pixels = ("left_out", "sample", "y", "x")
    return xr.Dataset(
        {"without": variable(("left_out", "sample", "channel", "y", "x"), without, "x0 without the training image"),
         "change": variable(pixels, change, "distance that the pixel moves without the training image"),
         "total": variable(pixels[:2], np.sqrt((change**2).mean(axis=(-2, -1))), "root mean square change")},
        {"left_out": variable("left_out", [int(i) for i in images], "training image that is left out")})
