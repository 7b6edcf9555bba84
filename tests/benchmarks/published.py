"""The published boundary-broken ELS (Kambm/convolutional_diffusion, MIT), from a checkout, as a denoiser to time."""

from __future__ import annotations

import math
import sys
import types
from pathlib import Path

import torch
from torch.utils.data import TensorDataset

UNUSED = ("torchvision", "torchvision.transforms", "torchvision.datasets", "torchvision.models")
"""Imported at the top of the published file, and not used by the score machines."""


def load(path: Path):
    """The module utils/idealscore.py of a checkout."""
    if not (path / "utils" / "idealscore.py").is_file():
        raise SystemExit(f"--published: got {path}, want a checkout of Kambm/convolutional_diffusion")
    for name in UNUSED:
        if name not in sys.modules:
            sys.modules[name] = types.ModuleType(name)
    for name in UNUSED[1:]:
        setattr(sys.modules["torchvision"], name.split(".")[1], sys.modules[name])
    sys.path.insert(0, str(path))
    from utils import idealscore

    return idealscore


def denoiser(idealscore, images: torch.Tensor, batch: int):
    """denoise(x, sigma, k) -> the posterior mean: what the published module returns is the score of the VP variable."""
    labels = torch.zeros(len(images), dtype=torch.int64)
    module = idealscore.LocalEquivBordersScoreModule(TensorDataset(images, labels), batch_size=batch,
                                                     image_size=images.shape[-1], channels=images.shape[1])

    def denoise(x: torch.Tensor, sigma: float, k: int) -> torch.Tensor:
        abar = 1.0 / (1.0 + sigma**2)
        t = torch.tensor([2 * 1.008 / math.pi * math.acos(math.sqrt(abar))])  # their cosine schedule, inverted
        score = module(t, x * math.sqrt(abar), device="cpu", k=k)
        return (x * math.sqrt(abar) + (1.0 - abar) * score) / math.sqrt(abar)

    return denoise
