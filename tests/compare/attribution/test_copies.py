"""Copies and mosaics on a small made-up set: smooth random images, some held out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from compare.attribution.copies import (
    COPY,
    MOSAIC,
    NEITHER,
    classify,
    copy_test,
    errors,
    farther_p,
    first_of_near_twins,
    first_of_twins,
    largest_false_rate,
    left_out_errors,
    nearer_p,
    smallest_null,
    sources,
)
from compare.study.sampling import initial_noise
from theory import CosineSchedule, IdealScore, LocalScore, ddim

SIGMA, LEVEL, NULL = 0.1, 0.005, 200


def smooth(rng, count):
    """Two halves with an empty seam of two columns: halves of different images join without a trace."""
    images = gaussian_filter(rng.normal(size=(count, 1, 12, 12)), (0, 0, 1.5, 1.5), mode="wrap")
    images = np.clip(images / images.std() * 0.5, -1, 1).astype(np.float32)
    images[..., 5:7] = 0.0
    return images


@pytest.fixture(scope="module")
def training():
    return smooth(np.random.default_rng(1), 250)


@pytest.fixture(scope="module")
def machines(training):
    return IdealScore(training), LocalScore(training, 3)


@pytest.fixture(scope="module")
def null(training, machines):
    return [left_out_errors(machine, training, np.arange(NULL), SIGMA) for machine in machines]


def judged(machines, null, x):
    return copy_test(x, sources(*machines, x, SIGMA), *null, LEVEL)


@pytest.mark.slow
def test_samples_of_the_ideal_machine_are_copies_of_the_right_image(machines, null, training):
    phi_1 = initial_noise(0, range(100), (1, 12, 12))
    drawn = ddim(machines[0], phi_1, CosineSchedule(), 20)
    found = judged(machines, null, drawn)
    right = ((drawn[:, None] - training) ** 2).sum(axis=(2, 3, 4)).argmin(axis=1)
    assert ((found.verdict == COPY) & (found.nearest[:, 0] == right)).mean() >= 0.99


def test_held_out_images_are_no_copies(machines, null):
    """At level 0.005 about 1 of 150 may be; more than 5 would be one case in thousands."""
    found = judged(machines, null, smooth(np.random.default_rng(2), 150))
    assert (found.verdict == COPY).sum() <= 5
    assert (found.verdict == MOSAIC).mean() > 0.95


def test_mosaics_of_training_patches_and_what_is_neither(machines, null, training):
    halves = training[:50].copy()
    halves[..., 6:] = training[50:100, ..., 6:]
    found = judged(machines, null, halves)
    assert (found.verdict == MOSAIC).mean() > 0.9 and (found.mosaic_p > 0.5).all()
    noise = np.random.default_rng(3).uniform(-1, 1, (20, 1, 12, 12))
    assert (judged(machines, null, noise).verdict == NEITHER).all()


def test_sources_name_the_halves(machines, training):
    """The left half is of image 7, the right half of image 9."""
    x = training[7:8].copy()
    x[..., 6:] = training[9, ..., 6:]
    found = sources(*machines, x, 0.01)
    assert set(found["contributor"][0, :2]) == {7, 9} and found["share"][0, :2].sum() > 0.8
    assert (found["source"][0, :, :6] == 7).all() and (found["source"][0, :, 6:] == 9).all()
    assert_array_equal(found["source_y"][0], np.mgrid[:12, :12][0])
    assert found["nearest"][0, 0] in (7, 9) and found["distinct_images"][0] >= 2


def test_errors_by_hand(machines, training):
    x = smooth(np.random.default_rng(4), 3)
    expected = np.sqrt(((x - machines[1].denoise(x, 0.3)) ** 2).mean(axis=(1, 2, 3)))
    assert_allclose(errors(machines[1], x, 0.3), expected)
    assert_allclose(errors(machines[0], training[:4], 0.01), 0.0, atol=1e-6)
    for machine, kind in zip(machines, (IdealScore, lambda images: LocalScore(images, 3))):
        without = kind(np.delete(training, 5, axis=0)).denoise(training[5:6], 0.3)
        expected = np.sqrt(((training[5] - without) ** 2).mean())
        assert_allclose(left_out_errors(machine, training, [5], 0.3), expected, atol=1e-6)


def test_p_values_count():
    null = np.array([0.4, 0.1, 0.3, 0.2])
    assert_allclose(nearer_p(np.array([0.05, 0.1, 0.25, 9.0]), null), [0.2, 0.4, 0.6, 1.0])
    assert_allclose(farther_p(np.array([0.05, 0.1, 0.25, 9.0]), null), [1.0, 1.0, 0.6, 0.2])


def test_p_values_are_uniform_for_one_more_of_the_null(rng):
    draws = rng.normal(size=(20_000, 20))
    p = np.array([nearer_p(draw[:1], draw[1:])[0] for draw in draws])
    assert_allclose([(p <= level).mean() for level in (0.05, 0.25, 0.5)], [0.05, 0.25, 0.5], atol=0.012)


def test_classes_and_the_smallest_null():
    assert classify(np.array([0.1, 0.1, 0.1, 0.0]), np.array([0.005, 0.006, 0.5, 0.9]),
                    np.array([0.001, 0.9, 0.005, 0.9]), 0.005).tolist() == [COPY, MOSAIC, NEITHER, COPY]
    assert [smallest_null(level) for level in (0.5, 0.005, 0.01, 0.3)] == [1, 199, 99, 3]
    assert nearer_p(np.zeros(1), np.ones(199))[0] <= 0.005 < nearer_p(np.zeros(1), np.ones(198))[0]


def test_twins_count_once(rng):
    images = rng.normal(size=(6, 1, 3, 2)).astype(np.float32)
    images[4], images[5] = images[1], images[1]
    assert first_of_twins(images).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 4, 2), (3, 9, 7)])
def test_near_twins_count_once(rng, shape):
    """Against every pair in a loop: of near twins the first is kept, whatever their contrast."""
    images = rng.uniform(-1, 1, (60, *shape)) * rng.choice([0.02, 0.3, 1.0], size=(60, 1, 1, 1))
    again = images[rng.integers(60, size=60)]
    noise = rng.normal(size=again.shape) * rng.choice([0.002, 0.03, 0.06], size=(60, 1, 1, 1))
    both = np.concatenate([images, again + noise, np.full((2, *shape), 0.3)]).astype(np.float32)
    kept = []
    for i, image in enumerate(both):
        apart = [np.sqrt(np.mean((both[j].astype(float) - image) ** 2)) for j in kept]
        near = [min(0.05, 0.1 * both[j].std(), 0.1 * image.std()) for j in kept]
        if image.std() < 1e-7 or not any(a <= b for a, b in zip(apart, near)):
            kept.append(i)
    assert first_of_near_twins(both).tolist() == kept and 70 < len(kept) < 115


def test_the_level_of_images_left_out_is_stated():
    """Nulls are held against N - 1 images, a sample against N: nearest distances in N = 20 random points, simulated."""
    rng, n, N, level = np.random.default_rng(8), 19, 20, 0.05
    false = 0
    for _ in range(4000):
        points = rng.normal(size=(N + 1, 3))
        apart = np.linalg.norm(points[:, None] - points, axis=-1)
        np.fill_diagonal(apart, np.inf)
        p = nearer_p(apart[:1, 1:].min(axis=1), apart[1 : n + 1, 1:].min(axis=1))
        false += p[0] <= level
    assert false / 4000 <= largest_false_rate(level, n, N) + 0.01
    assert largest_false_rate(0.005, 200, 5000) == pytest.approx(0.0052)
