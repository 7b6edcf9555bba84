"""The derived strength: by loops, its limits and scaling, and as what makes evidence a log-likelihood ratio."""

import numpy as np
import pytest

from theory import derived_strength
from theory.errors import UserError


@pytest.mark.parametrize("shape, k", [((1, 4, 7), 3), ((3, 5, 4), 5), ((2, 3, 3), 9), ((1, 6, 1), 3), ((1, 2, 5), 1)])
def test_by_loops(shape, k):
    images = np.random.default_rng(0).uniform(-1, 1, (4, *shape))
    (_, H, W), r, A, B = shape, k // 2, [], []
    for i in range(4):
        for j in range(4):
            once = twice = 0.0
            for u in range(H):
                for v in range(W):
                    count = sum(abs(u - a) <= r and abs(v - b) <= r for a in range(H) for b in range(W))
                    square = float(((images[i, :, u, v] - images[j, :, u, v]) ** 2).sum())
                    once, twice = once + count * square, twice + count**2 * square
            if i != j:
                A.append(once), B.append(twice)
    for sigma in (0.3, 2.0):
        expected = np.mean(A) / (np.mean(B) + np.var(A) / (4 * sigma**2))
        assert derived_strength(images, k, sigma) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_limits(k):
    images = np.random.default_rng(0).uniform(-1, 1, (6, 2, 5, 7))
    assert derived_strength(images, k, 1e4, "circular") == pytest.approx(1 / k**2)  # each noisy pixel once
    low = derived_strength(images, k, [1e-4, 2e-4])
    assert low[1] == pytest.approx(4 * low[0], rel=1e-6)
    np.testing.assert_allclose(derived_strength(0.5 * images, k, [0.1, 1.0]), derived_strength(images, k, [0.2, 2.0]))


def test_makes_the_evidence_of_all_windows_a_log_likelihood_ratio():
    """E exp(-lambda T) = 1 under the image that is true, for windows that stay where they are."""
    rng, sigma, k = np.random.default_rng(0), 5.0, 3
    pair = rng.uniform(-1, 1, (2, 1, 6, 6))
    delta = pair[0] - pair[1]
    d = delta * (delta + 2 * sigma * rng.standard_normal((200_000, 1, 6, 6))) / (2 * sigma**2)  # of each noisy pixel
    index = np.arange(6)
    held = (np.abs(index[:, None] - index) <= k // 2).sum(axis=0)
    T = (np.outer(held, held) * d).sum(axis=(1, 2, 3))
    assert np.exp(-derived_strength(pair, k, sigma) * T).mean() == pytest.approx(1, abs=0.01)
    assert np.exp(-T).mean() > 1.5


def test_refusals():
    images = np.full((3, 1, 4, 4), -1.0)
    assert np.isnan(derived_strength(images, 3, 1.0))
    for change, message in (({"patch_size": 2}, "patch_size"), ({"boundary": "torus"}, "boundary"),
                            ({"sigma": 0.0}, "sigma"), ({"images": images[:1]}, "images: got one")):
        with pytest.raises(UserError, match=message):
            derived_strength(**({"images": images, "patch_size": 3, "sigma": 1.0} | change))
