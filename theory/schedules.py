"""Noise schedules: abar(t) for t in [0, 1], and the one convention that joins every machine and network.

The papers and the networks are variance preserving (VP):  phi_t = sqrt(abar) x0 + sqrt(1 - abar) n,  n ~ N(0, I).
The machines are variance exploding (VE):                  x = phi_t / sqrt(abar) = x0 + sigma n.
Hence sigma^2 = (1 - abar) / abar, and a posterior mean x0 predicts the noise
eps = (phi_t - sqrt(abar) x0) / sqrt(1 - abar).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from theory import arguments
from theory.errors import UserError


class Schedule(ABC):
    """abar(t) falls from 1 at t = 0 (clean) to 0 or nearly so at t = 1 (most noise); sigma(t) and its inverse follow.

    A schedule says `alpha_bar`; abar(1) = 0, pure noise at t = 1, is sigma(1) = infinity.
    """

    @abstractmethod
    def alpha_bar(self, t):
        """Return abar(t), t in [0, 1] of any shape."""

    def sigma(self, t):
        """Return the VE noise level sqrt((1 - abar(t)) / abar(t)), in pixel units; t in [0, 1]."""
        abar = np.asarray(self.alpha_bar(t))
        with np.errstate(divide="ignore"):
            return np.sqrt((1.0 - abar) / abar)

    def time(self, sigma):
        """Return the t with sigma(t) = sigma, by bisection to 1e-15; beyond the schedule's ends, that end."""
        sigma = _level(sigma)
        low, high = np.zeros_like(sigma), np.ones_like(sigma)
        for _ in range(52):
            middle = 0.5 * (low + high)
            below = self.sigma(middle) < sigma
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.where(sigma <= 0.0, 0.0, high)

    @classmethod
    def from_alphas_cumprod(cls, alphas_cumprod) -> Schedule:
        """Return the schedule of a table, such as a diffusers scheduler's `alphas_cumprod`.

        alphas_cumprod (T,): abar((i + 1) / T) = alphas_cumprod[i], falling, from at most 1 to at least 0; abar(0) = 1.
        Between them log abar is linear in t, and before a last entry of 0, zero terminal SNR, abar is.
        """
        table = arguments.real_numbers("alphas_cumprod", alphas_cumprod)
        if table.ndim != 1:
            raise UserError(f"alphas_cumprod: got shape {table.shape}, want (T,), abar(1 / T), ..., abar(1)")
        return TabulatedSchedule(tuple(table.tolist()))


def _time(t):
    t = arguments.real_numbers("t", t)
    if not np.all((t >= 0.0) & (t <= 1.0)):
        raise UserError(f"t: got {t.min()} to {t.max()}, want times in [0, 1] (0 clean, 1 most noise)")
    return t


def _level(sigma):
    sigma = arguments.real_numbers("sigma", sigma)
    if np.isnan(sigma).any():
        raise UserError("sigma: got NaN, want noise levels of at least 0")
    return sigma


def _between(table: np.ndarray, t) -> np.ndarray:
    """abar(t) from its values at j / T, j = 0, ..., T: log abar is linear in between, and before a 0 abar is."""
    T = len(table) - 1
    place = _time(t) * T
    with np.errstate(divide="ignore", invalid="ignore"):
        abar = np.exp(np.interp(place, np.arange(T + 1), np.log(table)))
    return np.where(place > T - 1, np.interp(place, [T - 1, T], table[-2:]), abar) if table[-1] == 0.0 else abar


def _require(name: str, value, good: bool, want: str) -> None:
    if not good:
        raise UserError(f"{name}: got {arguments.shown(value)}, want {want}")


def _number(value) -> bool:
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return real and -arguments.LARGEST < value < arguments.LARGEST


@dataclass(frozen=True)
class CosineSchedule(Schedule):
    """abar(t) = cos^2((t / 1.008) pi / 2), Kamb & Ganguli's code: abar(0) = 1, abar(1) = 1.6e-4, sigma(1) = 80."""

    stretch: float = 1.008

    def __post_init__(self):
        _require("stretch", self.stretch, _number(self.stretch) and self.stretch >= 1.0, "a number of at least 1")

    def alpha_bar(self, t):
        return np.cos(_time(t) / self.stretch * (np.pi / 2)) ** 2

    def time(self, sigma):
        """Return t = (2 stretch / pi) arctan(sigma), since sigma(t) = tan((t / stretch) pi / 2); at most 1."""
        sigma = _level(sigma)
        t = np.minimum(np.arctan(sigma) * (2.0 * self.stretch / np.pi), 1.0)
        return np.where(sigma >= self.sigma(1.0), 1.0, t)


@dataclass(frozen=True)
class OffsetCosineSchedule(Schedule):
    """abar(t) = f(t) / f(0), f(t) = cos^2((t + s) / (1 + s) pi / 2), s = 0.008 (Nichol & Dhariwal 2021, eq. 17).

    f(1) = 0 exactly. They clip beta, the noise of one of `train_steps` steps, at `max_beta`, which holds the last step
    alone: abar(1) = (1 - max_beta) abar(1 - 1 / train_steps) = 2.4e-9. Within that step log abar is linear in t.
    """

    offset: float = 0.008
    max_beta: float = 0.999
    train_steps: int = 1000

    def __post_init__(self):
        _require("offset", self.offset, _number(self.offset) and self.offset >= 0.0, "a number of at least 0")
        _require("max_beta", self.max_beta, _number(self.max_beta) and 0.0 < self.max_beta < 1.0, "a number in (0, 1)")
        steps = self.train_steps
        _require("train_steps", steps, _number(steps) and steps == int(steps) and steps > 1, "an integer above 1")

    def alpha_bar(self, t):
        f = lambda u: np.cos((u + self.offset) / (1.0 + self.offset) * (np.pi / 2)) ** 2
        t, last = _time(t), 1.0 - 1.0 / self.train_steps
        within = np.maximum(t - last, 0.0) * self.train_steps  # of the last step, 0 to 1
        return f(np.minimum(t, last)) / f(0.0) * (1.0 - self.max_beta) ** within


@dataclass(frozen=True)
class LinearSchedule(Schedule):
    """DDPM's linear beta: abar_j = prod_{i <= j} (1 - beta_i), beta from 1e-4 to 0.02 in 1000 steps (Ho et al. 2020).

    t = j / 1000 is the time after j steps, abar(0) = 1; between the steps log abar is interpolated linearly.
    diffusers' timestep i (0-based) is t = (i + 1) / 1000.
    """

    beta_start: float = 1e-4
    beta_end: float = 0.02
    train_steps: int = 1000

    def __post_init__(self):
        for name in ("beta_start", "beta_end"):
            beta = getattr(self, name)
            _require(name, beta, _number(beta) and 0.0 < beta < 1.0, "a number in (0, 1), the noise of one step")
        steps = self.train_steps
        _require("train_steps", steps, _number(steps) and steps == int(steps) and steps > 0, "an integer above 0")

    def alpha_bar(self, t):
        beta = np.linspace(self.beta_start, self.beta_end, self.train_steps)
        log_abar = np.concatenate([[0.0], np.cumsum(np.log1p(-beta))])
        return np.exp(np.interp(_time(t) * self.train_steps, np.arange(self.train_steps + 1), log_abar))


@dataclass(frozen=True)
class ExponentialSchedule(Schedule):
    """The Ornstein-Uhlenbeck flow: 1 - abar(t) = 1 - exp(-2 T t), T = `horizon` (theory.md section 1 has T = 1)."""

    horizon: float = 1.0

    def __post_init__(self):
        _require("horizon", self.horizon, _number(self.horizon) and self.horizon > 0.0, "a number above 0")

    def alpha_bar(self, t):
        return np.exp(-2.0 * self.horizon * _time(t))


@dataclass(frozen=True)
class EDMSchedule(Schedule):
    """sigma(t) = (smin^(1/rho) + t (smax^(1/rho) - smin^(1/rho)))^rho (Karras et al. 2022, eq. 5); rho 7.

    EDM's grid ends with a step to sigma = 0: here t = 0 is that end exactly, and every t > 0 follows the formula.
    abar = 1 / (1 + sigma^2). `ddim` takes t = i / steps, whose last sigma above 0 is sigma(1 / steps); EDM's own grid,
    whose last is sigma_min, is `grid`, for `euler` and `heun`.
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    rho: float = 7.0

    def __post_init__(self):
        low, high, rho = self.sigma_min, self.sigma_max, self.rho
        _require("sigma_min", low, _number(low) and low > 0.0, "a number above 0")
        _require("sigma_max", high, _number(high) and high > low, f"a number above sigma_min, {low}")
        _require("rho", rho, _number(rho) and rho > 0.0, "a number above 0")

    def sigma(self, t):
        t = _time(t)
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return np.where(t > 0.0, (low + t * (high - low)) ** self.rho, 0.0)

    def alpha_bar(self, t):
        return 1.0 / (1.0 + self.sigma(t) ** 2)

    def grid(self, steps: int) -> np.ndarray:
        """Return the noise levels of `steps` steps, (steps + 1,): sigma(1 - i / (steps - 1)), i < steps, and then 0."""
        steps = arguments.integer("steps", steps, 2, 1_000_000)
        return np.append(self.sigma(np.linspace(1.0, 0.0, steps)[:-1]), [self.sigma_min, 0.0])


@dataclass(frozen=True)
class FlowSchedule(Schedule):
    """Flow matching: x_t = (1 - t) x0 + t n, so sigma(t) = t / (1 - t) and abar(t) = (1 - t)^2 / ((1 - t)^2 + t^2).

    x_t = (1 - t) x = (1 - t) phi_t / sqrt(abar). abar(1) = 0: pure noise.
    """

    def alpha_bar(self, t):
        t = _time(t)
        return (1.0 - t) ** 2 / ((1.0 - t) ** 2 + t**2)

    def time(self, sigma):
        """Return t = sigma / (1 + sigma)."""
        return 1.0 - 1.0 / (1.0 + np.maximum(_level(sigma), 0.0))


@dataclass(frozen=True, repr=False)
class TabulatedSchedule(Schedule):
    """abar((i + 1) / T) = alphas_cumprod[i], see `Schedule.from_alphas_cumprod`."""

    alphas_cumprod: tuple[float, ...]

    def __post_init__(self):
        table = np.array(self.alphas_cumprod)
        if not (table.size and np.isfinite(table).all() and table[0] <= 1.0 and table[-1] >= 0.0
                and (np.diff(table) < 0.0).all()):
            raise UserError("alphas_cumprod: got a table that is empty, not finite, not falling or outside [0, 1], "
                            "want abar(1 / T), ..., abar(1), falling from at most 1 to at least 0")

    def __repr__(self):
        digest = sha256(np.array(self.alphas_cumprod).tobytes()).hexdigest()[:16]
        return f"Schedule.from_alphas_cumprod(<{len(self.alphas_cumprod)} values, sha256 {digest}>)"

    def alpha_bar(self, t):
        return _between(np.array((1.0, *self.alphas_cumprod)), t)
