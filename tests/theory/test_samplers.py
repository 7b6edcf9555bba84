"""Samplers: exact steps, orders of convergence, and what they refuse."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests import naive
from tests.theory.test_schedules import cosine, edm, exponential, linear
from theory import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    FlowSchedule,
    LinearSchedule,
    LocalScore,
    Schedule,
    UserError,
    WienerScore,
    ddim,
    euler,
    heun,
)

FORMULAS = [(CosineSchedule(), cosine), (LinearSchedule(), linear), (ExponentialSchedule(), exponential),
            (EDMSchedule(), edm)]


class Shrinker:
    """A denoiser with a known answer, that keeps what it was called with."""

    def __init__(self):
        self.calls = []

    def denoise(self, x, sigma, **options):
        self.calls.append((sigma, options))
        return x / (1.0 + sigma**2)


@pytest.mark.parametrize("schedule, formula", FORMULAS, ids=[type(s).__name__ for s, _ in FORMULAS])
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
    ({"steps": 0}, "steps: got 0, want an integer of at least 1"),
    ({"steps": 4, "patch_sizes": [3, 3]}, "patch_sizes: got 2 values, want one for each of the 4 steps"),
    ({"steps": 2, "strengths": [0.1]}, "strengths: got 1 values, want one for each of the 2 steps"),
])
def test_ddim_refuses_lists_of_another_length(options, message):
    with pytest.raises(ValueError, match=message):
        ddim(Shrinker(), np.zeros((1, 1, 2, 2)), CosineSchedule(), **options)


def gaussian(rng):
    """WienerScore of images that are Gaussian to it, and the flow's exact map between two noise levels."""
    images = rng.uniform(-1, 1, (30, 1, 3, 2)).astype(np.float32)
    flat = images.reshape(30, 6).astype(np.float64)
    mean = flat.mean(axis=0)
    variances, axes = np.linalg.eigh((flat - mean).T @ (flat - mean) / 30)

    def exact(x, start, end):
        gain = np.sqrt((variances + end**2) / (variances + start**2))
        return (mean + ((x.reshape(len(x), 6) - mean) @ axes * gain) @ axes.T).reshape(x.shape)

    return WienerScore(images, shrinkage=0.0), exact


@pytest.mark.parametrize("sampler, order", [(euler, 1), (heun, 2)])
def test_order_of_convergence(rng, sampler, order):
    """On Gaussian data, from sigma 3 to 0.1: halving the steps divides the error by 2 and by 4."""
    machine, exact = gaussian(rng)
    x = rng.normal(size=(4, 1, 3, 2)) * 3.0
    errors = [np.abs(sampler(machine, x, np.geomspace(3.0, 0.1, n + 1)) - exact(x, 3.0, 0.1)).max()
              for n in (40, 80, 160)]
    assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0**order, rtol=0.1)


@pytest.mark.parametrize("schedule", [CosineSchedule(), FlowSchedule()], ids=["cosine", "pure noise at t = 1"])
def test_ddim_converges_at_first_order(rng, schedule):
    machine, exact = gaussian(rng)
    phi, start = rng.normal(size=(4, 1, 3, 2)), 1e9 if schedule.alpha_bar(1.0) == 0.0 else schedule.sigma(1.0)
    x = phi * np.sqrt(1.0 + start**2)
    errors = [np.abs(ddim(machine, phi, schedule, n) - exact(x, start, 0.0)).max() for n in (100, 200, 400)]
    assert_allclose(np.divide(errors[:-1], errors[1:]), 2.0, rtol=0.2)


def test_the_last_level_may_be_zero(rng):
    """There the answer is the denoiser's at the level before; EDM's own grid ends so."""
    machine, _ = gaussian(rng)
    x = 80.0 * rng.normal(size=(2, 1, 3, 2))
    for sampler in (euler, heun):
        before = sampler(machine, x, EDMSchedule().grid(20)[:-1])
        assert_allclose(sampler(machine, x, EDMSchedule().grid(20)), machine.denoise(before, 0.002), atol=1e-12)


def test_ddim_begins_at_pure_noise(rng):
    """abar(1) = 0: the first step goes along phi_1 itself, with x0 the denoiser's at infinite noise, D's mean here."""
    machine, _ = gaussian(rng)
    phi, schedule = rng.normal(size=(2, 1, 3, 2)), Schedule.from_alphas_cumprod([0.9, 0.3, 0.0])
    seen = []
    ddim(machine, phi, schedule, 3, callback=lambda i, t, phi, x0: seen.append((phi, x0)))
    (first, x0), (second, _), _ = seen
    mean = machine.denoise(0 * phi, 1e9)
    assert_allclose(x0, mean, atol=1e-5)
    assert_allclose(second, 0.3**0.5 * x0 + 0.7**0.5 * first, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_any_float_goes_in_and_comes_out(rng, dtype):
    torch = pytest.importorskip("torch")
    machine, _ = gaussian(rng)
    x = torch.from_numpy(rng.normal(size=(2, 1, 3, 2))).to(getattr(torch, dtype))
    schedule = Schedule.from_alphas_cumprod([0.5, 1e-9])
    for sample in (lambda x: ddim(machine, x, schedule, 2), lambda x: heun(machine, x, [1.0, 0.5])):
        out = sample(x)
        assert out.dtype == x.dtype
        assert_allclose(out.double(), sample(x.double()), atol=0.02 if "16" in dtype else 1e-4)


class Rising:
    def alpha_bar(self, t):
        return np.asarray(t)


NOISE = np.zeros((1, 1, 2, 2))


@pytest.mark.parametrize("call, message", [
    (lambda: ddim(Shrinker(), NOISE, CosineSchedule(), 2.5), "steps: got 2.5, want an integer"),
    (lambda: ddim(Shrinker(), NOISE.astype(int), CosineSchedule()), "phi_1: got dtype int64, want floats"),
    (lambda: ddim(Shrinker(), NOISE[0], CosineSchedule()), r"phi_1: got shape \(1, 2, 2\), want"),
    (lambda: ddim(Shrinker(), NOISE + np.nan, CosineSchedule()), "phi_1: got .* values that are NaN"),
    (lambda: ddim(Shrinker(), NOISE, Rising(), 2), "schedule: got alpha_bar.* want .* falling"),
    (lambda: ddim(Shrinker(), NOISE, "cosine", 2), "schedule: got str, want one with alpha_bar"),
    (lambda: ddim(Shrinker(), NOISE, CosineSchedule(), 2, callback=1), "callback: got 1, want a function"),
    (lambda: ddim(Shrinker(), NOISE, CosineSchedule(), 2, patch_sizes=[3, 4]), "patch_sizes: got 4, want an odd"),
    (lambda: ddim(lambda x: x, NOISE, CosineSchedule(), 2), "machine: got function, want an object with denoise"),
    (lambda: euler(Shrinker(), NOISE, [1.0]), "sigmas: got shape"),
    (lambda: euler(Shrinker(), NOISE, [0.5, 1.0]), "sigmas: got .* want finite noise levels that fall"),
    (lambda: heun(Shrinker(), NOISE, [1.0, 0.0, -1.0]), "sigmas: got"),
    (lambda: heun(Shrinker(), NOISE, [np.inf, 1.0]), "sigmas: got"),
    (lambda: heun(Shrinker(), NOISE[0, 0], [1.0, 0.0]), "x: got shape"),
])
def test_what_is_refused(call, message):
    with pytest.raises(UserError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
