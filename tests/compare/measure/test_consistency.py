import numpy as np
import pytest

from compare.measure.consistency import chance_rates, flag_names
from compare.result.published import CHANCE_CONSISTENT
from empirical.consistency import flags
from empirical.datasets import load


@pytest.fixture(scope="module")
def training():
    return load("toy", seed=0)


def test_flags_of_training_images_and_of_noise(training):
    found = flags(training.images[:50], training.images, training.layout)
    assert list(found) == list(flag_names(training.layout))
    assert found["consistent"].all() and found["clean"].all() and not found["novel"].any()
    noise = np.random.default_rng(0).uniform(-1, 1, training.images[:50].shape)
    assert flags(noise, training.images, training.layout)["clean"].mean() < 0.1


def test_chance_rates_are_those_of_random_colours(training):
    found = chance_rates(training.images, training.layout, count=20_000)
    exact = CHANCE_CONSISTENT["one-to-one"]
    assert found["consistent"] == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))
    assert found["clean"] == 1.0 and found["consistent and novel"] <= found["consistent"]
