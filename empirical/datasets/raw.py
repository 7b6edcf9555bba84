"""Images as bytes, before they are scaled, and how one is resized."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from theory.errors import UserError


@dataclass(frozen=True, eq=False)
class RawImages:
    """images uint8 (N, H, W, C); labels int64 (N,) or None; classes: what label i is called, or None."""

    images: np.ndarray
    labels: np.ndarray | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self):
        images, labels, classes = self.images, self.labels, self.classes
        if images.dtype != np.uint8 or images.ndim != 4 or not images.size or images.shape[-1] not in (1, 3):
            raise UserError(f"images: got {images.dtype} {images.shape}, want uint8 (N, H, W, 1 or 3), N > 0")
        if labels is None:
            return
        if labels.shape != (len(images),):
            raise UserError(f"labels: got {labels.shape} for {len(images)} images, want one an image")
        if labels.min() < 0 or classes is not None and labels.max() >= len(classes):
            most = "up" if classes is None else f"to {len(classes) - 1}"
            raise UserError(f"labels: got {labels.min()} to {labels.max()}, want 0 {most}")

    def resized(self, size: int | None) -> RawImages:
        """With images of size x size; None leaves them."""
        if size is None or self.images.shape[1:3] == (size, size):
            return self
        images = [resize(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image), size)
                  for image in self.images]
        return replace(self, images=np.stack(images))

    def pixels(self) -> np.ndarray:
        """float32 (N, C, H, W) in [-1, 1]: 0..255 -> value / 127.5 - 1."""
        return np.ascontiguousarray(self.images.transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(127.5) - 1


def resize(image: Image.Image, size: int | None) -> np.ndarray:
    """uint8 (size, size, C): the central square, then bilinear with antialiasing, rounded to 0..255; None leaves it."""
    if size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.BILINEAR)
    array = np.asarray(image, dtype=np.uint8)
    return array[..., None] if array.ndim == 2 else array
