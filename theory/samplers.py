"""From noise to an image: deterministic solutions of the probability flow, for a machine and a network alike.

In the machines' convention the flow is dx / dsigma = (x - x0(x, sigma)) / sigma, x = x0 + sigma n. A denoiser is
anything with denoise(x, sigma) -> x0; x is numpy or torch, and half precision is sampled in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from theory import arguments
from theory.errors import UserError
from theory.schedules import Schedule

LEAST_ABAR = 1e-12
"""abar at which a denoiser is asked where abar = 0, where there is no phi / sqrt(abar): at sigma 1e6."""

MOST_STEPS = 1_000_000
"""Steps of a sampler, beyond which a number is a mistake."""


def ddim(machine, phi_1, schedule: Schedule, steps: int = 20, patch_sizes=None, strengths=None, labels=None,
         callback: Callable | None = None):
    """Sample by deterministic DDIM from phi_1 at t = 1 to an image at t = 0 (Song et al. 2021, eq. 12 with eta = 0).

        x0 = machine.denoise(phi_t / sqrt(abar_t), sigma_t)        eps = (phi_t - sqrt(abar_t) x0) / sqrt(1 - abar_t)
        phi_s = sqrt(abar_s) x0 + sqrt(1 - abar_s) eps             t = i / steps, s = (i - 1) / steps, i = steps, ..., 1
    Where abar_1 = 0 (zero terminal SNR, flow matching) eps = phi_1, and x0 is the denoiser's at sigma = 1e6.

    Parameters
    ----------
    machine : anything with denoise(x, sigma) -> x0: a score machine, or a network in its adapter.
    phi_1 : (B, C, H, W), VP noise, numpy or torch, of floats.
    schedule : abar at t = i / steps must fall, from at most 1 at t = 0 to at least 0.
    steps : at least 1.
    patch_sizes, strengths : one value a step; entry i belongs to t = (i + 1) / steps (index 0 = least noise).
    labels : (B,), handed to the machine at each step.
    callback : callback(i, t, phi_t, x0), called at each step with the entry's index i, before the step is taken.

    Returns
    -------
    The image at t = 0, (B, C, H, W), in the kind and dtype of phi_1.

    Raises
    ------
    UserError : an argument that is not as said here.
    """
    phi = _noise("phi_1", phi_1)
    steps = arguments.integer("steps", steps, 1)
    if steps > MOST_STEPS:
        raise UserError(f"steps: got {arguments.shown(steps)}, want at most {MOST_STEPS}")
    options = list(_options(machine, steps, patch_sizes, strengths, labels, callback))
    abars = _alpha_bars(schedule, steps)
    for i in reversed(range(steps)):
        abar, abar_next = float(abars[i + 1]), float(abars[i])
        asked = max(abar, LEAST_ABAR)
        x0 = machine.denoise(phi / asked**0.5, ((1.0 - asked) / asked) ** 0.5, **options[i])
        if callback is not None:
            callback(i, (i + 1) / steps, phi, x0)
        eps = (phi - abar**0.5 * x0) / (1.0 - abar) ** 0.5
        phi = abar_next**0.5 * x0 + (1.0 - abar_next) ** 0.5 * eps
    return _like(phi, phi_1)


def euler(denoiser, x, sigmas, labels=None):
    """Sample along `sigmas` by Euler's method, of first order: x' = x0 + (sigma' / sigma) (x - x0).

    Parameters
    ----------
    denoiser : anything with denoise(x, sigma) -> x0.
    x : (B, C, H, W), sigmas[0] n or an image plus that, numpy or torch, of floats.
    sigmas : (n + 1,), noise levels in pixel units, falling; the last may be 0. `EDMSchedule().grid(n)`, for example.
    labels : (B,), handed to the denoiser at each step.

    Returns
    -------
    The image at sigmas[-1], (B, C, H, W), in the kind and dtype of x.

    Raises
    ------
    UserError : an argument that is not as said here.
    """
    step = lambda state, slope, here, there, again: state + (there - here) * slope
    return _sampled(denoiser, x, sigmas, labels, step)


def heun(denoiser, x, sigmas, labels=None):
    """Sample along `sigmas` by Heun's method, of second order (Karras et al. 2022, algorithm 1 without churn).

    A step is Euler's, then taken again with the mean of the slopes at both its ends; the one to sigma = 0 is Euler's.
    Parameters, Returns and Raises as in `euler`.
    """

    def step(state, slope, here, there, again):
        guess = state + (there - here) * slope
        return guess if there == 0.0 else state + (there - here) * 0.5 * (slope + again(guess, there))

    return _sampled(denoiser, x, sigmas, labels, step)


def _sampled(denoiser, x, sigmas, labels, step: Callable):
    """The state at sigmas[-1]; step(state, its slope dx / dsigma, sigma, next sigma, slope(state, sigma)) -> state."""
    _require_denoiser("denoiser", denoiser)
    state, levels = _noise("x", x), _falling(sigmas)
    options = {} if labels is None else {"labels": labels}
    slope = lambda state, sigma: (state - denoiser.denoise(state, sigma, **options)) / sigma
    for here, there in zip(levels, levels[1:]):
        state = step(state, slope(state, here), here, there, slope)
    return _like(state, x)


def _options(machine, steps: int, patch_sizes, strengths, labels, callback) -> Iterator[dict]:
    """What denoise is told at each step, index 0 = least noise."""
    _require_denoiser("machine", machine)
    if callback is not None and not callable(callback):
        raise UserError(f"callback: got {arguments.shown(callback)}, want a function of (i, t, phi_t, x0)")
    checks = {"patch_size": ("patch_sizes", patch_sizes, _whole_odd),
              "strength": ("strengths", strengths, lambda value: arguments.at_least_0("strengths", value))}
    lists = {} if labels is None else {"labels": [labels] * steps}
    for name, (plural, values, check) in checks.items():
        if values is None:
            continue
        values = arguments.sequence(plural, np.asarray(values) if hasattr(values, "__array__") else values)
        if len(values) != steps:
            raise UserError(f"{plural}: got {len(values)} values, want one for each of the {steps} steps")
        lists[name] = [check(value) for value in values]
    for i in range(steps):
        yield {name: values[i] for name, values in lists.items()}


def _whole_odd(size) -> int:
    whole = isinstance(size, float | np.floating) and np.isfinite(size) and size == np.floor(size)
    return arguments.odd_patch_size(int(size) if whole else size, "patch_sizes")  # results are of floats


def _require_denoiser(name: str, denoiser) -> None:
    if not callable(getattr(denoiser, "denoise", None)):
        raise UserError(f"{name}: got {type(denoiser).__name__}, want an object with denoise(x, sigma)")


def _noise(name: str, x):
    """x, finite floats (B, C, H, W), half precision as float32."""
    array = arguments.floats(name, x)
    if hasattr(x, "detach"):
        return x.float() if x.element_size() < 4 else x
    return array.astype(np.float32) if array.dtype.itemsize < 4 else array


def _like(result, x):
    """The result in the dtype of x, which was numpy or torch."""
    return result.to(x.dtype) if hasattr(result, "detach") else result.astype(np.asarray(x).dtype, copy=False)


def _alpha_bars(schedule: Schedule, steps: int) -> np.ndarray:
    """abar(i / steps), (steps + 1,), checked."""
    try:
        abars = np.asarray(schedule.alpha_bar(np.arange(steps + 1) / steps), dtype=np.float64)
    except AttributeError:
        raise UserError(f"schedule: got {type(schedule).__name__}, want one with alpha_bar(t)") from None
    good = abars.shape == (steps + 1,) and np.isfinite(abars).all() and (np.diff(abars) <= 0.0).all()
    if not good or abars[0] > 1.0 or abars[1] >= 1.0 or abars[-1] < 0.0:
        raise UserError(f"schedule: got alpha_bar({steps + 1} times) = {np.array2string(abars, threshold=4)}, want as "
                        "many values, falling from at most 1 to at least 0")
    return abars


def _falling(sigmas) -> list[float]:
    """sigmas (n + 1,), finite, falling, only the last may be 0."""
    levels = arguments.real_numbers("sigmas", sigmas)
    if levels.ndim != 1 or len(levels) < 2:
        raise UserError(f"sigmas: got shape {levels.shape}, want (n + 1,) noise levels for n steps, n at least 1")
    if not (np.isfinite(levels).all() and (np.diff(levels) < 0.0).all() and levels[-1] >= 0.0):
        raise UserError(f"sigmas: got {np.array2string(levels, threshold=6)}, want finite noise levels that fall, the "
                        "last at least 0")
    return levels.tolist()
