"""Log densities along the probability flow, against closed forms."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from tests.theory.cases import data, noised
from theory import AttentionScore, EquivariantLocalScore, IdealScore, UserError, WienerScore, log_likelihood

SIGMAS = np.geomspace(0.1, 50.0, 60)


def test_of_a_gaussian_it_is_the_gaussians(rng):
    images = data(rng, (2, 3, 2), 300) * np.linspace(0.2, 1.0, 12).reshape(2, 3, 2)
    flat = images.astype(np.float32).reshape(300, -1).astype(np.float64)
    x = noised(rng, images, 0.1, 4)
    density = multivariate_normal(flat.mean(axis=0), np.cov(flat.T, bias=True) + 0.01 * np.eye(12))
    found = log_likelihood(WienerScore(images, shrinkage=0.0), x, SIGMAS)
    expected = density.logpdf(x.reshape(4, -1))
    assert_allclose(found.nats, expected, atol=1e-3)
    assert (np.abs(found.nats - expected) <= found.error + 1e-3).all()
    assert_allclose(found.bits_per_dim, -found.nats / 12 / np.log(2.0))


def test_of_a_training_set_it_is_the_mixtures(rng):
    """IdealScore's flow is that of the density (1/N) sum_i N(x; varphi_i, sigma^2)."""
    images = data(rng, (1, 3, 3), 6)
    x = noised(rng, images, 0.3, 3)
    sigmas = np.geomspace(0.3, 50.0, 80)
    d = ((x[:, None] - images) ** 2).sum(axis=(2, 3, 4))
    expected = logsumexp(-d / 0.18, axis=1) - np.log(6) - 9 / 2 * np.log(2 * np.pi * 0.09)
    found = log_likelihood(IdealScore(images), x, sigmas)
    assert_allclose(found.nats, expected, atol=2e-3)


def test_the_error_falls_with_the_fourth_power_of_the_step(rng):
    machine, x = WienerScore(data(rng, (1, 3, 3), 50), shrinkage=0.0), rng.normal(size=(2, 1, 3, 3)) * 0.3
    errors = [log_likelihood(machine, x, np.geomspace(0.1, 50.0, n + 1)).error.max() for n in (32, 64)]
    assert 12.0 < errors[0] / errors[1] < 20.0


def test_kinds_of_input_and_options(rng):
    images, labels = data(rng, (1, 4, 4), 10), np.arange(10) % 2
    machine = EquivariantLocalScore(images, 3, labels=labels)
    x, sigmas = noised(rng, images, 0.5, 2), np.geomspace(0.5, 20.0, 6)
    expected = log_likelihood(EquivariantLocalScore(images[labels == 1], 1), x, sigmas)
    found = log_likelihood(machine, torch.from_numpy(x), sigmas, labels=1, patch_size=1)
    assert found.nats.dtype == np.float64
    assert_allclose(found.nats, expected.nats, atol=1e-9)


@pytest.mark.parametrize("sigmas, want", [([1.0, 2.0], "want .n . 1,. noise levels"), ([0.0, 1.0, 2.0], "above 0"),
                                          ([1.0, 3.0, 2.0], "that increase"), ([1.0, 2.0, np.inf], "finite"),
                                          ("much", "want numbers")])
def test_grids_that_are_refused(rng, sigmas, want):
    with pytest.raises(UserError, match=f"sigmas: got .*{want}"):
        log_likelihood(IdealScore(data(rng, (1, 2, 2))), np.zeros((1, 1, 2, 2)), sigmas)


def test_a_machine_of_no_one_posterior_has_none(rng):
    with pytest.raises(UserError, match="variance: got AttentionScore"):
        log_likelihood(AttentionScore(data(rng, (1, 3, 3)), 3), np.zeros((1, 1, 3, 3)), SIGMAS)
