"""Patch-similarity attention by evidence sharing: pixels agree on which training image they are drawing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import softmax

from theory import arguments
from theory.equivariant_local import EquivariantLocalScore
from theory.posterior import (
    Nearest,
    Posterior,
    concatenated,
    merge,
    merge_nearest,
    nearest_with_offsets,
    softmax_over_images,
)

ATTENTIONS = ("uniform", "identity", "top1")

EVIDENCE_BYTES = 1 << 27
"""Memory for the evidence and means that are held at once."""


class AttentionScore(EquivariantLocalScore):
    """ELS whose pixels share evidence about the training image (theory 4a, after FKTB's patch independence).

        S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2)),   mu_i(x) = the same weights' mean
        w_i(x) = softmax_i( S_i(x) + strength * P_x * sum_{x'} alpha_xx' S_i(x') ),   x0(x) = sum_i w_i(x) mu_i(x)
    with P_x the number of pixels that x attends to (alpha_xx' > 0).
    attention: "uniform", all other pixels alike; "identity", alpha = softmax over x' != x of <z_x, z_x'>, z the ELS
        output; "top1", the one other pixel with the largest <z_x, z_x'> (the first of equals); or an array
        (H*W, H*W) or (B, H*W, H*W), pixels in row-major order, rows summing to 1, diagonal 0.
    strength: lambda >= 0; `denoise(..., strength=)` overrides it for a call. 0 is ELS exactly; uniform with 1 is the
        bag-of-patches posterior. Overlapping windows repeat each pixel up to k^2 times: 1 / k^2 is the natural unit.
    Everything else as in EquivariantLocalScore. docs/attention.md
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", attention="uniform", strength: float = 0.0,
                 labels=None, wrap_training: bool = True):
        super().__init__(images, patch_size, boundary, labels, wrap_training)
        pixels = self.image_shape[1] * self.image_shape[2]
        self.attention = arguments.choice("attention", attention, ATTENTIONS) if isinstance(attention, str) else "given"
        self._given = None if isinstance(attention, str) else arguments.attention_matrix(attention, pixels)
        self.strength = arguments.strength(strength)

    def attention_map(self, x, sigma, *, labels=None, patch_size=None) -> np.ndarray:
        """alpha (B, H*W, H*W) that `denoise` would use at these queries: rows sum to 1, diagonal 0."""
        local = self.denoise(x, sigma, labels=labels, patch_size=patch_size, strength=0.0)
        return self._alpha(arguments.as_numpy(local).astype(np.float64))

    def _checked(self, count, *, strength=None, **options):
        if self._given is not None and self._given.ndim == 3 and len(self._given) != count:
            raise ValueError(f"x: got {count} queries for {len(self._given)} attention matrices, want as many")
        strength = self.strength if strength is None else arguments.strength(strength)
        given = None if self._given is None else np.broadcast_to(self._given, (count, *self._given.shape[-2:]))
        return {"strength": strength, "given": given, **super()._checked(count, **options)}

    def _restricted(self, options, chosen):
        return {**options, "given": None if options["given"] is None else options["given"][chosen]}

    def denoise_strengths(self, x, sigma, strengths, *, labels=None, **options) -> list:
        """`denoise` for each of `strengths`, for little more than the cost of one: the evidence is the same."""
        wanted = [arguments.strength(strength) for strength in strengths]
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        results = np.empty((len(wanted), *queries.shape))
        for chosen, order in self._by_class(classes):
            own = self._restricted(options, chosen) | {"strength": wanted}
            posteriors = self._by_strength(queries[chosen], sigma[chosen], self._request(order, x, None), **own)
            for result, (sums, _) in zip(results, posteriors):
                result[chosen] = sums.mean
        return [arguments.like(result, x) for result in results]

    def _posterior(self, x, sigma, request, axes, strength, given):
        return self._by_strength(x, sigma, request, axes, [strength], given)[0]

    def _truncation(self, request, axes, strength, given):
        return None if strength else super()._truncation(request, axes)

    def _by_strength(self, x, sigma, request, axes, strength: list[float], given) -> list[tuple[Posterior, Nearest]]:
        """The posterior for each strength; strength 0 is ELS itself."""
        local, shared = None, [s for s in strength if s != 0.0]
        similar = bool(shared) and given is None and self.attention != "uniform"
        if 0.0 in strength or similar:
            # In float64 for alpha: top1 has jumps, and the others multiply the evidence of many pixels.
            local = super()._posterior(x, sigma, replace(request, double=request.double or similar), axes)
        if shared:
            alpha = self._alpha(x if local is None else local[0].mean) if given is None else given
            queries = [self._share(*query, request, axes, shared) for query in zip(x, sigma, alpha)]
            by_strength = [tuple(map(concatenated, zip(*of_queries))) for of_queries in zip(*queries)]
        of_shared = iter(by_strength if shared else [])
        return [local if s == 0.0 else next(of_shared) for s in strength]

    def _alpha(self, local: np.ndarray) -> np.ndarray:
        """alpha (B, P, P) by the machine's rule from the local outputs (B, C, H, W)."""
        z = local.reshape(*local.shape[:2], -1)  # (B, C, P)
        if self._given is not None:
            return np.broadcast_to(self._given, (len(z), *self._given.shape[-2:]))
        B, _, P = z.shape
        if P == 1:
            return np.zeros((B, 1, 1))  # nothing else to attend to
        if self.attention == "uniform":
            similarity = np.zeros((B, P, P))
        else:
            similarity = np.einsum("bcp,bcq->bpq", z, z)
        similarity[:, np.arange(P), np.arange(P)] = -np.inf
        if self.attention == "top1":
            return np.eye(P)[similarity.argmax(axis=-1)]
        return softmax(similarity, axis=-1)

    def _share(self, x, sigma, alpha, request, axes, strengths: list[float]) -> list[tuple[Posterior, Nearest]]:
        """One query: softmax sums over the images, for each strength, a few blocks' evidence at a time.

        Candidate (i, y) has the joint logit  logit_i - S_i - distance / (2 sigma^2).
        """
        P = alpha.shape[0]
        attended = (alpha > 0.0).sum(axis=1, keepdims=True)
        at_once = max(1, EVIDENCE_BYTES // (self._bank.lanes * P * (16 + 4 * len(x))))
        sums: list[list] = [[] for _ in strengths]
        lists: list[list] = [[] for _ in strengths]
        for start in range(0, len(request.order), at_once):
            some = replace(request, order=request.order[start : start + at_once])
            images = request.engine.image_evidence(x, sigma, self._bank, some, *axes)
            S = images.evidence
            if not len(S):
                continue
            context = (S.reshape(len(S), P) @ (attended * alpha).T).reshape(S.shape)
            for strength, own_sums, own_lists in zip(strengths, sums, lists):
                own_sums.append(softmax_over_images(S + strength * context, images))
                offsets = strength * context * (2.0 * sigma**2)
                own_lists.append(
                    nearest_with_offsets(x, self._bank, some.order, *axes, images.position, offsets, request.top)
                    if request.top else Nearest.empty(S.shape[1:], 0))
        nearest = [merge_nearest(own) for own in lists]
        return [(merge(s), Nearest(n.key[None], n.source[None])) for s, n in zip(sums, nearest)]
