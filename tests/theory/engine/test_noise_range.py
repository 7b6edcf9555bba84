"""Exact at every noise: sigma from 1e-6 to 1e4, calls of any size, near the training set and far from it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.posterior
from tests import naive
from tests.theory.cases import MACHINES
from theory import EquivariantLocalScore, EquivariantScore, IdealScore, LocalScore

SIGMAS = 1e-6, 1e-5, 3e-4, 2e-3, 0.02, 0.3, 5.0, 1e4
NUMBA_PARTS = [name for name in MACHINES if name != "equivariant"]  # which has an engine of its own


def training_images(rng):
    """Random images, some of them again with changes of a millionth and of a hundredth, and a smooth one."""
    noise = rng.uniform(-1, 1, (5, 1, 5, 4))
    ramp = np.linspace(-0.2, 0.2, 20).reshape(1, 1, 5, 4)
    changed = [noise[:2] + size * rng.normal(size=noise[:2].shape) for size in (1e-6, 1e-2)]
    return np.clip(np.concatenate([noise, *changed, ramp]), -1, 1).astype(np.float32)


def queries(rng, images, sigma):
    """Near the training set, at an image, far from it as pure noise is, at zero, and farther."""
    near = images[:2] + sigma * rng.normal(size=images[:2].shape)
    return np.concatenate([near, images[1:2], rng.normal(size=images[:1].shape), 0 * images[:1], 5 + 0 * images[:1]])


@pytest.fixture
def large(monkeypatch):
    """Make every call a large one."""
    return lambda: monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", NUMBA_PARTS)
def test_large_calls_answer_as_small_ones_do(rng, large, name, sigma):
    images = training_images(rng)
    machine, x = MACHINES[name](images), queries(rng, images, sigma)
    exact, without = machine.denoise(x, sigma), machine.leave_out(x, sigma, 0)
    named = machine.attribute(x, sigma, top=3)
    large()
    assert_allclose(machine.denoise(x, sigma), exact, atol=1e-4)
    assert_allclose(machine.leave_out(x, sigma, 0), without, atol=1e-4)
    found = machine.attribute(x, sigma, top=3)
    assert_allclose(found.x0, exact, atol=1e-4)
    assert_allclose(found.mass, named.mass, atol=1e-4)
    assert_allclose(found.entropy_images, named.entropy_images, atol=2e-3)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_small_calls_are_exact(rng, sigma):
    images = training_images(rng)
    x = queries(rng, images, sigma)
    for local, machine in ((False, EquivariantLocalScore(images, 3)), (True, LocalScore(images, 3))):
        assert_allclose(machine.denoise(x, sigma), [naive.patch_machine(q, images, sigma, 3, local=local) for q in x],
                        atol=1e-6)
    assert_allclose(EquivariantScore(images).denoise(x, sigma), [naive.equivariant(q, images, sigma) for q in x],
                    atol=1e-6)
    assert_allclose(IdealScore(images).denoise(x, sigma), [naive.ideal(q, images, sigma) for q in x], atol=1e-6)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", [name for name in MACHINES if name not in ("overlap", "consensus")])
def test_named_weights_are_shares(rng, name, sigma):
    """Of all candidates the weights sum to 1, and each is as defined, also where logits are 1e14 nats."""
    images = training_images(rng)[:5, :, :4, :3]  # of which no two are so alike that 1e14 nats hide the difference
    x = queries(rng, images, sigma)
    found = MACHINES[name](images).attribute(x, sigma, top=len(images) * 12)
    for q, mass in zip(x, found.mass.values):  # ties are told apart by rounding
        assert_allclose(mass, 1.0, atol=1e-6 + 1e-15 * (1 + q**2).sum() / (2 * sigma**2))
    if name == "els-zeros":
        for i, q in enumerate(x):
            expected = naive.posterior_weights(q, images, sigma, 3, 2, 1)
            weight = found.weight.sel(sample=i, y=2, x=1).values[: len(expected)]
            assert_allclose(weight, [w for w, *_ in expected], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", SIGMAS)
def test_every_scale_in_a_large_call(rng, large, sigma):
    images = training_images(rng)
    machine, x = LocalScore(images, 3), queries(rng, images, sigma)
    exact = machine.denoise_scales(x, sigma, [1, 3, 7])
    large()
    assert_allclose(machine.denoise_scales(x, sigma, [1, 3, 7]), exact, atol=1e-4)


def test_a_call_that_is_large_by_itself():
    """Pure noise on 200 colour images at sigma = 3e-4: float32 logits are off by more than 127 powers of two."""
    images = np.random.default_rng(0).uniform(-1, 1, (200, 3, 16, 16)).astype(np.float32)
    x = np.random.default_rng(1).normal(size=(4, 3, 16, 16))
    machine = EquivariantLocalScore(images, 9, boundary="circular")
    together = machine.denoise(x, 3e-4)
    assert_allclose(together[:1], machine.denoise(x[:1], 3e-4), atol=1e-4)


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("name", ["ideal", "local", "els-zeros", "els-circular", "attention", "pair"])
def test_torch_answers_as_numba_does(rng, name, sigma):
    pytest.importorskip("torch")
    images = training_images(rng)
    machine, x = MACHINES[name](images), queries(rng, images, sigma)
    assert_allclose(machine.denoise(x, sigma, backend="torch"), machine.denoise(x, sigma), atol=1e-4)
    assert_allclose(machine.leave_out(x, sigma, 0, backend="torch"), machine.leave_out(x, sigma, 0), atol=1e-4)


@pytest.mark.parametrize("sigma", [0.05, 0.7, 2.0])
def test_windows_of_thousands_of_pixels_on_smooth_images(rng, large, sigma):
    """Every candidate counts, and each is hundreds of powers of two below 1."""
    slopes = rng.uniform(-0.3, 0.3, (6, 3, 2, 1, 1))
    rows, cols = np.linspace(-1, 1, 20)[:, None], np.linspace(-1, 1, 20)
    images = (slopes[:, :, 0] * rows + slopes[:, :, 1] * cols).astype(np.float32)
    machine = EquivariantLocalScore(images, 19, boundary="circular")
    x = images[:2] + sigma * rng.normal(size=(2, 3, 20, 20))
    exact = machine.denoise(x, sigma)
    large()
    assert_allclose(machine.denoise(x, sigma), exact, atol=1e-4)
