import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare.measure.pointwise import squared_error
from compare.study import fit as calibration
from compare.study.fit import at_patch_sizes, at_strengths, median_choice
from compare.study.sampling import calibration_samples, initial_noise, trajectory
from tests.compare.fakes import Blur, Scheduled
from theory import LocalScore, UserError
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()
STEPS = 6
PHI = initial_noise(0, calibration_samples(5), (2, 9, 8))


def calibrate_patch_size(machine, path, candidates, labels=None):
    losses = [calibration.cosine_distance(path, i, at_patch_sizes(machine, *path.query(i), candidates, labels))
              for i in range(len(path.t))]
    return median_choice(candidates, np.stack(losses, axis=-1))


def calibrate_strength(machine, path, candidates, patch_sizes):
    losses = [calibration.cosine_distance(path, i, at_strengths(machine, *path.query(i), candidates, k))
              for i, k in enumerate(patch_sizes)]
    return median_choice(candidates, np.stack(losses, axis=-1))


def test_finds_a_constant_patch_size():
    path = trajectory(Blur(patch_size=5), PHI, SCHEDULE, STEPS)
    assert_array_equal(calibrate_patch_size(Blur(), path, [1, 3, 5, 7]).chosen, [5] * STEPS)


def test_finds_every_step_of_a_schedule():
    """Each step has its own k and lambda: an answer shifted by one step would fail (entry i is t = (i + 1) / steps)."""
    patch_sizes, strengths = [3, 1, 7, 5, 3, 7], [0.0, 0.3, 0.1, 0.0, 0.3, 0.1]
    path = trajectory(Scheduled(Blur(), SCHEDULE, patch_sizes, [0.0] * STEPS), PHI, SCHEDULE, STEPS)
    sizes = calibrate_patch_size(Blur(), path, [1, 3, 5, 7])
    assert_array_equal(sizes.chosen, patch_sizes)
    assert sizes.by_draw.shape == (5, STEPS) and sizes.loss.shape == (4, 5, STEPS)
    assert_allclose(sizes.loss.min(axis=0), 0.0, atol=1e-9)

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
    x, sigma = path.query(i)
    assert_allclose(sigma, SCHEDULE.sigma((i + 1) / STEPS))
    assert_allclose(Blur().denoise(x, sigma), path.x0[i], atol=1e-5)


def test_labels_reach_network_and_machine():
    """Calibrated with the label that each seed's trajectory was drawn with, the machine is the network exactly."""

    class Labelled(Blur):
        def denoise(self, x, sigma, patch_size=None, labels=None, strength=None):
            return super().denoise(x, sigma, patch_size) + labels[:, None, None, None]

    labels = np.arange(5)
    path = trajectory(Labelled(3), PHI, SCHEDULE, STEPS, labels)
    assert_allclose(calibrate_patch_size(Labelled(), path, [3], labels).loss, 0.0, atol=1e-12)
    assert calibrate_patch_size(Labelled(), path, [3], labels[::-1].copy()).loss.max() > 1e-3


def test_median_over_seeds_is_a_candidate():
    """Three seeds prefer 1, three prefer 7: the lower middle choice, not their mean."""

    class Split:
        def denoise(self, x, sigma):
            return np.concatenate([Blur(1).denoise(x[:3], sigma), Blur(7).denoise(x[3:], sigma)])

    path = trajectory(Split(), np.concatenate([PHI, PHI[:1]]), SCHEDULE, STEPS)
    got = calibrate_patch_size(Blur(), path, [1, 3, 5, 7])
    assert_array_equal(got.by_draw, np.repeat([[1], [7]], 3, axis=0) * np.ones((1, STEPS), int))
    assert_array_equal(got.chosen, [1] * STEPS)


def test_cosine_is_that_of_the_noise_predictions():
    path = trajectory(Blur(patch_size=5), PHI, SCHEDULE, STEPS)
    got = calibrate_patch_size(Blur(), path, [3])
    i, b = 2, 1
    root = path.alpha_bar[i] ** 0.5
    u = (path.phi[i, b] - root * Blur(3).denoise(path.phi[i] / root, (1 / root**2 - 1) ** 0.5)[b]).ravel()
    v = (path.phi[i, b] - root * path.x0[i, b]).ravel()
    assert_allclose(got.loss[0, b, i], 1.0 - u @ v / np.sqrt((u @ u) * (v @ v)), rtol=1e-6)


def test_cosine_distance_resolves_what_one_minus_cosine_cannot():
    """At t = 1 the candidates' eps differ in digits beyond 1 - cos: the nearer one must still win."""
    path = trajectory(Blur(5), 1e4 * PHI, SCHEDULE, 1)
    off = [1e-5, 2e-5]
    distance = calibration.cosine_distance(path, 0, np.stack([path.x0[0] + e * PHI[:, ::-1] for e in off]))
    assert np.all(distance[0] < distance[1]) and np.all(distance[0] > 0.0) and distance[0].max() < 1e-16


def test_squared_error_is_the_mean_over_pixels():
    x0, truth = PHI[None] + np.array([0.5, -2.0])[:, None, None, None, None], PHI
    assert_allclose(squared_error(truth, x0), [[0.25] * 5, [4.0] * 5], rtol=1e-5)


def test_choices_by_mean_and_by_bound():
    """Two draws, three candidates, one step: means .5, .4, .6; each draw's own choice beside them."""
    loss = np.array([[0.1, 0.9], [0.5, 0.3], [0.2, 1.0]])[:, :, None]
    mean = calibration.mean_choice([3, 5, 7], loss)
    assert mean.chosen.tolist() == [5] and mean.by_draw[:, 0].tolist() == [3, 5]
    below = calibration.first_below([3, 5, 7], loss, 0.45)
    assert below.chosen.tolist() == [5] and below.by_draw[:, 0].tolist() == [3, 5]
    assert calibration.first_below([3, 5, 7], loss, 0.0).chosen.tolist() == [7]


@pytest.mark.parametrize("start", range(7))
def test_outwards_finds_what_all_would(rng, start):
    """Three draws with one minimum each, at 1, 2 and 4 of 0..6: tried from `start` to one beyond the outermost ones."""
    minima, tried = np.array([1.0, 2.0, 4.0]), []
    loss = lambda j: tried.append(j) or (j - minima) ** 2
    found = calibration.expanding_search(7, start, loss, lambda losses: losses.argmin(axis=0))
    assert_array_equal(found.argmin(axis=0), minima)
    assert len(tried) == len(set(tried)) and set(tried) == set(range(min(start, 0), max(start, 5) + 1))
    assert all(np.isinf(found[j]).all() for j in range(7) if j not in tried)


def test_outwards_stops_at_the_ends_and_follows_the_preference():
    falling = calibration.expanding_search(4, 0, lambda j: np.array([-float(j)]), lambda losses: losses.argmin(axis=0))
    assert_array_equal(falling[:, 0], [0, -1, -2, -3])
    assert calibration.expanding_search(1, 0, lambda j: np.array([1.0]), lambda losses: [0]).tolist() == [[1.0]]
    by_mean = calibration.expanding_search(9, 4, lambda j: np.array([(j - 4.0) ** 2, (j - 8.0) ** 2 / 9]),
                                   lambda losses: losses.mean(axis=1).argmin())
    assert np.flatnonzero(np.isfinite(by_mean[:, 0])).tolist() == [3, 4, 5]


def test_entropy_is_a_share_of_ln_n(rng):
    """Uniform at high noise (1), one image at low noise (0); a larger window tells images apart sooner."""
    images = rng.uniform(-1, 1, size=(16, 1, 9, 8)).astype(np.float32)
    machine = LocalScore(images, 3)
    x = images[:2].astype(np.float64)
    assert_allclose(calibration.posterior_entropy(machine, x, 1e3, [3, 5], 16), 1.0, atol=1e-3)
    assert_allclose(calibration.posterior_entropy(machine, x, 1e-2, [3, 5], 16), 0.0, atol=1e-6)
    middle = calibration.posterior_entropy(machine, x, 1.0, [1, 3, 5, 9], 16)
    assert middle.shape == (4, 2) and np.all(np.diff(middle.mean(axis=1)) < 0)


def test_entropy_leaves_the_border_out(rng):
    """Only pixels whose window fits count: the corner's smaller window would have raised the mean."""
    images = rng.uniform(-1, 1, size=(16, 1, 6, 7)).astype(np.float32)
    x = images[:1] + rng.normal(size=(1, 1, 6, 7))
    found = LocalScore(images, 5).attribute(x, 1.0, top=1).entropy_images.values[0]
    got = calibration.posterior_entropy(LocalScore(images, 5), x, 1.0, [5], 16)
    assert_allclose(got[0, 0], found[2:4, 2:5].mean() / np.log(16))


def test_ties_go_to_the_first_candidate():
    path = trajectory(Blur(3, 0.0), PHI, SCHEDULE, STEPS)

    class Indifferent(Blur):
        def denoise(self, x, sigma, patch_size=None, labels=None, strength=None):
            return super().denoise(x, sigma, patch_size=3)

    assert_array_equal(calibrate_strength(Indifferent(), path, [0.0, 0.1], [3] * STEPS).chosen, [0.0] * STEPS)


def test_no_candidates_are_refused():
    with pytest.raises(UserError, match="candidates: got none"):
        median_choice([], np.zeros((0, 3, STEPS)))
