"""Attention by consensus: all pixels guess one training image together, every noisy pixel counted once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import nnls

from theory.errors import UserError
from theory.machines.attention.competition import ImageCompetition

CONSTRAINT_WEIGHT = 1e4
"""Weight of counting every pixel once against weights that are small."""


class ConsensusScore(ImageCompetition):
    """ELS whose pixels lean towards the training image that all patches together point to (ours).

        w_i(x) = softmax_i( (1 - strength) S_i(x) + strength sum_{x'} c_x' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)
        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
    c_x' >= 0 with sum_{x': u in Omega_x'} c_x' = 1 for every pixel u: each noisy pixel counts once, however many
    windows it lies in; of all such weights the smallest. Circular, c = 1 / k^2; with zeros, disjoint windows where only
    those will do. Evidence sharing (AttentionScore) counts a pixel again in every window that holds it.
    strength: 0 to 1. 0 is ELS; 1 is the bag-of-patches posterior without repeats, one image guessed by all, its patches
        free to be rearranged: the ideal score where no window has anywhere else to go (zeros, k >= H, W).
        `denoise(..., strength=)` overrides it for a call.
    Everything else as in EquivariantLocalScore. docs/attention.md
    """

    max_strength = 1.0

    def __init__(self, images, patch_size: int, boundary: str = "zeros", strength: float = 0.0, labels=None,
                 wrap_training: bool = True):
        super().__init__(images, patch_size, boundary, "uniform", strength, labels, wrap_training)

    def _checked(self, count, *, beta=None, **options):
        if beta is not None:
            raise UserError(f"beta: got {beta!r}, an option that ConsensusScore has not, want none")
        return super()._checked(count, **options)

    def _alpha(self, local, evidence, beta):
        """What x attends to: c over all others, or all alike where x counts all by itself."""
        others = 1.0 - np.eye(evidence.x[0].size)
        counted = others * self._counts(evidence)
        weights = np.where(counted.any(axis=1, keepdims=True), counted, others)
        return weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    def _logits(self, evidence, alpha, strength):
        counts = self._counts(evidence)
        return lambda S: (1.0 - strength) * S + strength * (S @ counts)[:, None]

    def _counts(self, evidence) -> np.ndarray:
        """c (P,): the product of what each axis asks for."""
        return np.outer(*(_counted_once(tuple(axis.query_index), axis.size) for axis in evidence.axes)).ravel()


@lru_cache
def _counted_once(index: tuple[int, ...], size: int) -> np.ndarray:
    """c >= 0 along an axis whose windows are index[a : a + size], -1 outside: sum_a c_a = 1 over those that hold u."""
    windows = np.lib.stride_tricks.sliding_window_view(index, size)  # (L, size)
    holds = (windows[:, :, None] == np.arange(len(windows))).sum(axis=1).T  # (u, a)
    system = np.concatenate([CONSTRAINT_WEIGHT * holds, np.eye(len(windows))])
    counts = nnls(system, np.repeat([CONSTRAINT_WEIGHT, 0.0], len(windows)))[0]
    return np.where(counts > 1.0 / CONSTRAINT_WEIGHT, counts, 0.0)
