import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from theory import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    FlowSchedule,
    LinearSchedule,
    OffsetCosineSchedule,
    Schedule,
    UserError,
)

TIMES = [0.0, 1e-3, 0.05, 0.3, 0.5, 0.77, 1.0]


def cosine(t):
    return math.cos(t / 1.008 * math.pi / 2) ** 2


def offset_cosine(t):
    """Nichol & Dhariwal's table, whose last beta is clipped at 0.999, and a geometric step within the last."""
    f = lambda u: math.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    return f(t) / f(0) if t <= 0.999 else f(0.999) / f(0) * 0.001 ** ((t - 0.999) * 1000)


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


def flow(t):
    return (1 - t) ** 2 / ((1 - t) ** 2 + t**2)


def edm(t):
    sigma = (0.002 ** (1 / 7) + t * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7 if t > 0 else 0.0
    return 1 / (1 + sigma**2)


ALL = [(CosineSchedule(), cosine), (OffsetCosineSchedule(), offset_cosine), (LinearSchedule(), linear),
       (ExponentialSchedule(), exponential), (EDMSchedule(), edm), (FlowSchedule(), flow),
       (Schedule.from_alphas_cumprod([linear((i + 1) / 1000) for i in range(1000)]), linear)]
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
    with np.errstate(divide="ignore"):
        assert_allclose(schedule.sigma(TIMES) ** 2, (1 - abar) / abar, rtol=1e-7, atol=1e-12)
    assert_allclose(schedule.time(schedule.sigma(TIMES)), TIMES, atol=1e-9)
    assert schedule.time(schedule.sigma(1.0)) == 1.0
    assert schedule.time(np.inf) == 1.0
    assert schedule.time(0.0) == 0.0


def test_published_end_points():
    """KG's code: abar(1) about 1.5e-4, sigma(1) about 80; DDPM: abar after 1000 steps about 4e-5 (theory.md 1)."""
    assert_allclose(CosineSchedule().alpha_bar(1.0), 1.55e-4, rtol=5e-3)
    assert_allclose(CosineSchedule().sigma(1.0), 80.2, rtol=1e-3)
    assert_allclose(LinearSchedule().alpha_bar(1.0), 4.04e-5, rtol=1e-2)
    assert_allclose(EDMSchedule().sigma(1.0), 80.0, rtol=1e-12)
    assert_allclose(OffsetCosineSchedule().alpha_bar(1.0), 2.4e-9, rtol=0.02)


def test_offset_cosine_is_the_product_of_clipped_betas():
    """improved-diffusion's betas_for_alpha_bar: beta_i = min(1 - f((i + 1) / T) / f(i / T), 0.999)."""
    f = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    product = 1.0
    for i in range(1000):
        product *= 1.0 - min(1.0 - f((i + 1) / 1000) / f(i / 1000), 0.999)
        assert_allclose(OffsetCosineSchedule().alpha_bar((i + 1) / 1000), product, rtol=1e-9)


@pytest.mark.parametrize("steps", [2, 18])
def test_the_grid_of_edm(steps):
    """Karras et al. 2022, eq. 5: sigma_i, i < steps, and sigma_steps = 0."""
    expected = [(80 ** (1 / 7) + i / (steps - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7 for i in range(steps)]
    grid = EDMSchedule().grid(steps)
    assert_allclose(grid, [*expected, 0.0], rtol=1e-9)
    assert grid[-2] == 0.002


def test_a_table_that_ends_in_zero():
    """Zero terminal SNR, as diffusers' rescale_betas_zero_snr makes it: abar(1) = 0, and abar is linear before it."""
    schedule = Schedule.from_alphas_cumprod(np.array([0.9, 0.5, 0.1, 0.0]))
    assert_allclose(schedule.alpha_bar([0.25, 0.5, 0.75, 0.875, 1.0]), [0.9, 0.5, 0.1, 0.05, 0.0])
    assert schedule.sigma(1.0) == np.inf
    assert schedule.time(np.inf) == 1.0
    assert_allclose(schedule.time(schedule.sigma([0.3, 0.75, 0.9])), [0.3, 0.75, 0.9])


@pytest.mark.parametrize("make, message", [
    (lambda: LinearSchedule(beta_end=2.0), "beta_end: got 2.0, want a number in"),
    (lambda: LinearSchedule(beta_start=0.0), "beta_start: got 0.0, want"),
    (lambda: LinearSchedule(train_steps=0), "train_steps: got 0, want"),
    (lambda: CosineSchedule(stretch=0.5), "stretch: got 0.5, want"),
    (lambda: CosineSchedule(stretch="1"), "stretch: got '1', want"),
    (lambda: OffsetCosineSchedule(max_beta=1.0), "max_beta: got 1.0, want"),
    (lambda: OffsetCosineSchedule(offset=-1.0), "offset: got -1.0, want"),
    (lambda: ExponentialSchedule(horizon=math.nan), "horizon: got nan, want"),
    (lambda: EDMSchedule(sigma_min=90.0), "sigma_max: got 80.0, want a number above sigma_min, 90.0"),
    (lambda: EDMSchedule(rho=0.0), "rho: got 0.0, want"),
    (lambda: EDMSchedule().grid(1), "steps: got 1, want"),
    (lambda: Schedule.from_alphas_cumprod([0.5, 0.6]), "alphas_cumprod: got .* not falling"),
    (lambda: Schedule.from_alphas_cumprod([]), "alphas_cumprod: got"),
    (lambda: Schedule.from_alphas_cumprod([0.5, -0.1]), "alphas_cumprod: got"),
    (lambda: Schedule.from_alphas_cumprod([[0.5, 0.1]]), "alphas_cumprod: got shape"),
    (lambda: CosineSchedule().time(math.nan), "sigma: got NaN"),
])
def test_a_schedule_checks_itself(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_tables_are_told_apart_by_their_repr():
    one, other = (Schedule.from_alphas_cumprod([0.9, last]) for last in (0.1, 0.2))
    assert repr(one) == repr(Schedule.from_alphas_cumprod([0.9, 0.1])) != repr(other)


@pytest.mark.parametrize("t", [-0.1, 1.5, math.nan])
def test_times_outside_the_unit_interval_are_refused(t):
    with pytest.raises(ValueError, match=r"t: got .*want times in \[0, 1\]"):
        CosineSchedule().alpha_bar(t)
