"""Noise schedules: abar(t) for t in [0, 1], and the one convention that joins every machine and network.

The papers and the networks are variance preserving (VP):  phi_t = sqrt(abar) x0 + sqrt(1 - abar) n,  n ~ N(0, I).
The machines are variance exploding (VE):                  x = phi_t / sqrt(abar) = x0 + sigma n.
Hence sigma^2 = (1 - abar) / abar, and a posterior mean x0 predicts the noise
eps = (phi_t - sqrt(abar) x0) / sqrt(1 - abar).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from theory.errors import UserError


class Schedule(Protocol):
    """abar(t) falls from 1 at t = 0 (clean) to nearly 0 at t = 1 (most noise); sigma(t) and its inverse follow."""

    def alpha_bar(self, t): ...

    def sigma(self, t): ...

    def time(self, sigma): ...


class _Derived:
    """What follows from abar(t) alone."""

    def sigma(self, t):
        """VE noise level sigma(t) = sqrt((1 - abar(t)) / abar(t)), in pixel units; t in [0, 1]."""
        abar = self.alpha_bar(t)
        return np.sqrt((1.0 - abar) / abar)

    def time(self, sigma):
        """t with sigma(t) = sigma, by bisection to 1e-15; sigma beyond the schedule's ends gives that end."""
        sigma = np.asarray(sigma, dtype=np.float64)
        low, high = np.zeros_like(sigma), np.ones_like(sigma)
        for _ in range(52):
            middle = 0.5 * (low + high)
            below = self.sigma(middle) < sigma
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where(sigma <= 0.0, 0.0, high)


def _time(t):
    t = np.asarray(t, dtype=np.float64)
    if not np.all((t >= 0.0) & (t <= 1.0)):
        raise UserError(f"t: got {t.min()} to {t.max()}, want times in [0, 1] (0 clean, 1 most noise)")
    return t


@dataclass(frozen=True)
class CosineSchedule(_Derived):
    """abar(t) = cos^2((t / 1.008) pi / 2), Kamb & Ganguli's code: abar(0) = 1, abar(1) = 1.6e-4, sigma(1) = 80."""

    stretch: float = 1.008

    def alpha_bar(self, t):
        return np.cos(_time(t) / self.stretch * (np.pi / 2)) ** 2

    def time(self, sigma):
        """t = (2 stretch / pi) arctan(sigma), since sigma(t) = tan((t / stretch) pi / 2); at most 1."""
        return np.minimum(np.arctan(np.asarray(sigma, dtype=np.float64)) * (2.0 * self.stretch / np.pi), 1.0)


@dataclass(frozen=True)
class OffsetCosineSchedule(_Derived):
    """abar(t) = f(t) / f(0), f(t) = cos^2((t + s) / (1 + s) pi / 2), s = 0.008 (Nichol & Dhariwal 2021, eq. 17).

    f(1) = 0 exactly; abar is held at `floor` there, as their clipped beta does, so that sigma stays finite.
    """

    offset: float = 0.008
    floor: float = 1e-5

    def alpha_bar(self, t):
        f = lambda u: np.cos((u + self.offset) / (1.0 + self.offset) * (np.pi / 2)) ** 2
        return np.maximum(f(_time(t)) / f(0.0), self.floor)


@dataclass(frozen=True)
class LinearSchedule(_Derived):
    """DDPM's linear beta: abar_j = prod_{i <= j} (1 - beta_i), beta from 1e-4 to 0.02 in 1000 steps (Ho et al. 2020).

    t = j / 1000 is the time after j steps, abar(0) = 1; between the steps log abar is interpolated linearly.
    diffusers' timestep i (0-based) is t = (i + 1) / 1000.
    """

    beta_start: float = 1e-4
    beta_end: float = 0.02
    train_steps: int = 1000

    def alpha_bar(self, t):
        beta = np.linspace(self.beta_start, self.beta_end, self.train_steps)
        log_abar = np.concatenate([[0.0], np.cumsum(np.log1p(-beta))])
        return np.exp(np.interp(_time(t) * self.train_steps, np.arange(self.train_steps + 1), log_abar))


@dataclass(frozen=True)
class ExponentialSchedule(_Derived):
    """The Ornstein-Uhlenbeck flow: 1 - abar(t) = 1 - exp(-2 T t), T = `horizon` (theory.md section 1 has T = 1)."""

    horizon: float = 1.0

    def alpha_bar(self, t):
        return np.exp(-2.0 * self.horizon * _time(t))


@dataclass(frozen=True)
class EDMSchedule(_Derived):
    """sigma(t) = (smin^(1/rho) + t (smax^(1/rho) - smin^(1/rho)))^rho (Karras et al. 2022, eq. 5).

    EDM's grid ends with a step to sigma = 0: here t = 0 is that end exactly, and every t > 0 follows the formula.
    abar = 1 / (1 + sigma^2).
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def sigma(self, t):
        t = _time(t)
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return np.where(t > 0.0, (low + t * (high - low)) ** self.rho, 0.0)

    def alpha_bar(self, t):
        return 1.0 / (1.0 + self.sigma(t) ** 2)


def ddim(machine, phi_1, schedule: Schedule, steps: int = 20, patch_sizes=None, strengths=None, labels=None,
         callback: Callable | None = None):
    """Deterministic DDIM from phi_1 at t = 1 to an image at t = 0 (Song et al. 2021, eq. 12 with eta = 0).

        x0 = machine.denoise(phi_t / sqrt(abar_t), sigma_t)        eps = (phi_t - sqrt(abar_t) x0) / sqrt(1 - abar_t)
        phi_s = sqrt(abar_s) x0 + sqrt(1 - abar_s) eps             t = i / steps, s = (i - 1) / steps, i = steps, ..., 1

    machine: anything with denoise(x, sigma) -> x0: a score machine, or a network in its adapter.
    phi_1 (B, C, H, W): VP noise, numpy or torch; the answer is of the same kind.
    patch_sizes, strengths: one value a step; entry i belongs to t = (i + 1) / steps (index 0 = least noise).
    labels (B,): handed to the machine at each step.
    callback(i, t, phi_t, x0): called at each step with the entry's index i, before the step is taken.
    Returns the image at t = 0, (B, C, H, W). UserError: steps < 1, or lists that do not have one entry a step.
    """
    if steps < 1:
        raise UserError(f"steps: got {steps}, want at least 1")
    for name, values in (("patch_sizes", patch_sizes), ("strengths", strengths)):
        if values is not None and len(values) != steps:
            raise UserError(f"{name}: got {len(values)} values, want one for each of the {steps} steps")
    abars = np.asarray(schedule.alpha_bar(np.arange(steps + 1) / steps), dtype=np.float64)
    phi = phi_1
    for i in reversed(range(steps)):
        abar, abar_next = float(abars[i + 1]), float(abars[i])
        options = {} if labels is None else {"labels": labels}
        if patch_sizes is not None:
            options["patch_size"] = int(patch_sizes[i])
        if strengths is not None:
            options["strength"] = float(strengths[i])
        x0 = machine.denoise(phi / abar**0.5, ((1.0 - abar) / abar) ** 0.5, **options)
        if callback is not None:
            callback(i, (i + 1) / steps, phi, x0)
        eps = (phi - abar**0.5 * x0) / (1.0 - abar) ** 0.5
        phi = abar_next**0.5 * x0 + (1.0 - abar_next) ** 0.5 * eps
    return phi
