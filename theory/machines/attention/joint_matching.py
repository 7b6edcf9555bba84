"""Attention by joint matching: a pixel's own patch and one that it attends to, inside one training image."""

from __future__ import annotations

from functools import reduce

import numpy as np

from theory.engine.log_product import log_product
from theory.machines.attention.competition import ImageCompetition


class PairScore(ImageCompetition):
    """ELS whose pixels each look for a training image that holds their own patch and an attended one (ours).

        x0(x) = sum_{x'} alpha_xx' sum_i softmax_i( S_i(x) + strength * S_i(x') ) mu_i(x)
        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
    An arithmetic mixture over x': each attended pixel makes a guess with x, and the guesses are averaged.
    AttentionScore is the geometric one, which multiplies what all attended pixels say: one that contradicts the rest
    vetoes there, and is outvoted here. Where x attends to one pixel ("top1", two pixels in all) they are the same.
    The attended patch may lie anywhere in the training image that the boundary allows. To hold it to the displacement
    x' - x would be another machine, one that no CNN with attention can be: without positional encoding the attention
    layer gets the patches as a set, and how x' lies to x shows only as far as the windows see the border.
    strength: gamma; 1 counts the attended patch like the own one. attention, beta, strength and their overrides: as in
        `theory.machines.attention.attending.AttendingMachine`.
    Everything else as in EquivariantLocalScore. docs/attention.md
    """

    def _logits(self, evidence, alpha, strength):
        own = lambda S: S - evidence.log_normaliser
        mass = reduce(np.logaddexp, (log_product(own(S).T, strength * own(S)) for S in evidence.by_pixel()))
        with np.errstate(divide="ignore"):
            weights = np.log(alpha) - mass  # of softmax_i's numerator, for each x'
        return lambda S: own(S) + log_product(strength * own(S), weights.T)
