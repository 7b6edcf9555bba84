"""The equivariant score: the ideal score of the training set and all its circular translates."""

from __future__ import annotations

import numpy as np

from theory.attribution import whole_image_sources
from theory.bank import Bank
from theory.geometry import choice_axis, whole_axis
from theory.machine import ScoreMachine
from theory.posterior import merge, merge_nearest, posterior

ORBIT_BYTES = 1 << 26
"""Memory for the translates that are laid out at once."""


class EquivariantScore(ScoreMachine):
    """ES: the ideal score over the orbit, all H * W circular translates of each image (KG eqs. 5-6).

        x0 = sum_{i, s} W_{i,s} T_s varphi_i,   W_{i,s} proportional to exp(-|x - T_s varphi_i|^2 / (2 sigma^2))
    images (N, C, H, W) float in [-1, 1]; labels (N,) integers for class-conditional use, or None. docs/equivariant.md
    """

    def _posterior(self, x, sigma, order, left_out, top):
        C, H, W = self.image_shape
        D = C * H * W
        rows, cols = choice_axis(H * W), whole_axis(D)
        flat = x.reshape(len(x), 1, 1, D)
        at_once = max(1, ORBIT_BYTES // (4 * D * H * W * self._bank.lanes))
        sums, lists = [], []
        for start in range(0, len(order), at_once):
            orbit, values = self._orbit(order[start : start + at_once])
            part, nearest = posterior(flat, sigma, orbit, orbit.order(), rows, cols, values, left_out, top)
            sums.append(part)
            lists.append(nearest)
        return merge(sums), merge_nearest(lists)

    def _sources(self, sources):
        shift = np.stack(np.divmod(sources[..., 1], self.image_shape[2]), axis=-1)
        return whole_image_sources(sources, shift, self.image_shape)

    def _orbit(self, order: np.ndarray) -> tuple[Bank, np.ndarray]:
        """Each image as H * W rows of D pixels, its translates by (dy, dx) in row dy * W + dx; and these as values."""
        _, H, W = self.image_shape
        blocks = self._bank.blocks[order]  # (M, C, H, W, n)
        M, n = len(blocks), blocks.shape[-1]
        shifts = [np.roll(blocks, (dy, dx), axis=(2, 3)).reshape(M, -1, n) for dy in range(H) for dx in range(W)]
        rows = np.stack(shifts, axis=1)  # (M, H * W, D, n)
        values = np.ascontiguousarray(rows.swapaxes(1, 2)[:, :, :, None])  # (M, D, H * W, 1, n)
        return Bank(rows[:, None], self._bank.index[order], {}), values
