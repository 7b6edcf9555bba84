import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_array_equal

from compare.study.sampling import calibration_samples, evaluation_samples, initial_noise, sample_labels

SHAPE = (3, 4, 2)


def test_independent_of_batching_and_order():
    whole = initial_noise(5, range(8), SHAPE)
    assert whole.shape == (8, *SHAPE) and whole.dtype == np.float32
    assert_array_equal(np.concatenate([initial_noise(5, range(3), SHAPE), initial_noise(5, range(3, 8), SHAPE)]), whole)
    assert_array_equal(initial_noise(5, [6, 1], SHAPE), whole[[6, 1]])


def test_seeds_and_samples_differ():
    images = np.concatenate([initial_noise(seed, range(4), SHAPE) for seed in (0, 1, 2**40)])
    assert len({image.tobytes() for image in images}) == 12


def test_standard_normal():
    values = initial_noise(0, range(500), (3, 8, 4)).ravel()
    assert scipy.stats.kstest(values, "norm").pvalue > 1e-3


def test_labels_depend_on_seed_and_index_alone():
    whole = sample_labels(5, range(400), [1, 4, 7])
    assert whole.dtype == np.int64 and whole.shape == (400,)
    assert_array_equal(sample_labels(5, [6, 1], [1, 4, 7]), whole[[6, 1]])
    assert not np.array_equal(sample_labels(6, range(400), [1, 4, 7]), whole)
    counts = [np.sum(whole == label) for label in (1, 4, 7)]
    assert sum(counts) == 400 and scipy.stats.chisquare(counts).pvalue > 1e-3


def test_calibration_never_meets_evaluation():
    assert not set(calibration_samples(64)) & set(evaluation_samples(1_000_000))


@pytest.mark.parametrize("call", [
    lambda: initial_noise(-1, [0], SHAPE), lambda: initial_noise(0, [-1], SHAPE),
    lambda: initial_noise(0, [0], (3, 0, 2)), lambda: initial_noise(0, [0], (3, 4)),
    lambda: evaluation_samples(0), lambda: evaluation_samples(1_000_001),
    lambda: calibration_samples(0), lambda: sample_labels(0, [0], []), lambda: sample_labels(-1, [0], [1]),
    lambda: sample_labels(0, [-1], [1]),
])
def test_bad_input(call):
    with pytest.raises(ValueError, match="got .*want"):
        call()
