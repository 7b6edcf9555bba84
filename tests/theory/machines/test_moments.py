"""Posterior variance, divergence and exact gradients, against twins, finite differences and closed cases."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import theory.engine.posterior
from tests import naive
from tests.theory.cases import data, noised
from theory import (
    AttentionScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    UserError,
    WienerScore,
)
from theory.engine.torch_backend import TorchBackend

TINY = TorchBackend(memory_bytes=3000)
WITH_VARIANCE = {
    "ideal": IdealScore,
    "equivariant": EquivariantScore,
    "wiener": WienerScore,
    "local": lambda images, **o: LocalScore(images, 3, **o),
    "local-circular": lambda images, **o: LocalScore(images, 5, "circular", **o),
    "els-zeros": lambda images, **o: EquivariantLocalScore(images, 3, **o),
    "els-large": lambda images, **o: EquivariantLocalScore(images, 5, **o),
    "els-circular": lambda images, **o: EquivariantLocalScore(images, 3, "circular", **o),
    "els-unwrapped": lambda images, **o: EquivariantLocalScore(images, 3, "circular", wrap_training=False, **o),
}
WITH_GRADIENT = [name for name in WITH_VARIANCE if name != "equivariant"]


@pytest.fixture
def images(rng):
    return data(rng, (2, 5, 4), 11)


@pytest.fixture
def x(rng, images):
    return noised(rng, images, 0.3, 3)


@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("sigma", [0.02, 0.3, 80.0])
def test_variance_is_the_twins(rng, images, sigma, local, boundary):
    x = noised(rng, images, sigma, 2)
    machine = (LocalScore if local else EquivariantLocalScore)(images[:5], 3, boundary)
    expected = [naive.posterior_variance(v, images[:5], sigma, 3, boundary, local=local) for v in x]
    for backend in ("numba", "torch", TINY):
        mean, variance = machine.moments(x, sigma, backend=backend)
        assert_allclose(variance, expected, atol=1e-6)
        assert_allclose(mean, machine.denoise(x, sigma), atol=1e-6)


@pytest.mark.parametrize("name", WITH_VARIANCE)
@pytest.mark.parametrize("sigma", [0.1, 1.0])
def test_variance_is_the_diagonal_of_the_jacobian(rng, images, name, sigma):
    machine, x = WITH_VARIANCE[name](images), noised(rng, images, sigma, 1)
    variance, step = machine.variance(x, sigma), 1e-5 * sigma
    diagonal = np.empty(x.shape)
    for place in np.ndindex(x.shape[1:]):
        direction = np.zeros(x.shape)
        direction[0, *place] = 1.0
        diagonal[0, *place] = naive.directional_derivative(lambda v: machine.denoise(v, sigma), x, direction,
                                                           step)[0, *place]
    assert_allclose(variance / sigma**2, diagonal, atol=1e-5)
    assert_allclose(machine.divergence(x, sigma), [diagonal.sum()], rtol=1e-4, atol=1e-9)


def test_a_sharp_posterior_has_a_small_variance_to_many_digits():
    """Two images 1e-3 apart at sigma = 1e-3: E[v^2] - E[v]^2 in float32 would be noise."""
    images = np.full((2, 1, 3, 3), -0.7, dtype=np.float32)
    images[1] += 1e-3
    middle = images.astype(np.float64).mean(axis=0, keepdims=True)
    half = (images[1].astype(np.float64) - images[0]).mean() / 2.0
    for machine in (IdealScore(images), LocalScore(images, 3), EquivariantLocalScore(images, 3)):
        assert_allclose(machine.variance(middle, 1e-3), np.full((1, 1, 3, 3), half**2), rtol=1e-6)


@pytest.mark.slow
def test_large_calls_have_the_same_variance(rng, monkeypatch):
    images = data(rng, (3, 8, 8), 200)
    for sigma in (0.05, 0.5, 5.0):
        x = noised(rng, images, sigma, 2)
        for machine in (IdealScore(images), LocalScore(images, 5), EquivariantLocalScore(images, 3)):
            expected = machine.variance(x, sigma)
            with monkeypatch.context() as patch:
                patch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
                assert_allclose(machine.variance(x, sigma), expected, atol=1e-5 * sigma**2, rtol=1e-4)


def test_of_a_gaussian_it_is_the_filters(rng):
    """Var = S sigma^2 / (S + sigma^2), whatever x."""
    images = data(rng, (1, 3, 2), 200)
    flat = images.reshape(200, -1).astype(np.float64)
    S = np.cov(flat.T, bias=True)
    expected = np.diag(S @ np.linalg.inv(S + 0.09 * np.eye(6)) * 0.09).reshape(1, 3, 2)
    machine = WienerScore(images, shrinkage=0.0)
    assert_allclose(machine.variance(rng.normal(size=(2, 1, 3, 2)), 0.3), [expected] * 2, atol=1e-12)


def test_options_reach_the_variance(rng, images):
    labels, x = np.arange(11) % 2, noised(rng, images, 0.3, 2)
    machine = EquivariantLocalScore(images, 3, labels=labels)
    sigma = np.array([0.3, 0.5])
    alone = [EquivariantLocalScore(images[labels == c], 5).variance(x[c : c + 1], sigma[c])[0] for c in (0, 1)]
    assert_allclose(machine.variance(x, sigma, labels=[0, 1], patch_size=5), alone, atol=1e-12)
    as_torch = machine.variance(torch.from_numpy(x).float(), 0.3)
    assert as_torch.dtype == torch.float32
    assert_allclose(as_torch, machine.variance(x, 0.3), atol=1e-6)


def test_machines_of_no_one_posterior_say_so(images, x):
    with pytest.raises(UserError, match="variance: got AttentionScore"):
        AttentionScore(images, 3, strength=0.1).variance(x, 0.3)
    with pytest.raises(UserError, match="requires grad for AttentionScore, which has no gradients"):
        AttentionScore(images, 3, strength=0.1).denoise(torch.from_numpy(x).requires_grad_(), 0.3)


def gradient(machine, x, sigma, cotangent, **options):
    """J^T a by autograd."""
    tensor = torch.from_numpy(x).requires_grad_()
    x0 = machine.denoise(tensor, sigma, **options)
    (found,) = torch.autograd.grad(x0, tensor, torch.from_numpy(cotangent))
    return found.numpy()


@pytest.mark.parametrize("name", WITH_GRADIENT)
@pytest.mark.parametrize("sigma", [0.1, 1.0, np.array([0.2, 0.5, 20.0])], ids=str)
def test_gradients_are_those_of_finite_differences(rng, images, name, sigma):
    machine, a = WITH_VARIANCE[name](images), rng.normal(size=(3, 2, 5, 4))
    x = noised(rng, images, 0.2, 3)
    found = gradient(machine, x, sigma, a)
    for backend in ("torch", TINY) if name in ("ideal", "local", "els-zeros", "els-circular") else ():
        assert_allclose(gradient(machine, x, sigma, a, backend=backend), found, atol=2e-4)
    for _ in range(2):
        direction = rng.normal(size=x.shape)
        slope = naive.directional_derivative(lambda v: machine.denoise(v, sigma), x, direction, 1e-6)
        assert_allclose((found * direction).sum(axis=(1, 2, 3)), (slope * a).sum(axis=(1, 2, 3)), atol=1e-5, rtol=1e-5)


def torch_twin(x, images, sigma, k):
    """LS with zeros, plainly, for torch's own autograd: every weight is stored."""
    N, C, H, W = images.shape
    pad = lambda v: torch.nn.functional.pad(v, (k // 2,) * 4)
    rows = []
    for a in range(H):
        for b in range(W):
            window = (..., slice(a, a + k), slice(b, b + k))
            d = ((pad(x)[window][None] - pad(images)[window]) ** 2).sum(dim=(1, 2, 3))
            rows.append(torch.softmax(-d / (2 * sigma**2), 0) @ images[:, :, a, b])
    return torch.stack(rows, dim=-1).reshape(C, H, W)


def test_gradients_are_those_of_torch_through_a_plain_twin(rng, images):
    x, a = noised(rng, images, 0.3, 1), rng.normal(size=(1, 2, 5, 4))
    for machine, k in ((LocalScore(images, 3), 3), (IdealScore(images), 9)):
        tensor = torch.from_numpy(x[0]).requires_grad_()
        torch_twin(tensor, torch.from_numpy(images).double(), 0.3, k).backward(torch.from_numpy(a[0]))
        assert_allclose(gradient(machine, x, 0.3, a)[0], tensor.grad.numpy(), atol=1e-9)


def test_large_calls_have_the_same_gradient(rng, monkeypatch):
    images = data(rng, (3, 8, 8), 200)
    for sigma in (0.05, 0.5, 5.0):
        x, a = noised(rng, images, sigma, 2), rng.normal(size=(2, 3, 8, 8))
        x[1] += 3.0  # far from every candidate
        for machine in (IdealScore(images), LocalScore(images, 5), EquivariantLocalScore(images, 3)):
            expected = gradient(machine, x, sigma, a)
            with monkeypatch.context() as patch:
                patch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
                assert_allclose(gradient(machine, x, sigma, a), expected, atol=1e-4 * max(1.0, np.abs(expected).max()))


def test_classes_patch_sizes_and_leaving_out_reach_the_gradient(rng, images):
    labels, x, a = np.arange(11) % 2, noised(rng, images, 0.3, 2), rng.normal(size=(2, 2, 5, 4))
    machine = EquivariantLocalScore(images, 3, labels=labels)
    of_class = [EquivariantLocalScore(images[labels == c], 5) for c in (0, 1)]
    alone = [gradient(of_class[c], x[c : c + 1], 0.3, a[c : c + 1])[0] for c in (0, 1)]
    assert_allclose(gradient(machine, x, 0.3, a, labels=[0, 1], patch_size=5), alone, atol=1e-9)
    tensor = torch.from_numpy(x).requires_grad_()
    (found,) = torch.autograd.grad(machine.leave_out(tensor, 0.3, 7), tensor, torch.from_numpy(a))
    without = EquivariantLocalScore(np.delete(images, 7, axis=0), 3)
    assert_allclose(found, gradient(without, x, 0.3, a), atol=1e-9)


def test_the_answer_and_the_score_with_a_graph_are_those_without(rng, images):
    machine, x = EquivariantLocalScore(images, 3), torch.from_numpy(noised(rng, images, 0.3, 2)).float()
    asked = x.clone().requires_grad_()
    assert_array_equal(machine.denoise(asked, 0.3).detach(), machine.denoise(x, 0.3))
    assert not machine.denoise(x, 0.3).requires_grad
    score = machine.score(asked, 0.3)
    assert_allclose(score.detach(), machine.score(x, 0.3), atol=1e-5)
    (found,) = torch.autograd.grad(score.sum(), asked)
    (of_x0,) = torch.autograd.grad(machine.denoise(asked, 0.3).sum(), asked)
    assert found.dtype == torch.float32
    assert_allclose(found, (of_x0 - 1.0) / 0.09, atol=1e-4)
    with torch.no_grad():
        assert not machine.denoise(asked, 0.3).requires_grad
    small, _ = LocalScore(images, 3).denoise_scales(asked, 0.3, [1, 3])
    assert small.requires_grad


def test_a_bound_and_a_graph_are_not_to_be_had_together(images, x):
    with pytest.raises(UserError, match="want none, or x.detach"):
        IdealScore(images).denoise(torch.from_numpy(x).requires_grad_(), 0.3, tolerance=1e-3)
