"""Checks of what users hand in: each failure is one line that names the argument, what came and what is wanted."""

from __future__ import annotations

import numpy as np

from theory.errors import UserError


def training_images(images) -> np.ndarray:
    """images (N, C, H, W), finite floats, N >= 1 -> float32, contiguous."""
    array = as_numpy(images)
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(f"images: got shape {array.shape}, want (N, C, H, W) with at least one image")
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"images: got dtype {array.dtype}, want floats, scaled to [-1, 1]")
    if not np.isfinite(array).all():
        raise UserError(f"images: got {_non_finite(array)}, want finite values in [-1, 1]")
    return np.ascontiguousarray(array, dtype=np.float32)


def training_labels(labels, count: int) -> np.ndarray | None:
    """labels (N,) of integers, one an image, or None."""
    if labels is None:
        return None
    array = as_numpy(labels)
    if array.shape != (count,) or not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"labels: got shape {array.shape} of {array.dtype}, want ({count},) integers, one an image")
    return array


def queries(x, image_shape: tuple[int, ...]) -> np.ndarray:
    """x (B, C, H, W), finite, of the training images' shape -> float64."""
    array = as_numpy(x)
    if array.ndim != 4 or array.shape[1:] != image_shape:
        want = ", ".join(map(str, image_shape))
        raise UserError(f"x: got shape {array.shape}, want (B, {want}) like the training images")
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"x: got dtype {array.dtype}, want floats")
    if not np.isfinite(array).all():
        raise UserError(f"x: got {_non_finite(array)}, want finite values")
    return array.astype(np.float64)


def noise_levels(sigma, count: int) -> np.ndarray:
    """sigma > 0, finite, a number or one a query -> float64 (B,)."""
    array = np.asarray(as_numpy(sigma), dtype=np.float64)
    if array.shape not in ((), (count,)):
        raise UserError(f"sigma: got shape {array.shape}, want a number or ({count},), one a query")
    if not (np.isfinite(array) & (array > 0.0)).all():
        raise UserError(f"sigma: got {array if array.ndim == 0 else array.tolist()}, want finite numbers above 0")
    return np.broadcast_to(array, (count,)).copy()


def odd_patch_size(patch_size) -> int:
    """patch_size: an odd integer, at least 1."""
    if isinstance(patch_size, bool) or not isinstance(patch_size, int | np.integer):
        raise UserError(f"patch_size: got {patch_size!r}, want an odd integer")
    if patch_size < 1 or patch_size % 2 == 0:
        raise UserError(f"patch_size: got {patch_size}, want an odd integer of at least 1")
    return int(patch_size)


def patch_sizes(sizes) -> list[int]:
    """patch_sizes: one or several of odd_patch_size."""
    if len(sizes) == 0:
        raise UserError("patch_sizes: got none, want at least one")
    return [odd_patch_size(k) for k in sizes]


def choice(name: str, value, allowed: tuple[str, ...]) -> str:
    """value: one of the allowed words."""
    if value not in allowed:
        raise UserError(f"{name}: got {value!r}, want one of {', '.join(map(repr, allowed))}")
    return value


def tolerance(value) -> float | None:
    """None, or a finite number above 0."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < np.inf:
        raise UserError(f"tolerance: got {value!r}, want None or a number above 0")
    return float(value)


def at_least_0(name: str, value, most: float = np.inf) -> float:
    """value: a finite number of at least 0, and at most `most`."""
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not np.isfinite(value) or value < 0.0:
        raise UserError(f"{name}: got {value!r}, want a finite number of at least 0")
    if value > most:
        raise UserError(f"{name}: got {value!r}, want a number from 0 to {most:g}")
    return float(value)


def integer(name: str, value, least: int) -> int:
    """value: an integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise UserError(f"{name}: got {value!r}, want an integer of at least {least}")
    return int(value)


def attention_matrix(alpha, pixels: int) -> np.ndarray:
    """attention (P, P) or (B, P, P) over P pixels in row-major order: rows sum to 1, nothing negative, diagonal 0."""
    array = as_numpy(alpha).astype(np.float64)
    if array.ndim not in (2, 3) or array.shape[-2:] != (pixels, pixels):
        raise UserError(f"attention: got shape {array.shape}, want ({pixels}, {pixels}) or (B, {pixels}, {pixels})")
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


def query_labels(labels, count: int, conditional: bool) -> list[int | None]:
    """labels: None, an integer, or one a query; only for a machine that was built with labels."""
    if labels is None:
        return [None] * count
    if not conditional:
        raise UserError("labels: got labels for a machine built without them, want None (or build it with labels=)")
    array = as_numpy(labels)
    if array.shape not in ((), (count,)) or not np.issubdtype(array.dtype, np.integer):
        raise UserError(f"labels: got shape {array.shape} of {array.dtype}, want an integer or ({count},) integers")
    return np.broadcast_to(array, (count,)).tolist()


def as_numpy(value) -> np.ndarray:
    """A numpy view or copy of anything array-like; a torch tensor is brought to the CPU, half precision as float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() and value.element_size() < 4 else value
        return value.numpy()
    return np.asarray(value)


def like(result: np.ndarray, x):
    """`result` in the kind, dtype and device of x, which is numpy or torch."""
    if hasattr(x, "new_tensor"):
        return x.new_tensor(result)
    return result.astype(np.asarray(x).dtype)


def _non_finite(array: np.ndarray) -> str:
    bad = ~np.isfinite(array)
    return f"{int(bad.sum())} values that are NaN or infinite (the first at {tuple(map(int, np.argwhere(bad)[0]))})"
