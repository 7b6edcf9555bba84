"""What every training recipe here is made of: how the times of a batch are drawn, how the learning rate runs."""

from __future__ import annotations

import math

import numpy as np

WARM_UP = 0.05  # share of the steps


def stratified(rng: np.random.Generator, n: int) -> np.ndarray:
    """n draws from [0, 1), the k-th from the k-th of n equal parts: the variance of a mean falls, its value stays."""
    return (np.arange(n) + rng.random(n)) / max(n, 1)


def cosine_rate(peak: float, step: int, steps: int) -> float:
    """The learning rate at step 1, ..., steps: linear warm-up to `peak`, then half a cosine down to nearly 0."""
    warm_up = max(1, round(WARM_UP * steps))
    if step <= warm_up:
        return peak * step / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up + 1)))
