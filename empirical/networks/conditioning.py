"""What a network is told beside the image: the time and, where it has classes, the label."""

from __future__ import annotations

import math

import torch
from torch import nn

from theory.errors import UserError


class TimeEmbedding(nn.Module):
    """t (B,) in [0, 1] -> (B, width): sines and cosines at 16 geometric frequencies, then a two-layer network.

    Angular frequencies run from 1 to 1000: 1 tells the ends of [0, 1] apart, 1000 steps of one thousandth.
    """

    FREQUENCIES = 16

    def __init__(self, width: int):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2 * self.FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        exponents = torch.linspace(0.0, math.log(1000.0), self.FREQUENCIES, dtype=t.dtype, device=t.device)
        angles = t[:, None] * exponents.exp()
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1)
        return self.mlp(waves.to(self.mlp[0].weight.dtype))  # times come in float32 also where weights are half


def embed(time: TimeEmbedding, label: nn.Embedding | None, t: torch.Tensor, labels: torch.Tensor | None):
    """Return the time's embedding plus the label's, (B, width); raise a UserError for labels out of place."""
    if label is None:
        if labels is not None:
            raise UserError("labels: got some, want None: this network has no classes")
        return time(t)
    classes = label.num_embeddings
    if labels is None:
        raise UserError(f"labels: got None, want one of {classes} classes for each image")
    if labels.min() < 0 or labels.max() >= classes:
        raise UserError(f"labels: got {labels.min()} to {labels.max()}, want classes 0 to {classes - 1}")
    return time(t) + label(labels)
