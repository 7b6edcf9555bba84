import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare.measure import nearest as module
from compare.measure.nearest import nearest


@pytest.mark.parametrize("at_once", [1, 1 << 27])
def test_matches_loops(rng, monkeypatch, at_once):
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    images, training = rng.normal(size=(3, 2, 4, 5)), rng.normal(size=(7, 2, 4, 5)).astype(np.float32)
    index, distance = nearest(images, training)
    for s, image in enumerate(images):
        all_of_them = [float(np.sqrt(np.mean((image - other) ** 2))) for other in training]
        assert index[s] == int(np.argmin(all_of_them))
        assert_allclose(distance[s], min(all_of_them), rtol=1e-6)


def test_a_copy_is_at_distance_0_and_the_first_of_equals_wins(rng):
    training = rng.normal(size=(5, 1, 3, 3)).astype(np.float32)
    training[3] = training[1]
    index, distance = nearest(training, training)
    assert_array_equal(index, [0, 1, 2, 1, 4])
    assert_array_equal(distance, 0.0)
