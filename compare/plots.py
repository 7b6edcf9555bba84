"""The house style of figures, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from empirical.atomic import replacing

STYLE = Path(__file__).parent / "patchmosaic.mplstyle"


def save_figure(path: Path, draw: Callable[[Figure], None], size: tuple[float, float]) -> Path:
    """Draw a figure of `size` (inches) in the house style and write it whole; returns its path."""
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=size)
        draw(figure)
        with replacing(path) as temporary:
            figure.savefig(temporary)
    return path


def mosaic(images: np.ndarray, gap: int = 1) -> np.ndarray:
    """Images in rows and columns (R, S, C, H, W) in [-1, 1] -> one RGB picture in [0, 1] with white gaps.

    Values beyond [-1, 1] are clipped; one channel is shown in gray. Image (r, s) starts at pixel
    (gap + r (H + gap), gap + s (W + gap)).
    """
    R, S, C, H, W = images.shape
    picture = np.ones((gap + R * (H + gap), gap + S * (W + gap), 3))
    for r in range(R):
        for s in range(S):
            y, x = gap + r * (H + gap), gap + s * (W + gap)
            picture[y : y + H, x : x + W] = rgb(images[r, s])
    return picture


def rgb(image: np.ndarray) -> np.ndarray:
    """An image (C, H, W) in [-1, 1], C = 1 or 3, as matplotlib wants it: (H, W, 3) in [0, 1], clipped."""
    return np.clip(0.5 * (np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0) + 1.0), 0.0, 1.0)
