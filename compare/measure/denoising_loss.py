"""Noisy images at which networks and machines are asked for the same thing, and how far off an answer is."""

from __future__ import annotations

import numpy as np

from theory.schedules import Schedule


def noisy_training_images(images: np.ndarray, count: int, seed: int, schedule: Schedule,
           t: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return `count` random training images x0, the same for every t, and x = x0 + sigma n: (x0, x, sigma at t).

    A function of (seed, t): noise is drawn anew for each t.
    """
    x0 = images[np.random.default_rng([seed, 1]).integers(len(images), size=count)].astype(np.float64)
    alpha_bar = float(schedule.alpha_bar(t))
    sigma = float(np.sqrt((1.0 - alpha_bar) / alpha_bar))
    noise = np.random.default_rng([seed, 2, round(1e6 * t)]).standard_normal(x0.shape)
    return x0, x0 + sigma * noise, sigma


def noise_error(output: np.ndarray, x0: np.ndarray, sigma: float) -> np.ndarray:
    """Return the mean squared error of the predicted noise, |x0hat - x0|^2 / sigma^2, of each image: (images,)."""
    return ((output - x0) ** 2).mean(axis=(1, 2, 3)) / sigma**2
