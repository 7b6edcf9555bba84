"""Patch-similarity attention by evidence sharing: pixels agree on which training image they are drawing."""

from __future__ import annotations

from theory.machines.attention.competition import ImageCompetition


class AttentionScore(ImageCompetition):
    """ELS whose pixels share evidence about the training image (theory 4a, after FKTB's patch independence).

        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
        w_i(x) = softmax_i( S_i(x) + strength * P_x * sum_{x'} alpha_xx' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)
    with P_x the number of pixels that x attends to: 1 for "top1", the entries above 0 of a given row, else all others.
    attention, beta, strength and their overrides: as in `theory.machines.attention.attending.AttendingMachine`.
    strength: lambda; uniform with 1 is the bag-of-patches posterior. Overlapping windows repeat each pixel up to k^2
        times: 1 / k^2 is the natural unit.
    Everything else as in EquivariantLocalScore. docs/attention.md
    """

    def _logits(self, evidence, alpha, strength):
        counted = self.attention in ("given", "top1")  # by the other rules all, were it not for underflow
        attended = (alpha > 0.0).sum(axis=1, keepdims=True) if counted else len(alpha) - 1
        weights = strength * attended * alpha
        return lambda S: S + S @ weights.T
