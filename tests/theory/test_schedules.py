import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests import naive
from theory import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    LinearSchedule,
    LocalScore,
    OffsetCosineSchedule,
    ddim,
)

TIMES = [0.0, 1e-3, 0.05, 0.3, 0.5, 0.77, 1.0]


def cosine(t):
    return math.cos(t / 1.008 * math.pi / 2) ** 2


def offset_cosine(t):
    f = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    return max(f(t) / f(0), 1e-5)


def linear(t):
    """The product over whole steps, and a geometric step in between."""
    steps = t * 1000
    product = 1.0
    for j in range(math.floor(steps)):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * j / 999)
    rest = steps - math.floor(steps)
    if rest > 0:
        product *= (1 - (1e-4 + (0.02 - 1e-4) * math.floor(steps) / 999)) ** rest
    return product


def exponential(t):
    return math.exp(-2 * t)


def edm(t):
    sigma = (0.002 ** (1 / 7) + t * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7 if t > 0 else 0.0
    return 1 / (1 + sigma**2)


ALL = [(CosineSchedule(), cosine), (OffsetCosineSchedule(), offset_cosine), (LinearSchedule(), linear),
       (ExponentialSchedule(), exponential), (EDMSchedule(), edm)]
IDS = [type(s).__name__ for s, _ in ALL]


@pytest.mark.parametrize("schedule, formula", ALL, ids=IDS)
def test_alpha_bar_is_its_formula(schedule, formula):
    assert_allclose(schedule.alpha_bar(TIMES), [formula(t) for t in TIMES], rtol=1e-9)
    assert_allclose(schedule.alpha_bar(0.3), formula(0.3), rtol=1e-9)


@pytest.mark.parametrize("schedule, _", ALL, ids=IDS)
def test_sigma_and_time_follow_from_alpha_bar(schedule, _):
    abar = schedule.alpha_bar(TIMES)
    assert abar[0] == 1.0
    assert (np.diff(abar) < 0).all()
    assert_allclose(schedule.sigma(TIMES) ** 2, (1 - abar) / abar, rtol=1e-7, atol=1e-12)
    assert_allclose(schedule.time(schedule.sigma(TIMES[:-1])), TIMES[:-1], atol=1e-9)


def test_published_end_points():
    """KG's code: abar(1) about 1.5e-4, sigma(1) about 80; DDPM: abar after 1000 steps about 4e-5 (theory.md 1)."""
    assert_allclose(CosineSchedule().alpha_bar(1.0), 1.55e-4, rtol=5e-3)
    assert_allclose(CosineSchedule().sigma(1.0), 80.2, rtol=1e-3)
    assert_allclose(LinearSchedule().alpha_bar(1.0), 4.04e-5, rtol=1e-2)
    assert_allclose(EDMSchedule().sigma(1.0), 80.0, rtol=1e-12)


@pytest.mark.parametrize("t", [-0.1, 1.5, math.nan])
def test_times_outside_the_unit_interval_are_refused(t):
    with pytest.raises(ValueError, match=r"t: got .*want times in \[0, 1\]"):
        CosineSchedule().alpha_bar(t)


class Shrinker:
    """A denoiser with a known answer, that keeps what it was called with."""

    def __init__(self):
        self.calls = []

    def denoise(self, x, sigma, **options):
        self.calls.append((sigma, options))
        return x / (1.0 + sigma**2)


@pytest.mark.parametrize("schedule, formula", ALL[:1] + ALL[2:], ids=IDS[:1] + IDS[2:])
@pytest.mark.parametrize("steps", [1, 7])
def test_ddim_agrees_with_its_twin_step_by_step(rng, schedule, formula, steps):
    images = rng.uniform(-1, 1, (6, 1, 4, 3))
    machine, phi = LocalScore(images, 3), rng.normal(size=(2, 1, 4, 3))
    seen = []
    out = ddim(machine, phi, schedule, steps, callback=lambda i, t, p, x0: seen.append(p))
    path = naive.ddim(lambda x, s: machine.denoise(x, s), phi, formula, steps)
    for ours, theirs in zip([*seen[1:], out], path, strict=True):
        assert_allclose(ours, theirs, atol=1e-9)


def test_ddim_of_a_gaussian_follows_the_exact_flow(rng):
    """For x0 ~ N(0, I) the VP flow is the identity, and DDIM converges to it at first order."""
    phi = rng.normal(size=(1, 1, 4, 4))
    errors = [np.abs(ddim(Shrinker(), phi, CosineSchedule(), n) - phi).max() for n in (50, 100, 200)]
    assert_allclose([errors[0] / errors[1], errors[1] / errors[2]], [2.0, 2.0], rtol=0.1)


def test_entry_i_of_the_lists_belongs_to_time_i_plus_one_over_steps(rng):
    machine, steps = Shrinker(), 5
    ddim(machine, rng.normal(size=(1, 1, 2, 2)), CosineSchedule(), steps, patch_sizes=[1, 3, 5, 7, 9],
         strengths=[0.0, 0.1, 0.2, 0.3, 0.4], labels=[2])
    for sigma, options in machine.calls:
        i = round(float(CosineSchedule().time(sigma)) * steps) - 1
        assert options == {"labels": [2], "patch_size": 2 * i + 1, "strength": i / 10}
    assert_allclose(machine.calls[0][0], CosineSchedule().sigma(1.0))


@pytest.mark.parametrize("options, message", [
    ({"steps": 0}, "steps: got 0, want at least 1"),
    ({"steps": 4, "patch_sizes": [3, 3]}, "patch_sizes: got 2 values, want one for each of the 4 steps"),
    ({"steps": 2, "strengths": [0.1]}, "strengths: got 1 values, want one for each of the 2 steps"),
])
def test_ddim_refuses_lists_of_another_length(options, message):
    with pytest.raises(ValueError, match=message):
        ddim(Shrinker(), np.zeros((1, 1, 2, 2)), CosineSchedule(), **options)
