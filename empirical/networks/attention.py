"""How a pixel chooses which other pixels to listen to: one rule a class, z (B, P, d) -> alpha (B, P, P).

    alpha_xy = softmax over y != x of <q_x, k_y> / sqrt(d)        rows sum to 1, the diagonal is 0

No positional encoding. A pixel never attends to itself: its own feature reaches the output directly, and with identity
queries and keys <z_x, z_x> would win nearly always and leave nothing to attend to.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from theory.errors import UserError


class IdentityAttention(nn.Module):
    """q = k = z: pixels listen to the pixels they resemble."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return _similarity(z, z).softmax(dim=-1)


class TopOneAttention(nn.Module):
    """q = k = z, and all weight on the single most similar pixel.

    Training draws it by straight-through Gumbel-softmax (temperature 1: one-hot forward, the softmax's gradient
    backward), which uses torch's global generator; evaluation takes the argmax.
    """

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        logits = _similarity(z, z)
        if self.training:
            return F.gumbel_softmax(logits, tau=1.0, hard=True, dim=-1)
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)


class LearnedAttention(nn.Module):
    """q and k are linear maps of z without bias, both started at the identity: similarity is where it begins."""

    def __init__(self, width: int):
        super().__init__()
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        nn.init.eye_(self.query.weight)
        nn.init.eye_(self.key.weight)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return _similarity(self.query(z), self.key(z)).softmax(dim=-1)


RULES = {
    None: lambda width: None,
    "top1": lambda width: TopOneAttention(),
    "identity": lambda width: IdentityAttention(),
    "learned": LearnedAttention,
}


def attention_rule(name: str | None, width: int) -> nn.Module | None:
    """Return the rule of that name for features of `width`; None has none."""
    if name not in RULES:
        raise UserError(f"attention: got {name!r}, want None, 'top1', 'identity' or 'learned'")
    return RULES[name](width)


class SelfAttention(nn.Module):
    """h_x + V sum_{y != x} alpha_xy h_y over all positions of a feature map h (B, width, H, W).

    V is linear and starts at 0: a network with attention starts as the network without it.
    """

    def __init__(self, rule: str, width: int):
        super().__init__()
        self.rule = attention_rule(rule, width)
        self.value = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.value.weight)

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        z = _pixels(h)
        context = self.value(self.rule(z) @ z)
        return h + context.transpose(1, 2).reshape(h.shape)

    def attention_map(self, h: torch.Tensor) -> torch.Tensor:
        """alpha (B, H*W, H*W), positions in row-major order."""
        return self.rule(_pixels(h))


def _pixels(h: torch.Tensor) -> torch.Tensor:
    """(B, d, H, W) -> (B, H*W, d)."""
    return h.flatten(2).transpose(1, 2)


def _similarity(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
    """<q_x, k_y> / sqrt(d), minus infinity at y = x: (B, P, d) twice -> (B, P, P)."""
    if query.shape[1] < 2:
        raise UserError("phi: got an image of one pixel, want at least two: attention has no other pixel to go to")
    logits = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    own = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    return logits.masked_fill(own, -torch.inf)
