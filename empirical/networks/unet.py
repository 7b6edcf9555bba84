"""The UNet of Kamb & Ganguli 2025 (appendix C.1): residual blocks at several scales, max-pooled and upsampled."""

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


class UNet(nn.Module):
    """eps predicted from (phi_t, t[, label]) at len(widths) scales, each half the one above it.

    Down: a block, then 2 x 2 max-pooling. Up: a transposed convolution, the features of the same scale beside it, a
    block. A block is two 3 x 3 convolutions beside a 1 x 1 one; the embedding of t plus that of the label scales and
    shifts what is between the two. With attention the coarsest features pass once through SelfAttention, and everything
    else is the same, for one torch seed down to the initial weights. No normalisation: it would leak across pixels.
    Kamb & Ganguli's: widths 64, 128, 256.

    channels: C                                 widths: features a pixel, from the finest scale to the coarsest
    classes: None, or the number of labels      padding: "zeros" or "circular"
    attention: None, "top1", "identity" or "learned"
    parametrization: "eps", or "v": what the last convolution gives; the network's answer is eps in either case
    """

    def __init__(self, channels: int = 1, widths: tuple[int, ...] = (64, 128, 256), classes: int | None = None,
                 padding: str = "zeros", attention: str | None = None, parametrization: str = "eps"):
        super().__init__()
        if len(widths) < 1:
            raise UserError("widths: got none, want one a scale")
        check_padding(padding)
        check_parametrization(parametrization)
        self.config = dict(channels=channels, widths=tuple(widths), classes=classes, padding=padding,
                           attention=attention, parametrization=parametrization)
        pairs = list(zip(widths, widths[1:]))
        self.down = nn.ModuleList(_Block(before, after, padding) for before, after in [(channels, widths[0]), *pairs])
        self.up = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, stride=2) for above, below in pairs)
        self.merge = nn.ModuleList(_Block(2 * width, width, padding) for width in widths[:-1])
        self.last = nn.Conv2d(widths[0], channels, 3, padding=1, padding_mode=padding)
        self.time = TimeEmbedding(EMBEDDING)
        self.label = nn.Embedding(classes, EMBEDDING) if classes else None
        self.attention = None if attention is None else SelfAttention(attention, widths[-1])

    @property
    def receptive_field(self) -> int:
        """Side of the smallest centred window that holds all that any output pixel sees, without attention."""
        scales = len(self.config["widths"])

        def encoded(low, high, scale):
            """The input pixels behind pixels low..high of what the encoder's block at `scale` puts out."""
            low, high = low - 2, high + 2
            return (low, high) if scale == 0 else encoded(2 * low, 2 * high + 1, scale - 1)

        def decoded(low, high, scale):
            """The same of the decoder's block."""
            if scale == scales - 1:
                return encoded(low, high, scale)
            low, high = low - 2, high + 2
            beside, below = encoded(low, high, scale), decoded(low // 2, high // 2, scale + 1)
            return min(beside[0], below[0]), max(beside[1], below[1])

        windows = [(x, *decoded(x - 1, x + 1, 0)) for x in range(2 ** (scales - 1))]  # pooling's phases
        return 2 * max(max(x - low, high - x) for x, low, high in windows) + 1

    def forward(self, phi: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """phi (B, C, H, W), t (B,) in [0, 1], labels (B,) -> eps (B, C, H, W); H, W multiples of 2^(scales - 1)."""
        embedding = F.silu(embed(self.time, self.label, t, labels))
        *skips, h = self._descend(phi, embedding)
        if self.attention is not None:
            h = self.attention(h)
        for up, merge, skip in reversed(list(zip(self.up, self.merge, skips))):
            h = merge(torch.cat([skip, up(h)], dim=1), embedding)
        return as_eps(self.config["parametrization"], self.last(h), phi, t)

    def _descend(self, phi, embedding) -> list[torch.Tensor]:
        """The features of every scale, finest first."""
        period = 2 ** len(self.up)
        if phi.shape[-2] % period or phi.shape[-1] % period:
            raise UserError(f"phi: got {phi.shape[-2]} x {phi.shape[-1]} pixels, want multiples of {period}")
        features, h = [], phi
        for scale, block in enumerate(self.down):
            h = block(F.max_pool2d(h, 2) if scale else h, embedding)
            features.append(h)
        return features

    @torch.no_grad()
    def attention_map(self, phi: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """alpha (B, P, P) over the P pixels of the coarsest scale, row-major. UserError without attention."""
        if self.attention is None:
            raise UserError("attention_map: this network has attention=None, want one built with attention")
        embedding = F.silu(embed(self.time, self.label, t, labels))
        return self.attention.attention_map(self._descend(phi, embedding)[-1])


class _Block(nn.Module):
    def __init__(self, before: int, after: int, padding: str):
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, padding=1, padding_mode=padding)
        self.second = nn.Conv2d(after, after, 3, padding=1, padding_mode=padding)
        self.beside = nn.Conv2d(before, after, 1)
        self.modulation = nn.Linear(EMBEDDING, 2 * after)

    def forward(self, h: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        inner = F.relu(self.first(h)) * (1 + scale) + shift
        return self.beside(h) + F.relu(self.second(inner))
