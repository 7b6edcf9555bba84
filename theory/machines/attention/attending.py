"""Machines whose pixels attend to other pixels: the attention rule and its options, before what attention then does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.special import softmax

from theory import arguments
from theory.engine.evidence import Evidence
from theory.engine.scan_options import ScanOptions
from theory.errors import UserError
from theory.machines.equivariant_local import EquivariantLocalScore

ATTENTIONS = ("uniform", "identity", "top1", "overlap")

BY_OUTPUT = ("identity", "top1")
"""The rules that compare the ELS outputs of two pixels."""


class AttendingMachine(EquivariantLocalScore):
    """ELS with attention weights alpha_xx' between pixels x and x' != x, which sum to 1 over x'; all machines share:

    attention: "uniform", all other pixels alike; "identity", alpha = softmax over x' != x of beta <z_x, z_x'>, z the
        ELS output; "top1", the one other pixel with the largest <z_x, z_x'> (the first of equals); "overlap", alpha
        proportional to B_xx'^beta, B_xx' = sum_i sqrt(w_i(x) w_i(x')) the Bhattacharyya coefficient of the posteriors
        over training images w_i(x) = softmax_i S_i(x): 1 where two pixels guess alike, and blind to whether an image
        is in D once or twice; an array (H*W, H*W) or (B, H*W, H*W), pixels in row-major order, rows summing to 1,
        diagonal 0; or a function of x (B, C, H, W) and sigma (B,), float64, to (B, H*W, H*W): a network's own map.
    beta: inverse temperature of "identity" and "overlap", at least 0; 0 is uniform, infinity the most similar pixel
    strength: at least 0; 0 is ELS exactly
    `denoise(..., strength=, beta=)` overrides them for a call. Everything else as in EquivariantLocalScore.
    """

    max_strength = np.inf
    """The largest strength that has a meaning."""

    def __init__(self, images, patch_size: int, boundary: str = "zeros", attention="uniform", strength: float = 0.0,
                 labels=None, wrap_training: bool = True, beta: float = 1.0):
        super().__init__(images, patch_size, boundary, labels, wrap_training)
        pixels = self.image_shape[1] * self.image_shape[2]
        named, computed = isinstance(attention, str), callable(attention)
        self.attention = arguments.choice("attention", attention, ATTENTIONS) if named else "given"
        self._given = None if named or computed else arguments.attention_matrix(attention, pixels)
        self._map = attention if computed else None
        self.strength = arguments.at_least_0("strength", strength, self.max_strength)
        self.beta = arguments.at_least_0("beta", beta)

    def attention_map(self, x, sigma, *, labels=None, **options) -> np.ndarray:
        """alpha (B, H*W, H*W) that `denoise` would use at these queries: rows sum to 1, diagonal 0."""
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        pixels = queries[0, 0].size
        result = np.empty((len(queries), pixels, pixels))
        for chosen, order in self._by_class(classes):
            asked = queries[chosen], sigma[chosen], self._request(order, x, None)
            own = {name: option for name, option in self._restricted(options, chosen).items() if name != "strength"}
            result[chosen] = [alpha for _, alpha in self._attended(*asked, **own)]
        return result

    def evidence(self, x, sigma, *, labels=None, **options) -> np.ndarray:
        """S_i(x) (B, N, H, W) of every training image i, in their order in D; -inf for images of another class.

            S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)); arguments as in `denoise`
        """
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        result = np.full((len(queries), self.count, *queries.shape[2:]), -np.inf)
        for chosen, order in self._by_class(classes):
            request = self._request(order, x, None)
            for b in np.flatnonzero(chosen):
                for blocks, images in Evidence(queries[b], sigma[b], self._bank, request, options["axes"]).parts():
                    result[b, self._bank.index[blocks][images.position[blocks] >= 0]] = images.evidence
        return result

    def denoise_strengths(self, x, sigma, strengths, *, labels=None, **options) -> list:
        """`denoise` for each of `strengths`, for little more than the cost of one: the evidence is the same."""
        wanted = [arguments.at_least_0("strength", strength, self.max_strength) for strength in strengths]
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        results = np.empty((len(wanted), *queries.shape))
        for chosen, order in self._by_class(classes):
            own = self._restricted(options, chosen) | {"strength": wanted}
            results[:, chosen] = self._by_strength(queries[chosen], sigma[chosen], self._request(order, x, None), **own)
        return [arguments.like(result, x) for result in results]

    def _denoise(self, x, sigma, request, strength, **options):
        return self._by_strength(x, sigma, request, strength=[strength], **options)[0]

    @abstractmethod
    def _by_strength(self, x, sigma, request: ScanOptions, axes, strength: list[float], beta,
                     given) -> list[np.ndarray]:
        """x0 (B, C, H, W) for each strength."""

    def _checked(self, count, *, strength=None, beta=None, **options):
        if self._given is not None and self._given.ndim == 3 and len(self._given) != count:
            raise UserError(f"x: got {count} queries for {len(self._given)} attention matrices, want as many")
        strength = self.strength if strength is None else arguments.at_least_0("strength", strength, self.max_strength)
        beta = self.beta if beta is None else arguments.at_least_0("beta", beta)
        given = None if self._given is None else np.broadcast_to(self._given, (count, *self._given.shape[-2:]))
        return {"strength": strength, "beta": beta, "given": given, **super()._checked(count, **options)}

    def _restricted(self, options, chosen):
        return {**options, "given": None if options["given"] is None else options["given"][chosen]}

    def _local(self, x, sigma, request: ScanOptions, axes, values=None):
        """ELS itself, of the pixels or of other values; in float64 where attention compares its outputs: top1 has
        jumps, and the others multiply the evidence of many pixels."""
        request = replace(request, float64=request.float64 or self.attention in BY_OUTPUT)
        return request.engine.posterior(x, sigma, self._bank, request, *axes, values)

    def _attended(self, x, sigma, request: ScanOptions, axes, beta: float, given,
                  local: np.ndarray | None = None) -> Iterator[tuple[Evidence, np.ndarray]]:
        """The evidence of each query, and its alpha (P, P); local (B, C, H, W), ELS outputs that are known already."""
        if self._map is not None:
            given = arguments.attention_matrices(self._map(x, sigma), len(x), x[0, 0].size)
        if self.attention in BY_OUTPUT and local is None:
            local = self._local(x, sigma, replace(request, top=0), axes)[0].mean
        for b in range(len(x)):
            evidence = Evidence(x[b], sigma[b], self._bank, request, axes)
            z = None if local is None else local[b]
            yield evidence, self._alpha(z, evidence, beta) if given is None else given[b]

    def _alpha(self, local: np.ndarray | None, evidence: Evidence, beta: float) -> np.ndarray:
        """alpha (P, P) by the machine's rule, local (C, H, W)."""
        P = evidence.x[0].size
        if P == 1:
            return np.zeros((1, 1))  # nothing else to attend to
        if self.attention == "uniform":
            similarity = np.zeros((P, P))
        elif self.attention == "overlap":
            similarity = evidence.log_overlap()
        else:
            z = local.reshape(len(local), P)
            similarity = np.einsum("cp,cq->pq", z, z)  # a product of matrices may round equals apart
        others = ~np.eye(P, dtype=bool)
        if self.attention == "top1":
            return np.eye(P)[np.where(others, similarity, -np.inf).argmax(axis=-1)]
        return softmax(np.where(others, beta * similarity, -np.inf), axis=-1)
