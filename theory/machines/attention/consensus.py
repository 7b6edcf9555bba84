"""Attention by consensus: all pixels guess one training image together, every noisy pixel counted once.

    w_i(x) = softmax_i( (1 - strength) S_i(x) + strength sum_{x'} c_x' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)

Window, candidates, averaged: those of ELS. Coupling: the evidence of all pixels, with weights c that count each noisy
pixel once. docs/theory/attention.md
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import nnls

from theory.engine.evidence import Evidence
from theory.engine.geometry import windows_holding
from theory.machines.attention.competition import CompetitionMachine, ImageCompetition
from theory.machines.attention.machine import AttentionMachine
from theory.machines.attention.maps import AttentionRule
from theory.machines.candidates import EveryPlace

CONSTRAINT_WEIGHT = 1e4
"""Weight of counting every pixel once against weights that are small."""


class CountedOnce(AttentionRule):
    """c over all others, or all alike where x counts all by itself."""

    settings = ()

    def alpha(self, query, local, evidence):
        others = 1.0 - np.eye(evidence.x[0].size)
        counted = others * _counts(evidence)
        weights = np.where(counted.any(axis=1, keepdims=True), counted, others)
        return weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)


class Consensus(ImageCompetition):
    """logits = (1 - strength) S_i(x) + strength sum_x' c_x' S_i(x')."""

    max_strength = 1.0

    def logits(self, evidence, alpha, strength):
        """Images compete by a blend of the pixel's evidence and that of all."""
        counts = _counts(evidence)
        return lambda S: (1.0 - strength) * S + strength * (S @ counts)[:, None]


class ConsensusScore(CompetitionMachine, AttentionMachine):
    """Denoise by ELS whose pixels lean towards the training image that all patches together point to.

    ::

        w_i(x) = softmax_i( (1 - strength) S_i(x) + strength sum_{x'} c_x' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)
        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean

    c_x' >= 0 with sum_{x': u in Omega_x'} c_x' = 1 for every pixel u: each noisy pixel counts once, however many
    windows it lies in; of all such weights the smallest.

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set, floats in [-1, 1].
    patch_size : int
        k, odd, at least 1; `denoise(..., patch_size=)` overrides it for a call, and so the settings below.
    boundary : "zeros" or "circular"
        As in `EquivariantLocalScore`.
    strength : float
        0 to 1. 0 is ELS; 1 is the bag-of-patches posterior without repeats, one image guessed by all, its patches free
        to be rearranged: the ideal score where no window has anywhere else to go (zeros, k >= H, W).
    labels : array (N,) of int, optional
        For class-conditional use.
    wrap_training : bool
        As in `EquivariantLocalScore`.

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    Circular, c = 1 / k^2; with zeros, disjoint windows where only those will do. Evidence sharing (AttentionScore)
    counts a pixel again in every window that holds it. Its attention_map is c over the others.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import ConsensusScore, IdealScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
    >>> x0 = ConsensusScore(images, patch_size=7, strength=1.0).denoise(images[:2], 1.0)
    >>> bool(np.allclose(x0, IdealScore(images).denoise(images[:2], 1.0), atol=1e-5))
    True
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", strength: float = 0.0, labels=None,
                 wrap_training: bool = True):
        super().__init__(images, patch_size, EveryPlace(boundary, wrap_training), CountedOnce(), Consensus(), strength,
                         labels)


def _counts(evidence: Evidence) -> np.ndarray:
    """c (P,): the product of those along each axis."""
    return np.outer(*(_counted_once(tuple(axis.query_index), axis.size) for axis in evidence.axes)).ravel()


@lru_cache
def _counted_once(index: tuple[int, ...], size: int) -> np.ndarray:
    """c >= 0 along an axis whose windows are index[a : a + size], -1 outside: sum_a c_a = 1 over those that hold u."""
    holds = windows_holding(np.array(index), size)
    system = np.concatenate([CONSTRAINT_WEIGHT * holds, np.eye(len(holds))])
    counts = nnls(system, np.repeat([CONSTRAINT_WEIGHT, 0.0], len(holds)))[0]
    return np.where(counts > 1.0 / CONSTRAINT_WEIGHT, counts, 0.0)
