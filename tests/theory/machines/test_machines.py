"""Every machine against its float64 loop twin, over noise, window, channels, shape and batch."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.posterior
from tests import naive
from tests.theory.cases import MACHINES, data, noised
from theory import (
    AttentionScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    PairScore,
)

SIGMAS = [0.02, 0.3, 2.0, 80.0]
SHAPES = [(1, 4, 5), (3, 5, 3), (1, 2, 6)]  # C, H, W; the last is narrower than most windows
TOLERANCE = 1e-6  # the contract says 1e-4; images are float32, sums float64


@pytest.mark.parametrize("B", [1, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_ideal(rng, sigma, shape, B):
    images = data(rng, shape, 21)
    x = noised(rng, images, sigma, B)
    assert_allclose(IdealScore(images).denoise(x, sigma), [naive.ideal(v, images, sigma) for v in x], atol=TOLERANCE)


@pytest.mark.parametrize("B", [1, 5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_equivariant(rng, sigma, shape, B):
    images = data(rng, shape, 5)
    x = noised(rng, images, sigma, B)
    expected = [naive.equivariant(v, images, sigma) for v in x]
    assert_allclose(EquivariantScore(images).denoise(x, sigma), expected, atol=TOLERANCE)


@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("k", [1, 3, 5, 13])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_local(rng, sigma, shape, k, boundary):
    images = data(rng, shape, 4)
    x = noised(rng, images, sigma, 2)
    expected = [naive.patch_machine(v, images, sigma, k, boundary, local=True) for v in x]
    assert_allclose(LocalScore(images, k, boundary).denoise(x, sigma), expected, atol=TOLERANCE)


@pytest.mark.parametrize("boundary, wrap", [("zeros", True), ("circular", True), ("circular", False)])
@pytest.mark.parametrize("k", [1, 3, 5, 9])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_equivariant_local(rng, sigma, shape, k, boundary, wrap):
    if not wrap and k > min(shape[1:]):
        with pytest.raises(ValueError, match="patch_size: got"):
            EquivariantLocalScore(data(rng, shape), k, boundary, wrap_training=wrap)
        return
    images = data(rng, shape, 3)
    x = noised(rng, images, sigma, 1)
    expected = [naive.patch_machine(v, images, sigma, k, boundary, wrap) for v in x]
    machine = EquivariantLocalScore(images, k, boundary, wrap_training=wrap)
    assert_allclose(machine.denoise(x, sigma), expected, atol=TOLERANCE)


@pytest.mark.parametrize("k", [7, 17])
def test_large_windows_in_a_larger_image(rng, k):
    """More rows than one band of the window sums, and a window wider than the image."""
    images = data(rng, (1, 12, 9), 2)
    x = noised(rng, images, 0.5, 1)
    expected = [naive.patch_machine(v, images, 0.5, k) for v in x]
    assert_allclose(EquivariantLocalScore(images, k).denoise(x, 0.5), expected, atol=TOLERANCE)


def test_a_noise_level_for_each_query(rng):
    images = data(rng, (1, 4, 4), 6)
    sigma = np.array([0.1, 1.0, 10.0])
    x = rng.normal(size=(3, 1, 4, 4))
    for machine in (IdealScore(images), EquivariantScore(images), LocalScore(images, 3),
                    EquivariantLocalScore(images, 3), AttentionScore(images, 3, strength=0.2),
                    PairScore(images, 3, attention="overlap", strength=0.5)):
        one_by_one = [machine.denoise(x[b : b + 1], float(sigma[b]))[0] for b in range(3)]
        assert_allclose(machine.denoise(x, sigma), one_by_one, atol=1e-12)


def test_score_is_the_step_to_the_posterior_mean(rng):
    images = data(rng, (1, 4, 4), 6)
    x, sigma = rng.normal(size=(2, 1, 4, 4)), np.array([0.5, 2.0])
    machine = EquivariantLocalScore(images, 3)
    expected = (machine.denoise(x, sigma) - x) / sigma[:, None, None, None] ** 2
    assert_allclose(machine.score(x, sigma), expected, atol=1e-12)


@pytest.mark.parametrize("name", MACHINES)
def test_a_class_is_a_machine_of_its_images(rng, name):
    images, labels = data(rng, (1, 4, 4), 40), rng.permutation(np.arange(40) % 3)
    x = rng.normal(size=(4, 1, 4, 4))
    asked = [2, 0, 2, 1]
    got = MACHINES[name](images, labels=labels).denoise(x, 0.7, labels=asked)
    expected = [MACHINES[name](images[labels == c]).denoise(x[b : b + 1], 0.7)[0] for b, c in enumerate(asked)]
    assert_allclose(got, expected, atol=1e-12)
    everything = MACHINES[name](images, labels=labels).denoise(x, 0.7)
    assert_allclose(everything, MACHINES[name](images).denoise(x, 0.7), atol=1e-12)


@pytest.mark.parametrize("name", MACHINES)
def test_leave_out_is_the_machine_without_the_image(rng, name):
    images = data(rng, (1, 4, 4), 18)
    x = noised(rng, images, 0.2, 3)
    for image in (0, 2, 17):
        without = MACHINES[name](np.delete(images, image, axis=0)).denoise(x, 0.2)
        assert_allclose(MACHINES[name](images).leave_out(x, 0.2, image), without, atol=1e-10)


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_torch_in_torch_out(rng, name, dtype):
    torch = pytest.importorskip("torch")
    images = data(rng, (1, 4, 4), 6)
    x = torch.tensor(rng.normal(size=(2, 1, 4, 4))).to(getattr(torch, dtype))
    machine = MACHINES[name](torch.tensor(images))
    got = machine.denoise(x, torch.tensor([0.5, 1.0]))
    assert isinstance(got, torch.Tensor) and got.dtype == x.dtype and got.device == x.device
    expected = MACHINES[name](images).denoise(x.double().numpy(), [0.5, 1.0])
    assert_allclose(got.double(), expected, atol=1e-2 if dtype == "bfloat16" else 1e-6)
    assert MACHINES[name](images).denoise(x.float().numpy(), 0.5).dtype == np.float32


@pytest.fixture
def always_float32(monkeypatch):
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)


@pytest.mark.parametrize("shape, k, boundary", [((1, 9, 8), 3, "zeros"), ((3, 6, 7), 5, "zeros"),
                                                ((1, 7, 7), 7, "circular"), ((1, 12, 5), 9, "zeros")], ids=str)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_float32_windows_are_good_to_1e_4(rng, always_float32, sigma, shape, k, boundary):
    images = data(rng, shape, 3)
    x = noised(rng, images, sigma, 1)
    expected = [naive.patch_machine(v, images, sigma, k, boundary) for v in x]
    assert_allclose(EquivariantLocalScore(images, k, boundary).denoise(x, sigma), expected, atol=1e-4)


@pytest.mark.parametrize("sigma", [0.02, 0.3, 2.0, 80.0])
def test_float32_agrees_with_float64_on_many_images(rng, monkeypatch, sigma):
    """Single sweeps and two-pass sweeps, blocks that matter and blocks that do not, queries on and far off the data."""
    images = data(rng, (1, 8, 8), 700)
    images[350:] *= 0.01  # half of the set is nearly constant
    x = noised(rng, images[340:], sigma, 3)
    x[2] = rng.normal(size=(1, 8, 8))  # at low noise far from every candidate: must be done in float64
    for k in (3, 5, 7):
        machine = EquivariantLocalScore(images, k)
        monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", np.inf)
        double = machine.denoise(x, sigma)
        monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
        single = machine.denoise(x, sigma)
        assert_allclose(single, double, atol=1e-4)
        assert sigma < 0.1 or np.abs(single[:2] - double[:2]).max() > 0, "float32 was not used"
