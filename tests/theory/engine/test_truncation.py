"""The bound that comes with an answer of less than full length holds, and stays within what was asked."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.posterior
from theory import AttentionScore, EquivariantLocalScore, EquivariantScore, IdealScore, LocalScore


def cases(rng):
    """Training images that invite mistakes: random, all the same, one far off, ties on both sides, constant ones."""
    noise = rng.uniform(-1, 1, (40, 1, 6, 5)).astype(np.float32)
    outlier = np.concatenate([0.01 * noise, np.ones_like(noise[:1])])
    signs = np.where(np.arange(40) % 2, 1.0, -1.0).astype(np.float32)[:, None, None, None]
    return {"random": noise, "duplicates": np.repeat(noise[:2], 20, axis=0), "outlier": outlier,
            "ties": np.broadcast_to(signs, noise.shape), "constant": np.full_like(noise, -0.25)}


@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("case", ["random", "duplicates", "outlier", "ties", "constant"])
def test_the_bound_holds(rng, monkeypatch, case, tolerance, single):
    images = cases(rng)[case]
    queries = np.concatenate([images[:2] + 0.2 * rng.normal(size=images[:2].shape), 0 * images[:1], 5 + 0 * images[:1]])
    for machine in (EquivariantLocalScore(images, 3), LocalScore(images, 3), IdealScore(images)):
        for sigma in (0.05, 0.4, 3.0):
            exact = machine.denoise(queries, sigma)
            with monkeypatch.context() as patch:
                if single:
                    patch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
                x0, bound = machine.denoise(queries, sigma, tolerance=tolerance, return_bound=True)
            assert x0.shape == bound.shape == queries.shape
            assert (np.abs(x0 - exact) <= bound).all()
            assert (bound <= tolerance).all()


def test_something_is_left_out(rng):
    """At a generous tolerance the answer differs from the exact one: the bound is not about nothing."""
    images = rng.uniform(-1, 1, (200, 1, 8, 8)).astype(np.float32)
    x = images[:1] + 0.5 * rng.normal(size=(1, 1, 8, 8))
    machine = EquivariantLocalScore(images, 3)
    x0 = machine.denoise(x, 0.5, tolerance=2.0)
    assert 1e-12 < np.abs(x0 - machine.denoise(x, 0.5)).max() <= 2.0


def test_exact_machines_have_a_bound_of_zero(rng):
    images = rng.uniform(-1, 1, (5, 1, 4, 4)).astype(np.float32)
    for machine in (EquivariantScore(images), AttentionScore(images, 3, strength=0.5)):
        x0, bound = machine.denoise(images[:2], 0.3, tolerance=1e-3, return_bound=True)
        assert_allclose(x0, machine.denoise(images[:2], 0.3), atol=1e-15)
        assert not bound.any()
    x0, bound = EquivariantLocalScore(images, 3).denoise(images[:2], 0.3, return_bound=True)
    assert not bound.any()


@pytest.mark.parametrize("tolerance", [0, -1.0, np.nan, np.inf, True, "1e-3"])
def test_bad_tolerance(rng, tolerance):
    images = rng.uniform(-1, 1, (3, 1, 4, 4)).astype(np.float32)
    with pytest.raises(ValueError, match="^tolerance: got .*, want None or a number above 0$"):
        LocalScore(images, 3).denoise(images, 0.3, tolerance=tolerance)


def test_every_strength_at_once_is_each_by_itself(rng):
    images = rng.uniform(-1, 1, (7, 3, 4, 5)).astype(np.float32)
    x = images[:3] + 0.4 * rng.normal(size=(3, 3, 4, 5))
    for attention in ("uniform", "identity", "top1"):
        machine = AttentionScore(images, 3, attention=attention, labels=[0, 1, 0, 1, 0, 1, 1])
        at_once = machine.denoise_strengths(x, 0.4, [0.0, 0.1, 1.0], labels=[0, 1, 1], patch_size=5)
        for strength, x0 in zip([0.0, 0.1, 1.0], at_once):
            assert_allclose(x0, machine.denoise(x, 0.4, labels=[0, 1, 1], patch_size=5, strength=strength), atol=1e-12)
