"""Patch-similarity attention by evidence sharing: pixels agree on which training image they are drawing.

    w_i(x) = softmax_i( S_i(x) + strength * P_x * sum_{x'} alpha_xx' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)

Window, candidates, averaged: those of ELS. Coupling: the evidence of attended pixels is added to the own one's, after
the patch independence of [FKTB2025]. docs/theory/attention.md
"""

from __future__ import annotations

import numpy as np

from theory.engine.evidence import shared
from theory.machines.attention.competition import CompetitionMachine, ImageCompetition
from theory.machines.attention.machine import AttentionMachine
from theory.machines.attention.maps import attention_rule
from theory.machines.attention.parameters import documented
from theory.machines.candidates import EveryPlace


class EvidenceSharing(ImageCompetition):
    """logits = S_i(x) + strength P_x sum_x' alpha_xx' S_i(x')."""

    def __init__(self, partial: bool):
        self.partial = partial  # P_x counts the entries above 0; by the other rules all, were it not for underflow

    def amplification(self, strength, pixels):
        """Of a sum of as many errors as there are pixels."""
        return strength * np.sqrt(pixels)

    def logits(self, evidence, alpha, strength):
        """Images compete by the sum of the evidence."""
        attended = (alpha > 0.0).sum(axis=1, keepdims=True) if self.partial else len(alpha) - 1
        weights = strength * attended * alpha
        return lambda S: shared(S, weights)


@documented
class AttentionScore(CompetitionMachine, AttentionMachine):
    """Denoise by ELS whose pixels share evidence about the training image.

    ::

        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
        w_i(x) = softmax_i( S_i(x) + strength * P_x * sum_{x'} alpha_xx' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)

    with P_x the number of pixels that x attends to: 1 for "top1", the entries above 0 of a given row, else all others.

    Parameters
    ----------
    {images to attention}
    strength : float
        lambda, at least 0; 0 is ELS exactly, uniform with 1 is the bag-of-patches posterior. Overlapping windows repeat
        each pixel up to k^2 times: 1 / k^2 is the natural unit.
    {labels to beta}

    Raises
    ------
    UserError
        An argument is not as said here.

    Notes
    -----
    The coupling takes patches as independent given the image, as [FKTB2025]_ do.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import AttentionScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 3, 8, 8)).astype(np.float32)
    >>> machine = AttentionScore(images, patch_size=3, attention="identity", strength=1 / 9)
    >>> machine.denoise(images[:2], 0.3, strength=0.05).shape
    (2, 3, 8, 8)
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", attention="uniform", strength: float = 0.0,
                 labels=None, wrap_training: bool = True, beta: float = 1.0):
        rule = attention_rule(attention, beta)
        coupling = EvidenceSharing(rule.partial)
        super().__init__(images, patch_size, EveryPlace(boundary, wrap_training), rule, coupling, strength, labels)
        self.attention, self.beta = attention, rule.beta
