"""The two-layer CNN of Finn et al. 2025, alone or with one self-attention over all pixels after it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from empirical.networks.attention import attention_rule
from empirical.networks.conditioning import TimeEmbedding, embed
from empirical.networks.padding import check_padding
from theory.errors import UserError


class ToyCNN(nn.Module):
    """eps predicted from (phi_t, t[, label]):  eps_x = head(z_x + V sum_{y != x} alpha_xy z_y).

    z = conv3x3(silu(conv3x3(phi))) sees the 5 x 5 window at x and nothing else; the head is a per-pixel network, so
    without attention the whole network is local with receptive field 5 x 5. With attention the second term brings the
    features of other pixels, alpha by one of the rules of `empirical.networks.attention`. All variants are the same
    network up to that rule: for one torch seed they start from the same convolutions, per-pixel layers, time embedding
    and head. No normalisation: it would leak across pixels.

    Capacity grows without widening the window, by `width` and by `depth` per-pixel layers between the convolutions and
    the attention, z_x <- z_x + W' silu(W z_x + b) + b'. W' and b' start at 0: a deeper network begins as the shallow
    one of its seed.

    Finn et al. write z_x + sum_y alpha_xy z_y. Here the sum leaves out y = x and passes through one linear map V, also
    where queries and keys are the identity: without V, a network with identity attention cannot tell its own feature
    from the others' and did worse than no attention at all (docs/use/toy-networks.md).

    channels: colour channels C            width: features a pixel            depth: per-pixel layers, 0 or more
    attention: None, "top1", "identity" or "learned"
    padding: "zeros" (borders are visible) or "circular" (commutes with circular shifts)
    classes: 0, or the number of labels; their embedding is added to the time's
    """

    def __init__(self, channels: int = 3, width: int = 96, attention: str | None = None, padding: str = "zeros",
                 classes: int = 0, depth: int = 0):
        super().__init__()
        if depth < 0:
            raise UserError(f"depth: got {depth}, want at least 0")
        check_padding(padding)
        self.config = dict(channels=channels, width=width, attention=attention, padding=padding, classes=classes,
                           depth=depth)
        self.conv1 = nn.Conv2d(channels, width, 3, padding=1, padding_mode=padding)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, padding_mode=padding)
        self.time = TimeEmbedding(width)
        self.modulation = nn.Linear(width, 4 * width)
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, channels))
        self.label = nn.Embedding(classes, width) if classes else None
        self.layers = nn.ModuleList(_residual(width) for _ in range(depth))
        self.attention = attention_rule(attention, width)
        self.value = None
        if attention is not None:
            self.value = nn.Linear(width, width, bias=False)
            nn.init.eye_(self.value.weight)

    @property
    def receptive_field(self) -> int:
        """Side of the window that an output pixel sees, without attention."""
        return 5

    def forward(self, phi: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """phi (B, C, H, W), t (B,) in [0, 1], labels (B,) -> eps (B, C, H, W)."""
        z = self.features(phi, t, labels)
        if self.attention is not None:
            z = z + self.value(self.attention(z) @ z)
        return self.head(z).transpose(1, 2).reshape(phi.shape)

    def features(self, phi, t, labels=None) -> torch.Tensor:
        """z (B, H*W, width), pixels in row-major order: what a pixel knows of its own 5 x 5 window and of t."""
        embedding = embed(self.time, self.label, t, labels)
        scale1, shift1, scale2, shift2 = self.modulation(F.silu(embedding))[:, :, None, None].chunk(4, dim=1)
        h = F.silu(self.conv1(phi) * (1 + scale1) + shift1)
        z = self.conv2(h) * (1 + scale2) + shift2
        z = z.flatten(2).transpose(1, 2)
        for layer in self.layers:
            z = z + layer(z)
        return z

    @torch.no_grad()
    def attention_map(self, phi: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """alpha (B, H*W, H*W): rows, one for each listening pixel, sum to 1; the diagonal is 0.

        UserError if the network has no attention.
        """
        if self.attention is None:
            raise UserError("attention_map: this network has attention=None, want one built with attention")
        return self.attention(self.features(phi, t, labels))


def _residual(width: int) -> nn.Sequential:
    """A two-layer per-pixel network whose output starts at 0."""
    last = nn.Linear(width, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), last)
