"""Machines in which training images compete for each pixel by evidence that other pixels share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np

from theory.engine.evidence import Evidence
from theory.engine.posterior import (
    Nearest,
    Posterior,
    concatenated,
    merge,
    merge_nearest,
    nearest_with_offsets,
    softmax_over_images,
)
from theory.machines.attention.attending import AttendingMachine


class ImageCompetition(AttendingMachine):
    """x0(x) = sum_i w_i(x) mu_i(x), w_i(x) a softmax over images of logits that a machine makes from all S_i(x').

        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
    """

    @abstractmethod
    def _logits(self, evidence: Evidence, alpha: np.ndarray, strength: float) -> Callable[[np.ndarray], np.ndarray]:
        """S (n, P) of some of the images -> the logits (n, P) by which images compete for each pixel."""

    def _posterior(self, x, sigma, request, axes, strength, beta, given):
        return self._posteriors(x, sigma, request, axes, [strength], beta, given)[0]

    def _truncation(self, request, axes, strength, beta, given):
        return None if strength else super()._truncation(request, axes)

    def _by_strength(self, x, sigma, request, axes, strength, beta, given):
        return [sums.mean for sums, _ in self._posteriors(x, sigma, request, axes, strength, beta, given)]

    def _posteriors(self, x, sigma, request, axes, strength: list[float], beta,
                    given) -> list[tuple[Posterior, Nearest]]:
        """The posterior for each strength; strength 0 is ELS itself, and so is an image of one pixel."""
        local, shared = None, [s for s in strength if s != 0.0 and x[0, 0].size > 1]
        if len(shared) < len(strength):
            local = self._local(x, sigma, request, axes)
        if shared:
            known = None if local is None else local[0].mean
            queries = [self._compete(evidence, alpha, request, shared)
                       for evidence, alpha in self._attended(x, sigma, request, axes, beta, given, known)]
            by_strength = [tuple(map(concatenated, zip(*of_queries))) for of_queries in zip(*queries)]
        of_shared = iter(by_strength if shared else [])
        return [next(of_shared) if s in shared else local for s in strength]

    def _compete(self, evidence: Evidence, alpha, request, strengths: list[float]) -> list[tuple[Posterior, Nearest]]:
        """One query: softmax sums over the images, for each strength.

        Candidate (i, y) has the joint logit  logit_i - S_i - distance / (2 sigma^2).
        """
        rules = [self._logits(evidence, alpha, strength) for strength in strengths]
        sums: list[list] = [[] for _ in strengths]
        lists: list[list] = [[] for _ in strengths]
        for order, images in evidence.parts():
            S = images.evidence
            for logits_of, own_sums, own_lists in zip(rules, sums, lists):
                logits = logits_of(S.reshape(len(S), -1)).reshape(S.shape)
                own_sums.append(softmax_over_images(logits, images))
                offsets = (logits - S) * (2.0 * evidence.sigma**2)
                own_lists.append(
                    nearest_with_offsets(evidence.x, self._bank, order, *evidence.axes, images.position, offsets,
                                         request.top) if request.top else Nearest.empty(S.shape[1:], 0))
        nearest = [merge_nearest(own) for own in lists]
        return [(merge(s), Nearest(n.key[None], n.source[None])) for s, n in zip(sums, nearest)]
