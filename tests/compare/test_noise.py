import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_array_equal

from compare.noise import calibration_samples, evaluation_samples, initial_noise

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


def test_calibration_never_meets_evaluation():
    assert not set(calibration_samples(64)) & set(evaluation_samples(1_000_000))


@pytest.mark.parametrize("call", [
    lambda: initial_noise(-1, [0], SHAPE), lambda: initial_noise(0, [-1], SHAPE),
    lambda: initial_noise(0, [0], (3, 0, 2)), lambda: initial_noise(0, [0], (3, 4)),
    lambda: evaluation_samples(0), lambda: evaluation_samples(1_000_001),
    lambda: calibration_samples(0),
])
def test_bad_input(call):
    with pytest.raises(ValueError, match="got .*want"):
        call()
