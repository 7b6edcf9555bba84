import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from compare.measure.agreement import agreement


def naive(p, g):
    """One image against one image, in loops: r and R2."""
    p, g = [float(v) for v in p.ravel()], [float(v) for v in g.ravel()]
    mean_p, mean_g = sum(p) / len(p), sum(g) / len(g)
    pp = sum((a - mean_p) ** 2 for a in p)
    gg = sum((b - mean_g) ** 2 for b in g)
    pg = sum((a - mean_p) * (b - mean_g) for a, b in zip(p, g))
    return pg / (pp * gg) ** 0.5, 1.0 - sum((a - b) ** 2 for a, b in zip(p, g)) / gg


@pytest.mark.parametrize("shape", [(1, 3, 4, 2), (5, 1, 3, 7), (2, 3, 1, 2)])
def test_matches_naive_and_scipy(shape):
    rng = np.random.default_rng(1)
    g = rng.normal(size=shape)
    p = 0.6 * g + rng.normal(0.3, 1.0, size=shape)
    got = agreement(p, g)
    for b in range(len(p)):
        r, R2 = naive(p[b], g[b])
        assert_allclose([got.pearson_r[b], got.r2[b], got.R2[b]], [r, r * r, R2], rtol=1e-12)
        assert_allclose(got.pearson_r[b], scipy.stats.pearsonr(p[b].ravel(), g[b].ravel()).statistic, rtol=1e-12)


def test_identity_and_order_of_the_three():
    rng = np.random.default_rng(2)
    g = rng.normal(size=(200, 3, 4, 2))
    p = rng.normal(0, 3, (200, 1, 1, 1)) * g + rng.normal(size=(200, 1, 1, 1)) + rng.normal(size=g.shape)
    r, r2, R2 = agreement(p, g)
    s_p, s_g = p.std((-3, -2, -1)), g.std((-3, -2, -1))
    mean = p.mean((-3, -2, -1)) - g.mean((-3, -2, -1))
    assert_allclose(R2, r**2 - (r - s_p / s_g) ** 2 - (mean / s_g) ** 2, rtol=1e-9, atol=1e-9)
    assert np.all(R2 <= r2 + 1e-12) and np.all(r2 <= np.abs(r))


def test_limits():
    g = np.random.default_rng(3).normal(size=(4, 3, 5, 5))
    assert_allclose(agreement(g, g), 1.0, rtol=1e-12)
    scaled = agreement(2.0 * g + 1.0, g)
    assert_allclose([scaled.pearson_r, scaled.r2], 1.0, rtol=1e-12)
    assert np.all(scaled.R2 < 0.5)
    mean_free = g - g.mean((1, 2, 3), keepdims=True)
    assert_allclose(agreement(-mean_free, mean_free).R2, -3.0, rtol=1e-9)


def test_leading_axes_broadcast():
    rng = np.random.default_rng(4)
    p, g = rng.normal(size=(3, 1, 5, 1, 4, 2)), rng.normal(size=(1, 2, 5, 1, 4, 2))
    got = agreement(p, g)
    assert got.r2.shape == (3, 2, 5)
    assert_allclose(got.R2[2, 1], agreement(p[2, 0], g[0, 1]).R2)


def test_constant_images_are_undefined():
    image = np.random.default_rng(5).normal(size=(3, 4, 2))
    flat = np.full_like(image, 0.1)
    r, r2, R2 = agreement(flat, image)
    assert np.isnan(r) and np.isnan(r2)
    assert_allclose(R2, 1.0 - ((flat - image) ** 2).sum() / ((image - image.mean()) ** 2).sum())
    assert np.all(np.isnan(agreement(image, flat)))
    assert np.all(np.isnan(agreement(flat, flat)))


@pytest.mark.parametrize("p, g, names", [
    (np.ones((2, 3)), np.ones((2, 3)), "predicted"),
    (np.ones((1, 4, 2)), np.ones((1, 2, 4)), "predicted"),
    (np.ones((1, 4, 2)), np.full((1, 4, 2), np.nan), "generated"),
    (np.ones((1, 0, 2)), np.ones((1, 0, 2)), "predicted"),
])
def test_bad_input(p, g, names):
    with pytest.raises(ValueError, match=f"^{names}: got"):
        agreement(p, g)
