"""The toy set: four key-value pairs of solid colour cells that share one hidden map (Finn et al. 2025).

Keys K_1..K_P are drawn uniformly with replacement from four colours, a map f between the colours is drawn uniformly,
the values are f(K_j). Under the one-to-one family an image is consistent if K_a = K_b exactly when V_a = V_b; under the
family of all maps, if K_a = K_b implies V_a = V_b. Locality cannot see the rule: it joins cells that lie apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations, product

import numpy as np

from theory.errors import UserError

COLOURS = ("red", "green", "blue", "yellow")
PALETTE = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1]], dtype=np.float32)  # (4, 3), any two >= 2 apart
BACKGROUND = -1.0

ARRANGEMENTS = ("rows", "grid")
FAMILIES = ("one-to-one", "all")


@dataclass(frozen=True)
class ToyLayout:
    """Say where the cells lie, which maps are allowed, and what is held out of the training set.

    pairs: key-value pairs an image; the key cell lies left, its value cell right
    cell: side of a cell in pixels                gap: background pixels between neighbouring pairs
    inner_gap: background pixels between a key and its value
    arrangement: "rows", one pair a row; "grid", two pairs a row
    family: "one-to-one", the 24 bijections; "all", the 256 maps
    held_out_maps, held_out_keys: fraction of the maps, or of the 4^pairs key patterns, that training never draws;
    held_out_seed: which ones.
    The default is 3 x 4 x 2: cells of one pixel, no gap, nothing held out.
    """

    pairs: int = 4
    cell: int = 1
    gap: int = 0
    inner_gap: int = 0
    arrangement: str = "rows"
    family: str = "one-to-one"
    held_out_maps: float = 0.0
    held_out_keys: float = 0.0
    held_out_seed: int = 0

    def __post_init__(self):
        for name, least in (("pairs", 1), ("cell", 1), ("gap", 0), ("inner_gap", 0), ("held_out_seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise UserError(f"{name}: got {value!r}, want an integer of at least {least}")
        for name, known in (("arrangement", ARRANGEMENTS), ("family", FAMILIES)):
            if getattr(self, name) not in known:
                raise UserError(f"{name}: got {getattr(self, name)!r}, want one of {', '.join(known)}")
        for name in ("held_out_maps", "held_out_keys"):
            value = getattr(self, name)
            if not 0.0 <= value < 1.0:
                raise UserError(f"{name}: got {value!r}, want a fraction in [0, 1)")

    @property
    def height(self) -> int:
        rows = -(-self.pairs // self._pairs_a_row)
        return rows * self.cell + (rows - 1) * self.gap

    @property
    def width(self) -> int:
        return self._pairs_a_row * (2 * self.cell + self.inner_gap) + (self._pairs_a_row - 1) * self.gap

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        return 3, self.height, self.width

    @property
    def _pairs_a_row(self) -> int:
        return 2 if self.arrangement == "grid" and self.pairs > 1 else 1

    @cached_property
    def corners(self) -> np.ndarray:
        """Top-left pixel (y, x) of each key cell and value cell: (pairs, 2, 2), int."""
        pair = np.arange(self.pairs)
        y = pair // self._pairs_a_row * (self.cell + self.gap)
        x = pair % self._pairs_a_row * (2 * self.cell + self.inner_gap + self.gap)
        key, value = np.stack([y, x], -1), np.stack([y, x + self.cell + self.inner_gap], -1)
        return np.stack([key, value], axis=1)

    @cached_property
    def maps(self) -> np.ndarray:
        """The maps that training may draw, as rows f(0), ..., f(3): (M, 4), int."""
        every = permutations(range(4)) if self.family == "one-to-one" else product(range(4), repeat=4)
        return _without_held_out(np.array(list(every)), self.held_out_maps, [self.held_out_seed, 0])

    @cached_property
    def key_patterns(self) -> np.ndarray:
        """The key patterns K_1, ..., K_P that training may draw: (K, pairs), int."""
        every = np.array(list(product(range(4), repeat=self.pairs)))
        return _without_held_out(every, self.held_out_keys, [self.held_out_seed, 1])

    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return keys and values of n random images, each (n, pairs), colours 0..3; a function of (n, seed)."""
        if n < 1:
            raise UserError(f"n: got {n}, want at least one image")
        rng = np.random.default_rng(seed)
        keys = self.key_patterns[rng.integers(len(self.key_patterns), size=n)]
        maps = self.maps[rng.integers(len(self.maps), size=n)]
        return keys, np.take_along_axis(maps, keys, axis=1)

    def generate(self, n: int, seed: int) -> np.ndarray:
        """Return n random training images: float32 (n, 3, H, W) in [-1, 1]."""
        return self.render(*self.sample(n, seed))

    def enumerate(self) -> np.ndarray:
        """Return every distinct training image once: float32 (M, 3, H, W); 5,056 of them by default."""
        values = self.maps[:, self.key_patterns]  # (M, K, pairs): f(K_j)
        keys = np.broadcast_to(self.key_patterns, values.shape)
        pairs = np.unique(np.stack([keys, values], -1).reshape(-1, self.pairs, 2), axis=0)
        return self.render(pairs[..., 0], pairs[..., 1])

    def render(self, keys, values) -> np.ndarray:
        """Return images of the given colours: keys, values (n, pairs) in 0..3 -> float32 (n, 3, H, W)."""
        colours = np.stack([keys, values], axis=-1)  # (n, pairs, 2)
        images = np.full((len(colours), *self.shape), BACKGROUND, dtype=np.float32)
        for (pair, side), _ in np.ndenumerate(self.corners[..., 0]):
            y, x = self.corners[pair, side]
            images[:, :, y : y + self.cell, x : x + self.cell] = PALETTE[colours[:, pair, side], :, None, None]
        return images


def _without_held_out(rows: np.ndarray, fraction: float, seed: list[int]) -> np.ndarray:
    """Return the rows that remain when a random `fraction` of them (rounded down) is held out, in their own order."""
    out = np.random.default_rng(seed).permutation(len(rows))[: int(fraction * len(rows))]
    return np.delete(rows, out, axis=0)
