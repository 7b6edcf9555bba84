"""The equivariant score: the ideal score of the training set and all its circular translates."""

from __future__ import annotations

import numpy as np

from theory.bank import Bank
from theory.geometry import whole_axis
from theory.machine import ScoreMachine
from theory.posterior import merge, posterior

ORBIT_BYTES = 1 << 26
"""Memory for the translates that are laid out at once."""


class EquivariantScore(ScoreMachine):
    """ES: the ideal score over the orbit, all H * W circular translates of each image (KG eqs. 5-6).

        x0 = sum_{i, s} W_{i,s} T_s varphi_i,   W_{i,s} proportional to exp(-|x - T_s varphi_i|^2 / (2 sigma^2))
    images (N, C, H, W) float in [-1, 1]; labels (N,) integers for class-conditional use, or None. docs/equivariant.md
    """

    def _denoise(self, x, sigma, order, left_out):
        C, H, W = self.image_shape
        D = C * H * W
        rows, cols = whole_axis(1), whole_axis(D)
        flat = x.reshape(len(x), 1, 1, D)
        at_once = max(1, ORBIT_BYTES // (4 * D * H * W * self._bank.index.shape[1]))
        parts = []
        for start in range(0, len(order), at_once):
            orbit = self._orbit(order[start : start + at_once])
            values = orbit.blocks.reshape(len(orbit.blocks), D, 1, 1, -1)
            parts.append(posterior(flat, sigma, orbit, orbit.order(), rows, cols, values, left_out))
        return merge(parts).mean.reshape(x.shape)

    def _orbit(self, order: np.ndarray) -> Bank:
        """All translates of the blocks' images as rows of pixels, one block for each block and shift."""
        C, H, W = self.image_shape
        blocks = self._bank.blocks[order]
        shifts = [np.roll(blocks, (dy, dx), axis=(2, 3)) for dy in range(H) for dx in range(W)]
        pixels = np.concatenate(shifts).reshape(len(shifts) * len(order), 1, 1, C * H * W, -1)
        return Bank(pixels, np.tile(self._bank.index[order], (len(shifts), 1)), {})
