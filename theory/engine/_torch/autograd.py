"""The door to torch's autograd: an answer with the graph of an exact vector-Jacobian product."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.autograd.function import once_differentiable

from theory import arguments


class _Attached(torch.autograd.Function):
    """`answer` as a function of x, whose gradient is pull_back's."""

    @staticmethod
    def forward(ctx, x, answer, pull_back):
        ctx.pull_back = pull_back
        return answer.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, cotangent):
        pulled = ctx.pull_back(arguments.as_numpy(cotangent).astype(np.float64))
        return cotangent.new_tensor(pulled), None, None


def attached(x: torch.Tensor, answer: torch.Tensor, pull_back: Callable[[np.ndarray], np.ndarray]) -> torch.Tensor:
    """The answer at x with a graph; pull_back: from a cotangent a (B, C, H, W), float64, to J^T a."""
    return _Attached.apply(x, answer, pull_back)
