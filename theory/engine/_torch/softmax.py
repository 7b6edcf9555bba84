"""Windows as matrices, their logits as a product, and softmax sums of these: tensors in, tensors out.

G sets, n images, b queries as in `regions.Region`; every matrix of logits is (G, n * P, b * Q), candidates as rows.
Logits and peaks are in powers of two, and so is precision: log2(e) / (2 sigma^2).
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Comparison(NamedTuple):
    """How windows are compared."""

    dtype: torch.dtype
    products: bool  # by inner products, else by squared differences


class Sums(NamedTuple):
    """Softmax sums of groups of candidates: logits are relative to the group's own peak."""

    peak: torch.Tensor  # (G, groups, b * Q) float64: the largest logit
    sums: torch.Tensor  # (G, groups, Cv + 1, b * Q): sum of weights times value, and last of the weights alone

    @classmethod
    def empty(cls, device: torch.device) -> Sums:
        return cls(torch.full((1, 1, 1), -torch.inf, dtype=torch.float64, device=device),
                   torch.zeros((1, 1, 1, 1), dtype=torch.float64, device=device))


def gathered(pixels: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """pixels (n, F), table (G, P, D) of places in F -> (G, n * P, D)."""
    each = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels[each, table[:, None]].flatten(1, 2)


def query_windows(pixels: torch.Tensor, table: torch.Tensor, precision: torch.Tensor,
                  how: Comparison) -> tuple[torch.Tensor, torch.Tensor]:
    """The windows of queries (b, F), float64, as `logits` takes them, and what those lack: (G, b * Q), float64."""
    windows, each = gathered(pixels, table), precision.repeat_interleave(table.shape[1])
    if not how.products:
        return windows.to(how.dtype), torch.zeros_like(windows[..., 0])
    missing = each * torch.linalg.vecdot(windows, windows)
    windows *= 2.0 * each[:, None]
    windows[..., -1] = -each  # to meet |p|^2
    return windows.to(how.dtype), missing


def candidate_windows(pixels: torch.Tensor, table: torch.Tensor, how: Comparison) -> torch.Tensor:
    """The windows of training images (n, F) as `logits` takes them."""
    windows = gathered(pixels.to(how.dtype), table)
    if how.products:
        windows[..., -1] = torch.linalg.vecdot(windows, windows)
    return windows


def logits(candidates: torch.Tensor, queries: torch.Tensor, precision: torch.Tensor, how: Comparison) -> torch.Tensor:
    """precision (2 <q, p> - |p|^2) by products, else -precision |q - p|^2."""
    if how.products:
        return torch.bmm(candidates, queries.mT)
    distance = torch.cdist(candidates, queries, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.square_().mul_(-precision.repeat_interleave(queries.shape[1] // len(precision)))


def candidate_values(values: torch.Tensor, centres: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """values (n, Cv, pixels) at centres (G, P), and a one -> (G, n * P, Cv + 1)."""
    n, Cv, _ = values.shape
    table = values.new_ones((len(centres), n, centres.shape[1], Cv + 1), dtype=dtype)
    if Cv:
        table[..., :Cv] = values[:, :, centres].permute(2, 0, 3, 1)
    return table.flatten(1, 2)


def group_sums(logits: torch.Tensor, values: torch.Tensor, size: int) -> Sums:
    """Sums of groups of `size` candidates, a divisor of n * P, from logits, which are used up, and values."""
    G, _, N = logits.shape
    grouped = logits.reshape(-1, size, N)
    peak = grouped.amax(dim=1)
    weights = grouped.sub_(peak[:, None]).exp2_()
    sums = torch.bmm(values.reshape(-1, size, values.shape[2]).mT, weights)
    return Sums(peak.reshape(G, -1, N).double(), sums.reshape(G, -1, *sums.shape[1:]))


def merged(state: Sums, more: Sums) -> Sums:
    """One group, float64, of what `state` (one group) and `more` have seen."""
    peak = torch.maximum(state.peak, more.peak.amax(dim=1, keepdim=True))
    own = state.sums * torch.exp2(state.peak - peak)[:, :, None]
    return Sums(peak, own + (more.sums * torch.exp2(more.peak - peak)[:, :, None]).sum(dim=1, keepdim=True))
