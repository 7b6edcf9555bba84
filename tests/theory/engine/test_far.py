"""Far from every candidate for the noise: weights that float64 distances would round away, against exact fractions."""

from fractions import Fraction
from math import exp

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.posterior
from tests import naive
from theory import EquivariantLocalScore, EquivariantScore, IdealScore, LocalScore, UserError

BUILT = {"ideal": IdealScore, "equivariant": EquivariantScore, "local": lambda D: LocalScore(D, 3),
         "els": lambda D: EquivariantLocalScore(D, 3), "circular": lambda D: EquivariantLocalScore(D, 3, "circular")}


def exact_distance(x, other):
    return sum((Fraction(float(q)) - Fraction(float(p))) ** 2 for q, p in zip(x.ravel(), other.ravel()))


def exact_candidates(name, x, images, a, b):
    """(distance, values that are averaged) of every candidate of one pixel; values (C,)."""
    _, _, H, W = images.shape
    if name == "ideal":
        return [(exact_distance(x, image), image[:, a, b]) for image in images]
    if name == "equivariant":
        moved = [np.roll(image, (dy, dx), (1, 2)) for image in images for dy in range(H) for dx in range(W)]
        return [(exact_distance(x, image), image[:, a, b]) for image in moved]
    boundary = "circular" if name == "circular" else "zeros"
    padded = lambda image: np.pad(image, ((0, 0), (1, 1), (1, 1)), mode="wrap" if name == "circular" else "constant")
    places = naive.candidates(a, b, H, W, 3, boundary, True, name == "local")
    window = lambda image, y, z: padded(image)[:, y : y + 3, z : z + 3]
    return [(exact_distance(window(x, a, b), window(image, y, z)), image[:, y, z]) for image in images
            for y, z in places]


def exact_posterior(name, x, images, sigma, a, b):
    """Weights, falling, and the mean (C,)."""
    found = exact_candidates(name, x, images, a, b)
    least = min(distance for distance, _ in found)
    weights = np.array([exp(-float((distance - least) / (2 * Fraction(sigma) ** 2))) for distance, _ in found])
    mean = sum(w * v.astype(np.float64) for w, (_, v) in zip(weights, found)) / weights.sum()
    return np.sort(weights / weights.sum())[::-1], mean


def nearly_equal(rng):
    """Images in pairs: the same, and apart by as little as float32 holds."""
    images = np.round(rng.uniform(-1, 1, (6, 1, 3, 3)) * 2) / 2
    images[1] = images[0]
    images[3] = np.where(rng.random(images[2].shape) < 0.3, np.nextafter(images[2], 0, dtype=np.float32), images[2])
    return images.astype(np.float32)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("sigma", [1e-12, 1e-8, 1e-6, 3e-5])
@pytest.mark.parametrize("name", BUILT)
def test_weights_are_exact(rng, monkeypatch, name, sigma, large):
    if large:
        monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    images = nearly_equal(rng)
    x = np.concatenate([0 * images[:1], rng.normal(size=images[:1].shape), (images[:1] + images[2:3]) / 2,
                        1e6 + images[:1]])
    machine = BUILT[name](images)
    for top in (1, 40):
        found = machine.attribute(x, sigma, top=top)
        for i, query in enumerate(x):
            for a, b in ((0, 0), (1, 1)):
                weights, mean = exact_posterior(name, query, images, sigma, a, b)
                here = found.isel(sample=i, y=a, x=b)
                kept = np.pad(weights, (0, top))[:top]
                assert_allclose(here.weight, kept, atol=1e-6)
                assert_allclose(here.x0, mean, atol=1e-6)
                assert_allclose(here.entropy, naive.entropy(weights), atol=1e-5)
                assert_allclose(machine.denoise(x, sigma)[i, :, a, b], mean, atol=1e-6)


@pytest.mark.parametrize("name", ["ideal", "local", "els"])
def test_torch_and_scales_are_exact_too(rng, name):
    pytest.importorskip("torch")
    images, sigma = nearly_equal(rng), 1e-8
    x = np.concatenate([0 * images[:1], rng.normal(size=images[:1].shape)])
    mean = np.array([[exact_posterior(name, query, images, sigma, a, 1)[1] for query in x] for a in range(3)])
    machine = BUILT[name](images)
    assert_allclose(machine.denoise(x, sigma, backend="torch")[..., 1], np.moveaxis(mean, 0, -1), atol=1e-6)
    if name == "local":
        _, scale = machine.denoise_scales(x, sigma, [1, 3])
        assert_allclose(scale[..., 1], np.moveaxis(mean, 0, -1), atol=1e-6)


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_cannot_be_told_apart_is_refused(rng, name, dtype):
    images = nearly_equal(rng)
    x = np.full((1, 1, 3, 3), 1e30 if dtype is np.float64 else 1e15, dtype)
    with pytest.raises(UserError, match="^x: got 1e.* want at most 1e.12 max"):
        BUILT[name](images).denoise(x, 0.5)
    assert np.isfinite(BUILT[name](images).denoise(x, 1e20)).all()
