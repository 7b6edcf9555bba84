import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare.calibrate import calibrate_patch_size, calibrate_strength, trajectory
from compare.noise import calibration_samples, initial_noise
from tests.compare.fakes import Blur, Scheduled
from theory.schedule import CosineSchedule

SCHEDULE = CosineSchedule()
STEPS = 6
PHI = initial_noise(0, calibration_samples(5), (2, 9, 8))


def test_finds_a_constant_patch_size():
    path = trajectory(Blur(patch_size=5), PHI, SCHEDULE, STEPS)
    assert_array_equal(calibrate_patch_size(Blur(), path, [1, 3, 5, 7]).chosen, [5] * STEPS)


def test_finds_every_step_of_a_schedule():
    """Each step has its own k and lambda: an answer shifted by one step would fail."""
    patch_sizes, strengths = [3, 1, 7, 5, 3, 7], [0.0, 0.3, 0.1, 0.0, 0.3, 0.1]
    path = trajectory(Scheduled(Blur(), SCHEDULE, patch_sizes, [0.0] * STEPS), PHI, SCHEDULE, STEPS)
    sizes = calibrate_patch_size(Blur(), path, [1, 3, 5, 7])
    assert_array_equal(sizes.chosen, patch_sizes)
    assert sizes.by_sample.shape == (5, STEPS) and sizes.cosine.shape == (4, 5, STEPS)
    assert_allclose(sizes.cosine.max(axis=0), 1.0, atol=1e-9)

    path = trajectory(Scheduled(Blur(), SCHEDULE, patch_sizes, strengths), PHI, SCHEDULE, STEPS)
    assert_array_equal(calibrate_strength(Blur(), path, [0.0, 0.1, 0.3], patch_sizes).chosen, strengths)


def test_trajectory_is_the_sampler_s_own():
    """Entry i holds t = (i + 1) / steps; the last entry starts from phi_1 itself."""
    path = trajectory(Blur(), PHI, SCHEDULE, STEPS)
    assert_allclose(path.t, np.arange(1, STEPS + 1) / STEPS)
    assert_allclose(path.phi[-1], PHI)
    abar = SCHEDULE.alpha_bar(path.t)
    i = 3
    eps = (path.phi[i] - abar[i] ** 0.5 * path.x0[i]) / (1 - abar[i]) ** 0.5
    assert_allclose(path.phi[i - 1], abar[i - 1] ** 0.5 * path.x0[i] + (1 - abar[i - 1]) ** 0.5 * eps, atol=1e-6)


def test_median_over_seeds_is_a_candidate():
    """Three seeds prefer 1, three prefer 7: the lower middle choice, not their mean."""

    class Split:
        def denoise(self, x, sigma):
            return np.concatenate([Blur(1).denoise(x[:3], sigma), Blur(7).denoise(x[3:], sigma)])

    path = trajectory(Split(), np.concatenate([PHI, PHI[:1]]), SCHEDULE, STEPS)
    got = calibrate_patch_size(Blur(), path, [1, 3, 5, 7])
    assert_array_equal(got.by_sample, np.repeat([[1], [7]], 3, axis=0) * np.ones((1, STEPS), int))
    assert_array_equal(got.chosen, [1] * STEPS)


def test_cosine_is_that_of_the_noise_predictions():
    path = trajectory(Blur(patch_size=5), PHI, SCHEDULE, STEPS)
    got = calibrate_patch_size(Blur(), path, [3])
    i, b = 2, 1
    root = path.alpha_bar[i] ** 0.5
    u = (path.phi[i, b] - root * Blur(3).denoise(path.phi[i] / root, (1 / root**2 - 1) ** 0.5)[b]).ravel()
    v = (path.phi[i, b] - root * path.x0[i, b]).ravel()
    assert_allclose(got.cosine[0, b, i], u @ v / np.sqrt((u @ u) * (v @ v)), rtol=1e-6)


def test_ties_go_to_the_first_candidate():
    path = trajectory(Blur(3, 0.0), PHI, SCHEDULE, STEPS)

    class Indifferent(Blur):
        def denoise(self, x, sigma, patch_size=None, labels=None, strength=None):
            return super().denoise(x, sigma, patch_size=3)

    assert_array_equal(calibrate_strength(Indifferent(), path, [0.0, 0.1], [3] * STEPS).chosen, [0.0] * STEPS)


def test_bad_input():
    path = trajectory(Blur(), PHI, SCHEDULE, STEPS)
    with pytest.raises(ValueError, match="candidates: got none"):
        calibrate_patch_size(Blur(), path, [])
    with pytest.raises(ValueError, match="patch_sizes: got 2 values, want one for each of the 6 steps"):
        calibrate_strength(Blur(), path, [0.0], [3, 3])
