"""Two or more real images in a row that share one hidden property, further apart than a local network can see.

Every image of a row is one of a pool of real grey images, drawn independently; one hue, or one brightness, is drawn for
the whole row. A sample is consistent if all its images have one hue. Locality cannot see the rule: where the gap is
wider than the window, each image is a patch mosaic of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from theory.errors import UserError

SHARED = ("hue", "brightness")
HUES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=np.float32)
"""Corners of the colour cube with one or two channels on: red, green, blue, cyan, magenta, yellow."""

CLEAN_DISTANCE = 0.15  # root mean square a pixel and channel, of values in [-1, 1]


@dataclass(frozen=True)
class PairsLayout:
    """Say what a row of images is.

    Parameters
    ----------
    row : int
        Images in a row, at least 2.
    side, gap : int
        Pixels of an image's side, and between images; a network or machine whose window is at most gap + 1 wide never
        sees two images at once.
    pool : int
        Real images that are drawn from, at least 1; the first of a permutation of the source by `pool_seed`.
    shared : {"hue", "brightness"}
        What all images of a row have in common; of three channels, or of one.
    values : int
        How many hues, 2 to 6, or brightnesses, at least 2: 1 / values, 2 / values, ..., 1.
    held_out : float
        Share in [0, 1) of the combinations (image, ..., image, value) that the training split never draws and the test
        split draws; which ones is decided by a hash of the combination and `pool_seed`.
    pool_seed : int
        Of pool and held-out combinations, at least 0.

    Raises
    ------
    UserError
        A value is out of its range.
    """

    row: int = 2
    side: int = 10
    gap: int = 8
    pool: int = 200
    shared: str = "hue"
    values: int = 6
    held_out: float = 0.1
    pool_seed: int = 0

    def __post_init__(self):
        for name, least in (("row", 2), ("side", 1), ("gap", 0), ("pool", 1), ("values", 2), ("pool_seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise UserError(f"{name}: got {value!r}, want an integer of at least {least}")
        if self.shared not in SHARED:
            raise UserError(f"shared: got {self.shared!r}, want one of {', '.join(SHARED)}")
        if self.shared == "hue" and self.values > len(HUES):
            raise UserError(f"values: got {self.values}, want at most {len(HUES)} hues")
        if not 0.0 <= self.held_out < 1.0:
            raise UserError(f"held_out: got {self.held_out!r}, want a share in [0, 1)")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one row."""
        return (3 if self.shared == "hue" else 1), self.side, self.row * self.side + (self.row - 1) * self.gap

    @property
    def chance(self) -> float:
        """The exact rate of consistent rows where each image's value is drawn by itself: values^(1 - row)."""
        return float(self.values) ** (1 - self.row)

    @property
    def tints(self) -> np.ndarray:
        """What an image's intensities are multiplied by, float32 (values, channels) in [0, 1]."""
        if self.shared == "hue":
            return HUES[: self.values]
        return np.arange(1, self.values + 1, dtype=np.float32)[:, None] / self.values

    def columns(self, place: int) -> slice:
        """Return the columns of the image at `place` in the row."""
        start = place * (self.side + self.gap)
        return slice(start, start + self.side)

    def zone(self, place: int) -> slice:
        """Return those columns and half of the gap on either side: networks do not keep images to their places."""
        inner = self.columns(place)
        left = inner.start - self.gap // 2 if place else 0
        return slice(left, inner.stop + self.gap - self.gap // 2 if place < self.row - 1 else self.shape[2])


class Decoded(NamedTuple):
    """What the images of rows are taken for, each (n, row)."""

    values: np.ndarray     # hue or brightness, 0 .. values - 1
    images: np.ndarray     # place in the pool: of the images in that value the nearest one
    distances: np.ndarray  # root mean square from the nearest picture in that hue, or that image in that brightness


@dataclass(frozen=True, eq=False)
class PairedImages:
    """Render rows of a pool's images, and read them back.

    Parameters
    ----------
    layout : PairsLayout
    pool : numpy.ndarray, float32 (layout.pool, side, side)
        Intensities in [0, 1].

    Examples
    --------
    >>> bars = np.zeros((2, 4, 4), np.float32)
    >>> bars[0, 1], bars[1, :, 1] = 1, 1
    >>> rows = PairedImages(PairsLayout(side=4, gap=2, pool=2), bars)
    >>> images = rows.render([[0, 1]], [3])
    >>> images.shape
    (1, 3, 4, 10)
    >>> rows.decode(images).values, rows.decode(images).images
    (array([[3, 3]]), array([[0, 1]]))
    """

    layout: PairsLayout
    pool: np.ndarray

    def __post_init__(self):
        want = (self.layout.pool, self.layout.side, self.layout.side)
        if self.pool.shape != want:
            raise UserError(f"pool: got {self.pool.shape}, want {want}")

    def render(self, images, values) -> np.ndarray:
        """Return rows of the pool's images.

        Parameters
        ----------
        images : array of int, (n, row)
            Places in the pool.
        values : array of int, (n,) or (n, row)
            Hue or brightness of the row, or of each image.

        Returns
        -------
        numpy.ndarray, float32 (n, C, H, W)
            In [-1, 1]; the gap is -1.
        """
        images, values = np.asarray(images), np.asarray(values)
        values = np.broadcast_to(values[:, None] if values.ndim == 1 else values, images.shape)
        rows = np.full((len(images), *self.layout.shape), -1.0, dtype=np.float32)
        for place in range(self.layout.row):
            tinted = self.pool[images[:, place], None] * self.layout.tints[values[:, place], :, None, None]
            rows[..., self.layout.columns(place)] = 2 * tinted - 1
        return rows

    def sample(self, n: int, seed: int, held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return images (n, row) and values (n,) of random rows; a function of (n, seed).

        held_out: of the combinations that training never draws instead of the others. UserError: there are none.
        """
        if n < 1:
            raise UserError(f"n: got {n}, want at least one row")
        if held_out and not self.layout.held_out:
            raise UserError("held_out: got 0, so that every combination may be drawn in training, want a share above 0")
        rng = np.random.default_rng([seed, int(held_out)])
        drawn = np.empty((0, self.layout.row + 1), dtype=np.int64)
        limits = [self.layout.pool] * self.layout.row + [self.layout.values]
        while len(drawn) < n:
            some = rng.integers(limits, size=(n, len(limits)))
            drawn = np.concatenate([drawn, some[self.is_held_out(some[:, :-1], some[:, -1]) == held_out]])
        return drawn[:n, :-1], drawn[:n, -1]

    def is_held_out(self, images, values) -> np.ndarray:
        """Return whether training never draws the combinations images (n, row), values (n,): (n,) bool."""
        code = np.asarray(values, dtype=np.uint64)
        for place in np.asarray(images, dtype=np.uint64).T:
            code = code * np.uint64(self.layout.pool) + place
        uniform = _hashed(code, self.layout.pool_seed) / 2.0**64
        return uniform < self.layout.held_out

    def decode(self, images) -> Decoded:
        """Return what the images of rows (n, C, H, W), numpy or torch, are taken for.

        A hue is that whose scaled tints s h, 0 <= s <= 1 in each pixel, are nearest to the colours of the image's zone,
        so that a picture of one hue is read right wherever it is and whatever it shows; a brightness is that of the
        nearest image of the pool.
        """
        images, layout = self._checked(images), self.layout
        shape = (len(images), layout.row)
        values, nearest, distances = np.empty(shape, dtype=np.int64), np.empty(shape, dtype=np.int64), np.empty(shape)
        for place in range(layout.row):
            squares = self._template_squares(images[..., layout.columns(place)])       # (n, values, pool)
            if layout.shared == "hue":
                errors = _hue_errors(images[..., layout.zone(place)], layout.tints)     # (n, values)
            else:
                errors = squares.min(axis=2)
            values[:, place], distances[:, place] = errors.argmin(axis=1), np.sqrt(errors.min(axis=1))
            nearest[:, place] = squares[np.arange(len(images)), values[:, place]].argmin(axis=1)
        return Decoded(values, nearest, distances)

    def _template_squares(self, seen: np.ndarray) -> np.ndarray:
        """Mean squared differences of images (n, C, s, s) from the pool's in every value, (n, values, pool)."""
        templates = 2 * self.pool[None, :, None] * self.layout.tints[:, None, :, None, None] - 1
        templates = templates.reshape(self.layout.values, self.layout.pool, -1).astype(np.float64)
        seen = seen.reshape(len(seen), -1).astype(np.float64)
        squares = (seen**2).sum(1)[:, None, None] - 2 * np.einsum("nd,vpd->nvp", seen, templates, optimize=True)
        return np.maximum(squares + (templates**2).sum(axis=2), 0.0) / seen.shape[1]

    def consistent(self, images) -> np.ndarray:
        """Return whether all images of each row have one value: (n,) bool."""
        values = self.decode(images).values
        return np.all(values == values[:, :1], axis=1)

    def clean(self, images, distance: float = CLEAN_DISTANCE) -> np.ndarray:
        """Return whether every image of each row has its value within `distance`, see `Decoded`: (n,) bool."""
        return np.all(self.decode(images).distances <= distance, axis=1)

    def novel(self, images, training_images) -> np.ndarray:
        """Return whether no training row has the decoded images and values of each row: (n,) bool."""
        return ~np.isin(self._code(images), self._code(training_images))

    def _code(self, images) -> np.ndarray:
        """Return what a row is taken for as one number, (n,) float64 or exact integers."""
        found = self.decode(images)
        each = found.values * self.layout.pool + found.images
        base = self.layout.values * self.layout.pool
        return (each.astype(object) * np.array([base**place for place in range(self.layout.row)], dtype=object)).sum(1)

    def _checked(self, images) -> np.ndarray:
        if not isinstance(images, np.ndarray):
            images = images.detach().cpu().numpy()
        if images.ndim != 4 or images.shape[1:] != self.layout.shape:
            want = ", ".join(map(str, self.layout.shape))
            raise UserError(f"images: got shape {images.shape}, want (n, {want})")
        if not np.isfinite(images).all():
            raise UserError("images: got NaN or infinite values, want finite pixels")
        return images


def _hue_errors(images: np.ndarray, tints: np.ndarray) -> np.ndarray:
    """Return the mean squared distance of images (n, 3, H, W) from the nearest picture in each hue: (n, hues)."""
    light = (images.astype(np.float64) + 1) / 2
    scale = np.einsum("nchw,vc->nvhw", light, tints) / (tints**2).sum(axis=1)[:, None, None]
    nearest = scale.clip(0, 1)[:, :, None] * tints[:, :, None, None]                    # (n, values, 3, H, W)
    return 4 * ((light.clip(0)[:, None] - nearest) ** 2).mean(axis=(2, 3, 4))


def _hashed(code: np.ndarray, seed: int) -> np.ndarray:
    """Return SplitMix64 of each code, uint64: a uniform draw for every combination that needs no table of them."""
    state = code + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return state ^ (state >> np.uint64(31))
