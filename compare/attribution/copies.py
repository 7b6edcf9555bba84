"""How near images lie to a training set, as wholes and patch by patch, beside how near held-out images lie.

At a small noise level sigma a machine's posterior mean is what it can make of an image x out of its training set: the
ideal score out of whole images, a local score out of patches. The error of an image is how far that is from x,

    e(x) = sqrt(mean over pixels and channels of (x - x0hat(x, sigma))^2),

and the same of n held-out images is the null distribution. A *copy* is nearer to a whole training image than they are:
if x were one more of them, (1 + #{held out: e <= e(x)}) / (n + 1) would be at most `level` with probability at most
`level`; and what is within half a grey level of a training image is a copy whatever the null says. What is no copy is a
*mosaic* of training patches as much as a held-out image is one, unless its patches lie farther from the training set's
than theirs do, by the same rule with >=: then it is *neither*.

Training images that are equal to the last bit (twins) count once: left out one by one, each would be found in its twin,
the null would hold errors of 0, and no sample could be a copy. So do images that are nearly equal, as the same picture
saved again as JPEG (`first_of_near_twins`). Where the null is made of training images left out,
those are held against the N - 1 others but a sample against all N: the chance to call an image like them a copy is then
up to (1 + n / N) times the level, see `largest_false_rate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from compare.attribution.trace import distinct_images, shares
from compare.result.schema import variable

COPY, MOSAIC, NEITHER = "copy", "mosaic", "neither"

EQUAL = 1.0 / 255.0
"""Half a grey level of 8-bit images in [-1, 1]: an error that small is a copy's."""

NEAR, NEAR_CONTRAST = 0.05, 0.1
"""Near twins: a root mean square difference of at most 6 of 255 grey levels, and a tenth of either image's contrast."""

THUMBNAIL = 4  # pixels a side, by which near twins are looked for

NAMED = 3
"""Training images that are named for each sample."""


def errors(machine, x: np.ndarray, sigma: float) -> np.ndarray:
    """Return e(x) of each image, (B,); x (B, C, H, W)."""
    return _distance(x, machine.denoise(x, sigma))


def left_out_errors(machine, images: np.ndarray, chosen: Sequence[int], sigma: float) -> np.ndarray:
    """Return e of the training images `chosen`, each had it not been in the training set: (len(chosen),).

    images (N, C, H, W): the machine's training set, without twins (`first_of_twins`).
    """
    found = [_distance(images[i : i + 1], machine.leave_out(images[i : i + 1], sigma, int(i))) for i in chosen]
    return np.concatenate(found)


def nearer_p(error: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return (1 + #{null <= error}) / (n + 1) of each error: the chance that one more of the null is so near."""
    return (1 + np.searchsorted(np.sort(null), error, side="right")) / (len(null) + 1)


def farther_p(error: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return (1 + #{null >= error}) / (n + 1) of each error: the chance that one more of them was so far."""
    return nearer_p(-np.asarray(error), -np.asarray(null))


def classify(copy_error: np.ndarray, copy_p: np.ndarray, mosaic_p: np.ndarray, level: float) -> np.ndarray:
    """Return "copy" (copy_p <= level or copy_error <= EQUAL), else "neither" (mosaic_p <= level), else "mosaic"."""
    copies = (copy_p <= level) | (copy_error <= EQUAL)
    return np.where(copies, COPY, np.where(mosaic_p <= level, NEITHER, MOSAIC))


def first_of_twins(images: np.ndarray) -> np.ndarray:
    """Return the indices of images (N, C, H, W) without those that are equal to an earlier one, ascending."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    rows = flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
    return np.sort(np.unique(rows, return_index=True)[1])


def first_of_near_twins(images: np.ndarray) -> np.ndarray:
    """Return the indices of images (N, C, H, W) without those that are nearly an earlier one of them, ascending.

    The root mean square difference of near twins is at most NEAR and NEAR_CONTRAST times the standard deviation of
    either image: the same picture saved as JPEG again, not another one of a set of little contrast. Images without
    contrast have none. No twins among the images are looked for (`first_of_twins`).
    """
    flat = np.ascontiguousarray(images, dtype=np.float32).reshape(len(images), -1)
    reach = np.minimum(NEAR, NEAR_CONTRAST * flat.std(axis=1, dtype=np.float64))
    thumbnails = _thumbnails(images)
    tree, kept = cKDTree(thumbnails), np.ones(len(images), dtype=bool)
    for i in range(len(images)):  # no farther apart in the thumbnail than in the image
        near = np.array([j for j in tree.query_ball_point(thumbnails[i], reach[i] * 1.0001) if j < i and kept[j]], int)
        apart = np.sqrt(((flat[near] - flat[i]) ** 2).mean(axis=1, dtype=np.float64))
        kept[i] = not (apart <= np.minimum(reach[near], reach[i])).any() or reach[i] == 0.0
    return np.flatnonzero(kept)


def _thumbnails(images: np.ndarray) -> np.ndarray:
    """Return block means (N, n), scaled so that their distance is at most the root mean square difference."""
    N, C, H, W = images.shape
    rows, columns = (np.arange(side) * min(side, THUMBNAIL) // side for side in (H, W))
    blocks = rows[:, None] * THUMBNAIL + columns
    count = np.bincount(blocks.ravel(), minlength=THUMBNAIL**2)
    mean = np.zeros((C * H * W, THUMBNAIL**2))
    mean[np.arange(C * H * W), np.tile(blocks.ravel(), C)] = 1.0
    return images.reshape(N, -1) @ mean[:, count > 0] / (C * np.sqrt(count[count > 0] * H * W))


def largest_false_rate(level: float, null: int, training: int) -> float:
    """Return the largest chance of calling an image a copy that is one more of `null` training images left out."""
    return min(1.0, level * (1.0 + null / training))


def smallest_null(level: float) -> int:
    """Return the number of held-out images without which nothing can reach the level: 1 / (n + 1) <= level."""
    return int(np.ceil(round(1.0 / level - 1.0, 9)))


def sources(whole, patches, x: np.ndarray, sigma: float, top: int = 8) -> dict[str, np.ndarray]:
    """Return errors of images x (B, C, H, W) and the training images behind them, as `copy_test` takes them.

    whole: a machine of whole images (IdealScore); patches: one of patches (LocalScore, EquivariantLocalScore)
    """
    as_whole, as_patches = whole.attribute(x, sigma, NAMED), patches.attribute(x, sigma, top)
    made, best = shares(as_patches, NAMED), as_patches.isel(rank=0)
    return {
        "copy_error": _distance(x, as_whole.x0.values), "mosaic_error": _distance(x, as_patches.x0.values),
        "nearest": as_whole.image.values[:, 0, 0], "nearest_weight": as_whole.weight.values[:, 0, 0],
        "contributor": made.image.values, "share": made.share.values, "distinct_images": distinct_images(as_patches),
        "source": best.image.values, "source_y": best.source_y.values, "source_x": best.source_x.values,
        "weight": best.weight.values,
    }


VARIABLES = {
    "copy_error": (("sample",), "root mean square distance from the ideal score's posterior mean"),
    "copy_p": (("sample",), "share of null images that lie as near to whole training images, the sample counted in"),
    "mosaic_error": (("sample",), "root mean square distance from the local score's posterior mean"),
    "mosaic_p": (("sample",), "share of null images that lie as far from training patches, the sample counted in"),
    "verdict": (("sample",), "copy, mosaic or neither"),
    "nearest": (("sample", "named"), "training image with the largest posterior weight as a whole"),
    "nearest_weight": (("sample", "named"), "posterior weight of that image"),
    "contributor": (("sample", "named"), "training image with the largest share of patches"),
    "share": (("sample", "named"), "mean posterior weight of that image's patches over the pixels"),
    "distinct_images": (("sample",), "training images that hold a pixel's best patch"),
    "source": (("sample", "y", "x"), "training image of the pixel's best patch"),
    "source_y": (("sample", "y", "x"), "row of its centre"),
    "source_x": (("sample", "y", "x"), "column of its centre"),
    "weight": (("sample", "y", "x"), "posterior weight of the pixel's best patch"),
    "image": (("sample", "channel", "y", "x"), "the sample"),
    "null_copy_error": (("held_out",), "copy_error of the null images"),
    "null_mosaic_error": (("held_out",), "mosaic_error of the null images"),
}


def copy_test(x: np.ndarray, found: dict[str, np.ndarray], null_copy_error: np.ndarray, null_mosaic_error: np.ndarray,
             level: float) -> xr.Dataset:
    """Return the dataset of samples x (B, C, H, W): what `sources` found, p values and verdicts."""
    copy_p = nearer_p(found["copy_error"], null_copy_error)
    mosaic_p = farther_p(found["mosaic_error"], null_mosaic_error)
    values = {**found, "copy_p": copy_p, "mosaic_p": mosaic_p,
              "verdict": classify(found["copy_error"], copy_p, mosaic_p, level).astype(object),
              "image": np.asarray(x, dtype=np.float32),
              "null_copy_error": null_copy_error, "null_mosaic_error": null_mosaic_error}
    return xr.Dataset({name: variable(dims, values[name], long_name) for name, (dims, long_name) in VARIABLES.items()},
                      {"sample": variable("sample", np.arange(len(x)), "index of the sample")})


def _distance(x: np.ndarray, x0: np.ndarray) -> np.ndarray:
    return np.sqrt(((np.asarray(x, dtype=np.float64) - x0) ** 2).mean(axis=(1, 2, 3)))
