import numpy as np
import pytest
from numpy.testing import assert_allclose

from theory import WienerScore


def twin(x, images, sigma, rho):
    """The definition with a dense covariance and a linear solve."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    mean, d = flat.mean(axis=0), flat.shape[1]
    S = sum(np.outer(v - mean, v - mean) for v in flat) / len(flat)
    S = (1 - rho) * S + rho * np.trace(S) / d * np.eye(d)
    gain = S @ np.linalg.inv(S + sigma**2 * np.eye(d))
    return np.stack([(mean + gain @ (v.ravel() - mean)).reshape(v.shape) for v in x])


@pytest.mark.parametrize("N", [5, 200])
@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("sigma", [0.02, 0.5, 80.0])
def test_is_the_wiener_filter(rng, N, rho, sigma):
    images = rng.uniform(-1, 1, (N, 2, 3, 4)).astype(np.float32)
    x = rng.normal(size=(3, 2, 3, 4))
    assert_allclose(WienerScore(images, shrinkage=rho).denoise(x, sigma), twin(x, images, sigma, rho), atol=1e-9)


def test_is_the_posterior_mean_of_a_gaussian(rng):
    """With many Gaussian images of standard deviation s the machine tends to x / (1 + (sigma / s)^2) per pixel."""
    s, x = 0.3, rng.normal(size=(50, 1, 2, 2))
    errors = [np.abs(WienerScore(s * rng.normal(size=(N, 1, 2, 2))).denoise(s * x, 0.7 * s) - s * x / 1.49).max()
              for N in (300, 30000)]
    assert errors[1] < 0.02 * s and errors[1] < 0.4 * errors[0]


def test_shrinkage_is_ledoit_and_wolfs(rng):
    """Much where images are few, little where they are many; and their own estimator in its loop form."""
    few, many = rng.normal(size=(6, 1, 4, 4)), rng.normal(size=(2000, 1, 4, 4)) * np.linspace(0.1, 2, 16).reshape(4, 4)
    few, many = 0.2 * few, 0.2 * many
    for images in (few, many):
        X = images.reshape(len(images), -1)
        X = (X - X.mean(axis=0)).astype(np.float32).astype(np.float64)
        S = X.T @ X / len(X)
        mu = np.trace(S) / 16
        b = sum(((np.outer(v, v) - S) ** 2).sum() for v in X) / len(X) ** 2
        rho = min(1.0, b / ((S - mu * np.eye(16)) ** 2).sum())
        x = rng.normal(size=(2, 1, 4, 4))
        assert_allclose(WienerScore(images).denoise(x, 0.5), twin(x, images.astype(np.float32), 0.5, rho), atol=1e-5)
        assert (rho > 0.3) == (len(images) == 6)


def test_classes_and_leaving_out(rng):
    images, labels = rng.uniform(-1, 1, (40, 1, 3, 3)).astype(np.float32), np.arange(40) % 2
    x = rng.normal(size=(2, 1, 3, 3))
    machine = WienerScore(images, labels=labels)
    assert_allclose(machine.denoise(x, 0.5, labels=1), WienerScore(images[labels == 1]).denoise(x, 0.5), atol=1e-9)
    without = WienerScore(np.delete(images, 7, axis=0)).denoise(x, 0.5)
    assert_allclose(machine.leave_out(x, 0.5, 7), without, atol=1e-9)


def test_one_image_is_its_own_mean(rng):
    images, x = rng.uniform(-1, 1, (1, 1, 3, 3)).astype(np.float32), rng.normal(size=(2, 1, 3, 3))
    assert_allclose(WienerScore(images).denoise(x, 0.5), np.broadcast_to(images, x.shape), atol=1e-9)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.5, np.nan])
def test_shrinkage_outside_its_range_is_refused(shrinkage):
    with pytest.raises(ValueError, match=r"shrinkage: got .*, want None or a number in \[0, 1\]"):
        WienerScore(-np.ones((2, 1, 2, 2)), shrinkage=shrinkage)
