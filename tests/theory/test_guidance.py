"""Classifier-free guidance of closed forms and of networks."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from tests.theory.cases import data, noised
from theory import CosineSchedule, Guided, IdealScore, LocalScore, UserError, ddim


class ClassNetwork:
    """A denoiser that is no machine: torch in, torch out, labels optional."""

    def denoise(self, x, sigma, labels=None):
        return 0.5 * x if labels is None else x * torch.as_tensor(labels)[:, None, None, None]


@pytest.fixture
def machine(rng):
    return LocalScore(data(rng, (1, 4, 3), 9), 3, labels=np.arange(9) % 2)


@pytest.mark.parametrize("scale", [-0.5, 0.0, 0.3, 1.0, 4.0])
def test_it_goes_from_the_unconditional_answer_towards_the_class(rng, machine, scale):
    x = rng.normal(size=(2, 1, 4, 3))
    free, of_class = machine.denoise(x, 0.5, patch_size=1), machine.denoise(x, 0.5, labels=[1, 0], patch_size=1)
    got = Guided(machine, scale).denoise(x, 0.5, labels=[1, 0], patch_size=1)
    assert_allclose(got, (1.0 - scale) * free + scale * of_class, atol=1e-12)
    assert_array_equal(Guided(machine, scale).denoise(x, 0.5), machine.denoise(x, 0.5))


def test_networks_are_guided_alike():
    x = torch.ones(2, 1, 2, 2)
    got = Guided(ClassNetwork(), 3.0).denoise(x, 0.5, labels=[1, 2])
    assert_array_equal(got, x * torch.tensor([0.5 + 3 * 0.5, 0.5 + 3 * 1.5])[:, None, None, None])


def test_it_samples(rng):
    images = data(rng, (1, 4, 3), 9)
    machine = IdealScore(images, labels=np.arange(9))
    out = ddim(Guided(machine, 1.0), rng.normal(size=(2, 1, 4, 3)), CosineSchedule(), 10, labels=[4, 7])
    assert_allclose(out, images[[4, 7]], atol=1e-5)


def test_guidance_leaves_the_convex_hull(rng):
    images = np.stack([np.full((1, 2, 2), -0.5), np.full((1, 2, 2), 0.5)])
    x = noised(rng, images, 0.1, 1)
    assert Guided(IdealScore(images, labels=[0, 1]), 4.0).denoise(x + 0.5, 5.0, labels=1).min() > 1.0


def test_what_it_refuses(machine):
    with pytest.raises(UserError, match="denoiser: got int, want an object with denoise"):
        Guided(3, 1.0)
    for scale in (np.nan, "much", True, None):
        with pytest.raises(UserError, match="scale: got .*, want a finite number"):
            Guided(machine, scale)
