"""Images as files have them, before they are scaled, and how one is resized."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from theory.errors import UserError

MOST_CHANNELS = 16
Size = int | tuple[int, int] | None
"""Pixels: the side of a square, or height and width; None leaves images as they are."""


@dataclass(frozen=True, eq=False)
class RawImages:
    """Hold images and what belongs to them.

    Parameters
    ----------
    images : numpy.ndarray, (N, H, W, C)
        uint8 with C 1 or 3, or floats in [-1, 1] with C 1 to 16.
    labels : numpy.ndarray, (N,), optional
        int64.
    classes : tuple of str, optional
        What label i is called.
    files : tuple of str, optional
        The file of each image.
    skipped : tuple of str
        Files that were left out because they could not be read.

    Raises
    ------
    UserError
        Arrays are of another type, shape or range.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None
    files: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()

    def __post_init__(self):
        images, labels, classes = self.images, self.labels, self.classes
        if images.dtype.kind == "f":
            _check_floats(images)
        elif images.dtype != np.uint8 or images.ndim != 4 or not images.size or images.shape[-1] not in (1, 3):
            raise UserError(f"images: got {images.dtype} {images.shape}, want uint8 (N, H, W, 1 or 3), N > 0")
        if labels is None:
            return
        if labels.shape != (len(images),):
            raise UserError(f"labels: got {labels.shape} for {len(images)} images, want one an image")
        if labels.min() < 0 or classes is not None and labels.max() >= len(classes):
            most = "up" if classes is None else f"to {len(classes) - 1}"
            raise UserError(f"labels: got {labels.min()} to {labels.max()}, want 0 {most}")

    def resized(self, size: Size) -> RawImages:
        """Return it with images of that size."""
        if size is None or self.images.shape[1:3] == shape_of(size):
            return self
        return replace(self, images=np.stack([_resized_array(image, size) for image in self.images]))

    def pixels(self) -> np.ndarray:
        """Return float32 (N, C, H, W) in [-1, 1]: bytes as value / 127.5 - 1, floats as they are."""
        pixels = np.ascontiguousarray(self.images.transpose(0, 3, 1, 2), dtype=np.float32)
        return pixels / np.float32(127.5) - 1 if self.images.dtype == np.uint8 else pixels


def _check_floats(images: np.ndarray) -> None:
    if images.ndim != 4 or not images.size or images.shape[-1] > MOST_CHANNELS:
        shape = tuple(np.array(images.shape)[[0, 3, 1, 2]]) if images.ndim == 4 else images.shape
        raise UserError(f"images: got {images.dtype} of shape ({', '.join(map(str, shape))}), want uint8 (N, H, W, C) "
                        f"or floats (N, C, H, W), N > 0, C 1 to {MOST_CHANNELS}")
    low, high = images.min(), images.max()
    if not (-1.001 <= low and high <= 1.001):
        raise UserError(f"images: got values from {low:.4g} to {high:.4g}, want floats in [-1, 1]")
    if low >= 0 < high:
        warnings.warn(f"images: all values are at least 0 ({low:.4g} to {high:.4g}); floats are taken as in [-1, 1], "
                      "where -1 is black", stacklevel=2)


def shape_of(size: int | tuple[int, int]) -> tuple[int, int]:
    """Return height and width; raise a UserError unless both are whole numbers of at least 1."""
    shape = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(shape) != 2 or not all(isinstance(side, int | np.integer) and side >= 1 for side in shape):
        raise UserError(f"size: got {size!r}, want a whole number of pixels of at least 1, or height and width")
    return int(shape[0]), int(shape[1])


def resize(image: Image.Image, size: Size) -> np.ndarray:
    """Return (H, W, C): the central part of that shape, then bilinear with antialiasing; bytes rounded to 0..255."""
    if size is not None:
        height, width = shape_of(size)
        across = min(image.width, round(image.height * width / height))
        down = min(image.height, round(image.width * height / width))
        left, top = (image.width - across) // 2, (image.height - down) // 2
        image = image.crop((left, top, left + across, top + down))
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    return array[..., None] if array.ndim == 2 else array


def _resized_array(image: np.ndarray, size: Size) -> np.ndarray:
    """Return one image (H, W, C) in that size."""
    if image.dtype == np.uint8:
        return resize(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image), size)
    channels = [resize(Image.fromarray(channel.astype(np.float32)), size) for channel in image.transpose(2, 0, 1)]
    return np.concatenate(channels, axis=-1)
