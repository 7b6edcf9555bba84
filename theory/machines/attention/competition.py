"""Couplings in which training images compete for each pixel by evidence that other pixels share.

    x0(x) = sum_i w_i(x) mu_i(x),   w_i(x) = softmax_i of logits that a coupling makes from all S_i(x')
    S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import reduce

import numpy as np

from theory.engine.evidence import Evidence
from theory.engine.image_evidence import nearest_candidates, softmax_over_images
from theory.engine.softmax import Nearest, Posterior, concatenated, merge, merge_nearest
from theory.machines.attention.coupling import AttendingQueries, Coupling
from theory.machines.posterior import PosteriorMachine

MAX_AMPLIFICATION = 2.0
"""How much rounding errors of evidence may grow in a logit, up to which a large call's evidence may be of float32."""


class ImageCompetition(Coupling):
    """x0(x) = sum_i w_i(x) mu_i(x), w_i(x) a softmax over images."""

    def amplification(self, strength: float, pixels: int) -> float:
        """How much larger than of S_i(x) rounding errors of a logit's other terms are, independent ones."""
        return np.inf

    @abstractmethod
    def logits(self, evidence: Evidence, alpha: np.ndarray, strength: float) -> Callable[[np.ndarray], np.ndarray]:
        """S (n, P) of some of the images -> the logits (n, P) by which images compete for each pixel."""

    def by_strength(self, queries, strengths):
        return [sums.mean for sums, _ in self.posteriors(queries, strengths)]

    def posteriors(self, queries: AttendingQueries, strengths: list[float]) -> list[tuple[Posterior, Nearest]]:
        """The posterior for each strength; strength 0 is ELS itself, and so is an image of one pixel."""
        local, shared = None, [s for s in strengths if s != 0.0 and queries.x[0, 0].size > 1]
        if len(shared) < len(strengths):
            local = queries.local()
        if shared:
            known = None if local is None else local[0].mean
            if max(self.amplification(strength, queries.x[0, 0].size) for strength in shared) > MAX_AMPLIFICATION:
                queries = queries.exactly()
            of_queries = [self._compete(evidence, alpha, queries, shared)
                          for evidence, alpha in queries.attended(known)]
            by_strength = [tuple(map(concatenated, zip(*of_strength))) for of_strength in zip(*of_queries)]
        of_shared = iter(by_strength if shared else [])
        return [next(of_shared) if s in shared else local for s in strengths]

    def _compete(self, evidence: Evidence, alpha: np.ndarray, queries: AttendingQueries,
                 strengths: list[float]) -> list[tuple[Posterior, Nearest]]:
        """One query: softmax sums over the images, for each strength."""
        rules = [_from_the_best(self.logits(evidence, alpha, strength), evidence) for strength in strengths]
        sums: list[list] = [[] for _ in strengths]
        lists: list[list] = [[] for _ in strengths]
        top = queries.request.top
        for order, images in evidence.parts():
            S = images.evidence
            for logits_of, own_sums, own_lists in zip(rules, sums, lists):
                logits = logits_of(S.reshape(len(S), -1)).reshape(S.shape)
                own_sums.append(softmax_over_images(logits, images))
                own_lists.append(nearest_candidates(evidence.x, evidence.sigma, queries.bank, order, *evidence.axes,
                                                    images, logits, top) if top else Nearest.empty(S.shape[1:], 0))
        nearest = [merge_nearest(own) for own in lists]
        return [(merge(s), Nearest(n.key[None], n.source[None], n.rest[None])) for s, n in zip(sums, nearest)]


def _from_the_best(logits_of: Callable[[np.ndarray], np.ndarray], evidence: Evidence):
    """The same logits, relative to the largest of each pixel, where those of float64 would round what counts."""
    if not evidence.far:
        return logits_of
    best = reduce(np.maximum, (logits_of(S).max(axis=0) for S in evidence.by_pixel()))
    return lambda S: logits_of(S) - best


class CompetitionMachine(PosteriorMachine):
    """Name the candidates of an attention machine whose coupling is an image competition: beside `AttentionMachine`."""

    def _posterior(self, x, sigma, request, strength, **options):
        return self._coupling.posteriors(self._queries(x, sigma, request, **options), [strength])[0]

    def _truncation(self, request, axes, strength, rule):
        return None if strength else self._range(request, axes)
