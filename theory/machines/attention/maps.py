"""Who attends to whom: attention weights alpha_xx' >= 0 between a pixel x and all others x', which sum to 1 over x'.

Pixels are in row-major order, P = H * W of them; z is the ELS output.

- "uniform": all other pixels alike;
- "identity": alpha = softmax over x' != x of beta <z_x, z_x'>;
- "top1": the one other pixel with the largest <z_x, z_x'>, the first of equals;
- "overlap": alpha proportional to B_xx'^beta, B_xx' = sum_i sqrt(w_i(x) w_i(x')) the Bhattacharyya coefficient of the
  posteriors over training images w_i(x) = softmax_i S_i(x): 1 where two pixels guess alike, and blind to whether an
  image is in D once or twice;
- a given array, or a function of the noisy images.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from scipy.special import softmax

from theory import arguments
from theory.engine.evidence import Evidence
from theory.errors import UserError


@dataclass(frozen=True, eq=False)
class AttentionRule(ABC):
    """Make the attention weights of a query."""

    beta: float = 1.0  # inverse temperature, of the rules that have one

    settings: ClassVar[tuple[str, ...]] = ("beta",)  # what a call may override
    by_output: ClassVar[bool] = False  # whether the rule compares the ELS outputs of two pixels
    partial: ClassVar[bool] = False  # whether a pixel may attend to some of the others only

    def checked(self, pixels: int) -> AttentionRule:
        """The rule for images of so many pixels."""
        return self

    def for_call(self, count: int, *, beta=None) -> AttentionRule:
        """The rule for a call of `count` queries, with its settings."""
        return self if beta is None else replace(self, beta=arguments.at_least_0("beta", beta))

    def for_some(self, chosen: np.ndarray) -> AttentionRule:
        """The rule for some of a call's queries."""
        return self

    def at(self, x: np.ndarray, sigma: np.ndarray) -> AttentionRule:
        """The rule once the queries x (B, C, H, W) are known."""
        return self

    @abstractmethod
    def alpha(self, query: int, local: np.ndarray | None, evidence: Evidence) -> np.ndarray:
        """alpha (P, P) of one query, by its number; local (C, H, W), its ELS output, where the rule compares those."""


class _Similarity(AttentionRule):
    """alpha = softmax over x' != x of beta times a similarity of x and x'."""

    def alpha(self, query, local, evidence):
        P = evidence.x[0].size
        if P == 1:
            return np.zeros((1, 1))  # nothing else to attend to
        return self._weights(self._similarity(local, evidence), ~np.eye(P, dtype=bool))

    def _weights(self, similarity, others):
        return softmax(np.where(others, self.beta * similarity, -np.inf), axis=-1)

    @abstractmethod
    def _similarity(self, local: np.ndarray | None, evidence: Evidence) -> np.ndarray:
        """(P, P)."""


class Uniform(_Similarity):
    """All other pixels alike."""

    def _similarity(self, local, evidence):
        return np.zeros((evidence.x[0].size,) * 2)


class Overlap(_Similarity):
    """The pixels that guess the same training images, by the overlap of their posteriors."""

    def _similarity(self, local, evidence):
        return evidence.log_overlap()


class Identity(_Similarity):
    """The pixels with similar ELS outputs, by their inner products."""

    by_output = True

    def _similarity(self, local, evidence):
        z = local.reshape(len(local), -1)
        return np.einsum("cp,cq->pq", z, z)  # a product of matrices may round equals apart


class Top1(Identity):
    """The one pixel with the most similar ELS output."""

    partial = True

    def _weights(self, similarity, others):
        return np.eye(len(others))[np.where(others, similarity, -np.inf).argmax(axis=-1)]


@dataclass(frozen=True, eq=False)
class Given(AttentionRule):
    """Weights handed in, the same for all queries or one matrix a query."""

    matrices: np.ndarray | None = None  # (P, P) or (B, P, P)
    partial = True

    def checked(self, pixels):
        return replace(self, matrices=arguments.attention_matrix(self.matrices, pixels))

    def for_call(self, count, *, beta=None):
        if self.matrices.ndim == 3 and len(self.matrices) != count:
            raise UserError(f"x: got {count} queries for {len(self.matrices)} attention matrices, want as many")
        return super().for_call(count, beta=beta)

    def for_some(self, chosen):
        return self if self.matrices.ndim == 2 else replace(self, matrices=self.matrices[chosen])

    def alpha(self, query, local, evidence):
        return self.matrices if self.matrices.ndim == 2 else self.matrices[query]


@dataclass(frozen=True, eq=False)
class Computed(AttentionRule):
    """Weights by a function of the queries, such as a network's own attention."""

    function: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    partial = True

    def at(self, x, sigma):
        matrices = arguments.attention_matrices(self.function(x, sigma), len(x), x[0, 0].size)
        return Given(self.beta, matrices)

    def alpha(self, query, local, evidence):
        raise NotImplementedError("a function's weights are known `at` the queries")


RULES = {"uniform": Uniform, "identity": Identity, "top1": Top1, "overlap": Overlap}
ATTENTIONS = tuple(RULES)


def attention_rule(attention, beta: float) -> AttentionRule:
    """The rule that a machine's arguments ask for: by name, an array, or a function."""
    beta = arguments.at_least_0("beta", beta)
    if isinstance(attention, str):
        return RULES[arguments.choice("attention", attention, ATTENTIONS)](beta)
    if callable(attention):
        return Computed(beta, attention)
    return Given(beta, attention)
