"""What a made sample says: whether it is consistent, clean and novel; of the toy set, its colours cell by cell."""

from __future__ import annotations

import numpy as np

from empirical.pairs import PairedImages
from empirical.toy import PALETTE, ToyLayout
from theory.errors import UserError

CLEAN_DISTANCE = 0.5  # Euclidean, in colour units; palette colours are at least 2 apart


def flags(images, training_images, layout: ToyLayout | PairedImages) -> dict[str, np.ndarray]:
    """Return what is said of each sample, (n,) bool: "consistent", "clean", "novel".

    Where a toy layout holds maps out, also "by_held_out_map". images (n, C, H, W), training_images (N, C, H, W).
    """
    if isinstance(layout, PairedImages):
        return {"consistent": layout.consistent(images), "clean": layout.clean(images),
                "novel": layout.novel(images, training_images)}
    held_out = {"by_held_out_map": by_held_out_map(images, layout)} if layout.held_out_maps else {}
    return {"consistent": consistent(images, layout), "clean": clean(images, layout),
            "novel": novel(images, training_images, layout)} | held_out


def decode(images, layout: ToyLayout) -> tuple[np.ndarray, np.ndarray]:
    """Return the colour of every cell: the palette entry nearest to the cell's mean.

    images (n, 3, H, W), numpy or torch
    returns colours (n, pairs, 2) int in 0..3, keys at [..., 0] and values at [..., 1], and the Euclidean distance of
    each cell's mean from that palette colour, (n, pairs, 2).
    """
    images = _images(images, layout)
    means = np.empty((len(images), layout.pairs, 2, 3))
    for (pair, side), _ in np.ndenumerate(layout.corners[..., 0]):
        y, x = layout.corners[pair, side]
        means[:, pair, side] = images[:, :, y : y + layout.cell, x : x + layout.cell].mean(axis=(2, 3))
    distances = np.linalg.norm(means[..., None, :] - PALETTE, axis=-1)  # (n, pairs, 2, 4)
    return distances.argmin(-1), distances.min(-1)


def consistent(images, layout: ToyLayout) -> np.ndarray:
    """Return whether each sample's decoded pairs fit one map of the layout's family: (n,) bool."""
    colours, _ = decode(images, layout)
    return consistent_colours(colours[..., 0], colours[..., 1], layout.family)


def consistent_colours(keys, values, family: str = "one-to-one") -> np.ndarray:
    """Return whether pairs of colours fit one map: keys, values (n, pairs) -> (n,) bool.

    "one-to-one": K_a = K_b exactly when V_a = V_b.  "all": K_a = K_b implies V_a = V_b.
    """
    same_key = keys[:, :, None] == keys[:, None, :]
    same_value = values[:, :, None] == values[:, None, :]
    agree = same_key == same_value if family == "one-to-one" else ~same_key | same_value
    return agree.all(axis=(1, 2))


def by_held_out_map(images, layout: ToyLayout) -> np.ndarray:
    """Return whether each sample is consistent by held-out maps alone, by no map that training draws: (n,) bool."""
    colours, _ = decode(images, layout)
    keys, values = colours[..., 0], colours[..., 1]
    shown = (layout.maps[:, keys] == values).all(axis=-1).any(axis=0)
    return consistent_colours(keys, values, layout.family) & ~shown


def clean(images, layout: ToyLayout, distance: float = CLEAN_DISTANCE) -> np.ndarray:
    """Return whether every cell's mean lies within `distance` of a palette colour: (n,) bool."""
    return (decode(images, layout)[1] <= distance).all(axis=(1, 2))


def novel(images, training_images, layout: ToyLayout) -> np.ndarray:
    """Return whether each sample's decoded colours are those of no training image: (n,) bool."""
    return ~np.isin(_code(images, layout), _code(training_images, layout))


def _code(images, layout: ToyLayout) -> np.ndarray:
    """Return the decoded colours of an image as one base-4 number: (n,) int64."""
    colours = decode(images, layout)[0].reshape(len(images), -1).astype(np.int64)
    return colours @ (4 ** np.arange(2 * layout.pairs, dtype=np.int64))


def _images(images, layout: ToyLayout) -> np.ndarray:
    if not isinstance(images, np.ndarray):
        images = images.detach().cpu().numpy()
    if images.ndim != 4 or images.shape[1:] != layout.shape:
        raise UserError(f"images: got shape {images.shape}, want (n, {', '.join(map(str, layout.shape))})")
    if not np.isfinite(images).all():
        raise UserError("images: got NaN or infinite values, want finite pixels")
    return images
