"""The house style of figures, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from compare.measure.intervals import Interval
from empirical.atomic import atomic_file

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#332288", "#882255", "#117733",
           "#AA4499", "#999933")
"""Colours of training images in maps of sources: those of Okabe & Ito, then darker ones of Paul Tol's muted scheme, all
safe for colour-blind readers."""

GREYS = ("#7a7a7a", "#a3a3a3", "#c2c2c2")
"""Those of all other training images, by index."""

UNDATED = {".pdf": {"CreationDate": None}, ".png": {"Software": None}}
"""What keeps a file the same if it is drawn again from the same numbers."""

CAPTION = {".pdf": "Subject", ".png": "Description"}
"""Where a file's metadata hold its caption."""

STYLE = Path(__file__).parent / "patchmosaic.mplstyle"


def save_figure(path: Path, draw: Callable[[Figure], None], size: tuple[float, float], caption: str = "") -> Path:
    """Draw a figure of `size` (inches) in the house style and write it whole; returns its path."""
    return save_figures([path], draw, size, caption)[0]


def save_figures(paths: Sequence[Path], draw: Callable[[Figure], None], size: tuple[float, float],
                 caption: str = "") -> list[Path]:
    """The same, drawn once and written to several files, each in the format of its suffix, the caption inside."""
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=size)
        draw(figure)
        for path in paths:
            with atomic_file(path) as file:
                said = {CAPTION[path.suffix]: caption} if caption and path.suffix in CAPTION else {}
                figure.savefig(file, format=path.suffix[1:], metadata=UNDATED.get(path.suffix, {}) | said)
    return list(paths)


def bare(axes) -> None:
    """Leave out ticks and frame."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def a_column_each(figure: Figure, columns: int, rows: int = 1) -> np.ndarray:
    """Return panels (rows, columns), the axes of a row alike."""
    return figure.subplots(rows, columns, sharex=True, sharey="row", squeeze=False)


def legend_above(figure: Figure, panels, columns: int) -> None:
    """One legend for all panels, each label once."""
    handles = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels())}
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns)


def reach(intervals: Sequence[Interval]) -> np.ndarray:
    """Return how far intervals reach below and above their estimates, (2, n), as `errorbar` takes them."""
    estimate, low, high = np.array([interval[:3] for interval in intervals]).T
    return np.stack([estimate - low, high - estimate])


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


def shaded_sources(image: np.ndarray, weight: np.ndarray, largest: Sequence[int]) -> np.ndarray:
    """A map of sources, (H, W, 3) in [0, 1]: each pixel in the colour of its patch's training image.

    image (H, W): training image of the pixel's best patch; weight (H, W): its posterior weight, a pixel is the paler
    the smaller. largest: the images that get the colours of PALETTE, in its order, -1 for none; others are grey.
    """
    colours = np.array([to_rgb(grey) for grey in GREYS])[image % len(GREYS)]
    for chosen, colour in zip(largest, PALETTE):
        colours[image == chosen] = to_rgb(colour)
    depth = 0.25 + 0.75 * np.sqrt(np.clip(weight, 0.0, 1.0))[..., None]
    return 1.0 - depth * (1.0 - colours)
