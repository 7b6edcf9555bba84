"""Images as their files have them, before they are resized and scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True, eq=False)
class Raw:
    """images uint8 (N, H, W, C); labels int64 (N,) or None; classes: what label i is called, or None."""

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self):
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or not len(self.images):
            raise ValueError(f"images: got {self.images.dtype} {self.images.shape}, want uint8 (N, H, W, C), N > 0")
        if self.labels is not None and self.labels.shape != (len(self.images),):
            raise ValueError(f"labels: got {self.labels.shape} for {len(self.images)} images, want one an image")

    def pixels(self) -> np.ndarray:
        """float32 (N, C, H, W) in [-1, 1]: 0..255 -> value / 127.5 - 1."""
        return np.ascontiguousarray(self.images.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(127.5) - 1


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, C) -> (size, size, C): the central square, then bilinear with antialiasing, rounded to 0..255."""
    height, width, channels = image.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(image[top : top + side, left : left + side].squeeze())
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR)).reshape(size, size, channels)
