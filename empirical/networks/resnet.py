"""The ResNet of Kamb & Ganguli 2025 (appendix C.1): a stack of 3 x 3 convolutions at full resolution."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from empirical.networks.attention import SelfAttention
from empirical.networks.conditioning import TimeEmbedding, embed
from empirical.networks.padding import check_padding
from empirical.networks.parametrization import as_eps, check_parametrization
from theory.errors import UserError

EMBEDDING = 128


class ResNet(nn.Module):
    """eps predicted from (phi_t, t[, label]) by `depth` 3 x 3 convolutions, so with receptive field 2 depth + 1.

        h = conv(phi);  h <- h + relu(conv(h (1 + scale) + shift)), depth - 2 times;  eps = conv(h)

    scale and shift come from the embedding of t plus that of the label. Without attention the network is local; with
    attention h passes once through SelfAttention over all pixels before the last convolution, and everything else is
    the same, for one torch seed down to the initial weights. No normalisation: it would leak across pixels.
    Kamb & Ganguli's: width 256, depth 8 (17 x 17), only a shift.

    channels: C                                 width: features a pixel
    depth: 3 x 3 convolutions, at least 2       classes: None, or the number of labels
    padding: "zeros" (borders are visible) or "circular" (commutes with circular shifts)
    attention: None, "top1", "identity" or "learned"
    parametrization: "eps", or "v": what the last convolution gives; the network's answer is eps in either case
    """

    def __init__(self, channels: int = 1, width: int = 256, depth: int = 8, classes: int | None = None,
                 padding: str = "zeros", attention: str | None = None, parametrization: str = "eps"):
        super().__init__()
        if depth < 2:
            raise UserError(f"depth: got {depth}, want at least 2")
        check_padding(padding)
        check_parametrization(parametrization)
        self.config = dict(channels=channels, width=width, depth=depth, classes=classes, padding=padding,
                           attention=attention, parametrization=parametrization)
        conv = lambda before, after: nn.Conv2d(before, after, 3, padding=1, padding_mode=padding)
        self.first = conv(channels, width)
        self.layers = nn.ModuleList(conv(width, width) for _ in range(depth - 2))
        self.last = conv(width, channels)
        self.time = TimeEmbedding(EMBEDDING)
        self.modulation = nn.Linear(EMBEDDING, 2 * width * (depth - 1))
        self.label = nn.Embedding(classes, EMBEDDING) if classes else None
        self.attention = None if attention is None else SelfAttention(attention, width)

    @property
    def receptive_field(self) -> int:
        """Side of the window that an output pixel sees, without attention."""
        return 2 * self.config["depth"] + 1

    def forward(self, phi: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """phi (B, C, H, W), t (B,) in [0, 1], labels (B,) -> eps (B, C, H, W)."""
        h = self.features(phi, t, labels)
        if self.attention is not None:
            h = self.attention(h)
        return as_eps(self.config["parametrization"], self.last(h), phi, t)

    def features(self, phi, t, labels=None) -> torch.Tensor:
        """h (B, width, H, W) before attention and the last convolution."""
        modulation = self.modulation(F.silu(embed(self.time, self.label, t, labels)))
        scales, shifts = modulation[:, :, None, None].chunk(2, dim=1)
        scales, shifts = (part.chunk(self.config["depth"] - 1, dim=1) for part in (scales, shifts))
        h = self.first(phi)
        for layer, scale, shift in zip(self.layers, scales, shifts):
            h = h + F.relu(layer(h * (1 + scale) + shift))
        return h * (1 + scales[-1]) + shifts[-1]

    @torch.no_grad()
    def attention_map(self, phi: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """alpha (B, H*W, H*W), pixels in row-major order. UserError if the network has no attention."""
        if self.attention is None:
            raise UserError("attention_map: this network has attention=None, want one built with attention")
        return self.attention.attention_map(self.features(phi, t, labels))
