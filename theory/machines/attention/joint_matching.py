"""Attention by joint matching: a pixel's own patch and one that it attends to, inside one training image.

    x0(x) = sum_{x'} alpha_xx' sum_i softmax_i( S_i(x) + strength * S_i(x') ) mu_i(x)

Window, candidates, averaged: those of ELS. Coupling: each attended pixel makes a guess with x, and the guesses are
averaged. docs/theory/attention.md
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from theory.engine.log_product import log_product
from theory.machines.attention.competition import CompetitionMachine, ImageCompetition
from theory.machines.attention.machine import AttentionMachine
from theory.machines.attention.maps import attention_rule
from theory.machines.attention.parameters import documented
from theory.machines.candidates import EveryPlace


class JointMatching(ImageCompetition):
    """w_i(x) = sum_x' alpha_xx' softmax_i( S_i(x) + strength S_i(x') )."""

    def amplification(self, strength, pixels):
        """Of one partner."""
        return strength

    def logits(self, evidence, alpha, strength):
        """Images compete by the logarithm of the averaged weights."""
        own = lambda S: S - evidence.log_normaliser
        mass = reduce(np.logaddexp, (log_product(own(S).T, strength * own(S)) for S in evidence.by_pixel()))
        with np.errstate(divide="ignore"):
            weights = np.log(alpha) - mass  # of softmax_i's numerator, for each x'
        return lambda S: own(S) + log_product(strength * own(S), weights.T)


@documented
class PairScore(CompetitionMachine, AttentionMachine):
    """Denoise by ELS whose pixels each look for a training image that holds their own patch and an attended one.

    ::

        x0(x) = sum_{x'} alpha_xx' sum_i softmax_i( S_i(x) + strength * S_i(x') ) mu_i(x)
        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean

    Parameters
    ----------
    {images to attention}
    strength : float
        gamma, at least 0; 0 is ELS exactly, 1 counts the attended patch like the own one.
    {labels to beta}

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    An arithmetic mixture over x'. AttentionScore is the geometric one, which multiplies what all attended pixels say:
    one that contradicts the rest vetoes there, and is outvoted here. Where x attends to one pixel ("top1", two pixels
    in all) they are the same.

    The attended patch may lie anywhere in the training image that the boundary allows. To hold it to the displacement
    x' - x would be another machine, one that no CNN with attention can be: without positional encoding the attention
    layer gets the patches as a set, and how x' lies to x shows only as far as the windows see the border.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import PairScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8)).astype(np.float32)
    >>> PairScore(images, patch_size=3, strength=1.0).denoise(images[:2], 0.3).shape
    (2, 3, 8, 8)
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", attention="uniform", strength: float = 0.0,
                 labels=None, wrap_training: bool = True, beta: float = 1.0):
        rule, coupling = attention_rule(attention, beta), JointMatching()
        super().__init__(images, patch_size, EveryPlace(boundary, wrap_training), rule, coupling, strength, labels)
        self.attention, self.beta = attention, rule.beta
