"""Checks of what users hand in: each failure is one line that names the argument, what came and what is wanted."""

from __future__ import annotations

import reprlib
import sys
import warnings
from collections.abc import Sequence
from types import FrameType

import numpy as np

from theory.errors import ImageRangeWarning, UserError

LARGEST_PIXEL = 2.0
"""Training images are meant to lie in [-1, 1]; beyond this they are in other units."""

LARGEST = 1e150
"""Numbers whose squares float64 holds, with room for sums; above 1 / LARGEST, their inverses too."""


FARTHEST = 1e12
"""Pixels of a query, in units of the images' and of the noise alike, beyond which no arithmetic here tells candidates
apart."""


def training_images(images, name: str = "images") -> np.ndarray:
    """images (N, C, H, W), floats in [-1, 1], N >= 1 -> float32, contiguous."""
    array = _numbers(name, images)
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(f"{name}: got shape {array.shape}, want (N, C, H, W) with at least one image")
    if array.dtype.kind != "f":
        raise UserError(f"{name}: got dtype {array.dtype}, want floats, scaled to [-1, 1], as by images / 127.5 - 1")
    _all_finite(name, array, " in [-1, 1]")
    low, high = float(array.min()), float(array.max())
    if max(-low, high) > LARGEST_PIXEL:
        raise UserError(f"{name}: got values from {low:.4g} to {high:.4g}, want [-1, 1], as by images / 127.5 - 1")
    if low >= 0.0:
        warnings.warn(f"{name}: got values from {low:.4g} to {high:.4g}, none below 0; want [-1, 1], as by "
                      "2 * images - 1 of values in [0, 1]", ImageRangeWarning, stacklevel=_outside())
    return np.ascontiguousarray(array, dtype=np.float32)


def training_labels(labels, count: int) -> np.ndarray | None:
    """labels (N,) of integers, one an image, or None."""
    if labels is None:
        return None
    array = _numbers("labels", labels)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise UserError(f"labels: got shape {array.shape} of {array.dtype}, want ({count},) integers, one an image")
    return array


def queries(x, image_shape: tuple[int, ...]) -> np.ndarray:
    """x (B, C, H, W), finite, of the training images' shape -> float64."""
    array = _numbers("x", x)
    if array.ndim != 4 or array.shape[1:] != image_shape or not len(array):
        want = ", ".join(map(str, image_shape))
        raise UserError(f"x: got shape {array.shape}, want (B, {want}) like the training images")
    if array.dtype.kind != "f":
        raise UserError(f"x: got dtype {array.dtype}, want floats")
    _all_finite("x", array)
    return np.ascontiguousarray(array, dtype=np.float64)


def noise_levels(sigma, count: int) -> np.ndarray:
    """sigma > 0, finite, a number or one a query -> float64 (B,)."""
    array = _numbers("sigma", sigma)
    if array.dtype.kind not in "fiu":
        raise UserError(f"sigma: got {shown(sigma)}, want a number or ({count},), one a query")
    if array.shape not in ((), (count,)):
        raise UserError(f"sigma: got shape {array.shape}, want a number or ({count},), one a query")
    array = array.astype(np.float64)
    if not (np.isfinite(array) & (array > 0.0)).all():
        raise UserError(f"sigma: got {shown(array.tolist())}, want finite numbers above 0")
    if not ((array >= 1.0 / LARGEST) & (array <= LARGEST)).all():
        raise UserError(f"sigma: got {shown(array.tolist())}, want numbers from {1.0 / LARGEST:g} to {LARGEST:g}, "
                        "whose squares float64 holds")
    return np.broadcast_to(array, (count,)).copy()


def finite_answer(x: np.ndarray, sigma: np.ndarray) -> None:
    """x (B, C, H, W) and sigma (B,), such that |x|^2 / (2 sigma^2) stays within float64."""
    largest = np.abs(x).max(axis=(1, 2, 3))
    if (lost := largest > FARTHEST * np.maximum(sigma, 1.0)).any():
        raise UserError(f"x: got {largest[lost][0]:.3g} at sigma {sigma[lost][0]:.3g}, want at most "
                        f"{FARTHEST:g} max(1, sigma), from where float64 tells training images apart")
    if largest.max() > LARGEST / x[0].size:
        raise UserError(f"x: got {largest.max():.3g}, want numbers whose squares float64 holds")
    least = (largest + LARGEST_PIXEL) * x[0].size / LARGEST
    if (sigma < least).any():
        raise UserError(f"sigma: got {sigma[sigma < least][0]:.3g}, want at least {least.max():.3g}, so that float64 "
                        "holds |x|^2 / (2 sigma^2)")


def real_numbers(name: str, value) -> np.ndarray:
    """Real numbers of any shape -> float64."""
    array = _numbers(name, value)
    if array.dtype.kind not in "fiu":
        raise UserError(f"{name}: got {shown(value)}, want real numbers")
    return array.astype(np.float64)


def floats(name: str, value) -> np.ndarray:
    """Finite numbers of a float type, (B, C, H, W)."""
    array = _numbers(name, value)
    if array.ndim != 4:
        raise UserError(f"{name}: got shape {array.shape}, want (B, C, H, W)")
    if array.dtype.kind != "f":
        raise UserError(f"{name}: got dtype {array.dtype}, want floats")
    _all_finite(name, array)
    return array


def odd_patch_size(patch_size, name: str = "patch_size") -> int:
    """patch_size: an odd integer, at least 1."""
    if isinstance(patch_size, bool) or not isinstance(patch_size, int | np.integer):
        raise UserError(f"{name}: got {shown(patch_size)}, want an odd integer")
    if patch_size < 1 or patch_size % 2 == 0:
        raise UserError(f"{name}: got {patch_size}, want an odd integer of at least 1")
    return int(patch_size)


def patch_sizes(sizes) -> list[int]:
    """patch_sizes: one or several of odd_patch_size."""
    return [odd_patch_size(k, "patch_sizes") for k in sequence("patch_sizes", sizes)]


def sequence(name: str, values) -> list:
    """values: one or several of anything."""
    one = isinstance(values, str | bytes) or not isinstance(values, Sequence | np.ndarray | range)
    if one or (isinstance(values, np.ndarray) and values.ndim != 1):
        raise UserError(f"{name}: got {shown(values)}, want a list")
    if len(values) == 0:
        raise UserError(f"{name}: got none, want at least one")
    return list(values)


def choice(name: str, value, allowed: tuple[str, ...]) -> str:
    """value: one of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise UserError(f"{name}: got {shown(value)}, want one of {', '.join(map(repr, allowed))}")
    return value


def boolean(name: str, value) -> bool:
    """value: True or False."""
    if not isinstance(value, bool | np.bool_):
        raise UserError(f"{name}: got {shown(value)}, want True or False")
    return bool(value)


def tolerance(value) -> float | None:
    """None, or a finite number above 0."""
    if value is not None and not (_is_number(value) and 0 < value < np.inf):
        raise UserError(f"tolerance: got {shown(value)}, want None or a number above 0")
    return None if value is None else float(value)


def above_0(name: str, value) -> float:
    """value: a finite number above 0."""
    if not _is_number(value) or not 0 < value < np.inf:
        raise UserError(f"{name}: got {shown(value)}, want a finite number above 0")
    return float(value)


def at_least_0(name: str, value, most: float = np.inf) -> float:
    """value: a finite number of at least 0, and at most `most`."""
    if not _is_number(value) or not 0 <= value < np.inf:
        raise UserError(f"{name}: got {shown(value)}, want a finite number of at least 0")
    if value > most:
        raise UserError(f"{name}: got {shown(value)}, want a number from 0 to {most:g}")
    return float(value)


def fraction(name: str, value) -> float | None:
    """None, or a number in [0, 1]."""
    if value is not None and not (_is_number(value) and 0 <= value <= 1):
        raise UserError(f"{name}: got {shown(value)}, want None or a number in [0, 1]")
    return None if value is None else float(value)


def integer(name: str, value, least: int, most: int | None = None) -> int:
    """value: an integer of at least `least`, and at most `most`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        want = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise UserError(f"{name}: got {shown(value)}, want an integer {want}")
    return int(value)


def attention_matrix(alpha, pixels: int) -> np.ndarray:
    """attention (P, P) or (B, P, P) over P pixels in row-major order: rows sum to 1, nothing negative, diagonal 0."""
    array = _numbers("attention", alpha)
    if array.ndim not in (2, 3) or array.shape[-2:] != (pixels, pixels) or not len(array):
        raise UserError(f"attention: got shape {array.shape}, want ({pixels}, {pixels}) or (B, {pixels}, {pixels})")
    if array.dtype.kind not in "fiub":
        raise UserError(f"attention: got dtype {array.dtype}, want numbers")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or (array < 0.0).any():
        raise UserError("attention: got entries that are negative, NaN or infinite, want weights of at least 0")
    if np.abs(np.diagonal(array, axis1=-2, axis2=-1)).max() > 1e-6:
        raise UserError("attention: got a diagonal that is not 0, want no pixel to attend to itself")
    sums = array.sum(axis=-1)
    if np.abs(sums - 1.0).max() > 1e-4:
        raise UserError(f"attention: got rows that sum to {sums.min():.6g} ... {sums.max():.6g}, want 1")
    return array


def attention_matrices(alpha, count: int, pixels: int) -> np.ndarray:
    """What a function gives as attention: one such matrix for each of the queries, (count, P, P)."""
    array = attention_matrix(alpha, pixels)
    if array.ndim != 3 or len(array) != count:
        raise UserError(f"attention: got a function to shape {array.shape}, want ({count}, {pixels}, {pixels})")
    return array


def filters(name: str, value, image_shape: tuple[int, ...]) -> np.ndarray:
    """name (J, C, H, W), J >= 1: finite numbers of at least 0."""
    array = _numbers(name, value)
    if array.ndim != 4 or array.shape[1:] != image_shape or not len(array):
        raise UserError(f"{name}: got shape {array.shape}, want (J, {', '.join(map(str, image_shape))}), one filter or "
                        "more of the images' shape")
    if array.dtype.kind not in "fiub" or not np.isfinite(array).all() or (array < 0).any():
        raise UserError(f"{name}: got values that are negative, NaN or infinite, want weights of at least 0")
    return array.astype(np.float64)


def masks(value, image_shape: tuple[int, ...]) -> np.ndarray:
    """masks (L, C, H, W) of 0 and 1."""
    array = filters("masks", value, image_shape)
    if not np.isin(array, (0.0, 1.0)).all():
        raise UserError("masks: got values other than 0 and 1, want a patch each")
    return array


def query_labels(labels, count: int, conditional: bool, name: str = "labels") -> list[int | None]:
    """labels: None, an integer, or one a query; only for a machine that was built with labels."""
    if labels is None:
        return [None] * count
    if not conditional:
        raise UserError(f"{name}: got labels for a machine built without them, want None (or build it with labels=)")
    array = _numbers(name, labels)
    if array.shape not in ((), (count,)) or array.dtype.kind not in "iu":
        raise UserError(f"{name}: got shape {array.shape} of {array.dtype}, want an integer or ({count},) integers")
    return np.broadcast_to(array, (count,)).tolist()


def as_numpy(value) -> np.ndarray:
    """A numpy view or copy of anything array-like; a torch tensor is brought to the CPU, half precision as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.element_size() < 4 else value
        return value.numpy()
    return np.asarray(value)


def requires_graph(x) -> bool:
    """Whether x is a torch tensor whose gradients are asked for."""
    return bool(getattr(x, "requires_grad", False)) and sys.modules["torch"].is_grad_enabled()


def like(result: np.ndarray, x):
    """`result` in the kind, dtype and device of x, which is numpy or torch."""
    if hasattr(x, "new_tensor"):
        return x.new_tensor(result)
    return result.astype(np.asarray(x).dtype)


def spacing(x) -> tuple[float, float]:
    """The spacing of numbers around 1 in the float type of x, numpy or torch, and the smallest number above 0."""
    if hasattr(x, "new_tensor") and x.is_floating_point():
        limits = sys.modules["torch"].finfo(x.dtype)
        return limits.eps, limits.smallest_normal * limits.eps
    dtype = getattr(x, "dtype", None)
    limits = np.finfo(dtype if isinstance(dtype, np.dtype) and dtype.kind == "f" else np.float64)
    return float(limits.eps), float(limits.smallest_subnormal)


def shown(value) -> str:
    """A value in a few words of one line."""
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    return " ".join(reprlib.repr(value).split())


def _numbers(name: str, value) -> np.ndarray:
    """An array of what came, if it is one at all."""
    if np.ma.is_masked(value):
        raise UserError(f"{name}: got masked values, want numbers")
    try:
        array = as_numpy(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors that numpy has no type for
        raise UserError(f"{name}: got {shown(value)}, want an array of numbers") from error
    if array.dtype.kind not in "biufc":
        raise UserError(f"{name}: got {shown(value)}, want numbers")
    return array


def _is_number(value) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _all_finite(name: str, array: np.ndarray, where: str = "") -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(map(int, np.argwhere(bad)[0]))
        raise UserError(f"{name}: got {int(bad.sum())} values that are NaN or infinite (the first at {first}), want "
                        f"finite values{where}")


def _outside() -> int:
    """The `stacklevel` at which a warning, given by the caller, points out of this package."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "theory":
        frame, level = frame.f_back, level + 1
    return level
