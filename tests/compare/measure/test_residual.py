"""The residual test says what it should of corrections whose answer is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.measure.residual import (
    Products,
    explained,
    interval,
    over_steps,
    products,
    skill,
    slope,
)


@pytest.fixture
def local():
    return np.random.default_rng(0).normal(size=(40, 2, 3, 4))


def correction(seed):
    return np.random.default_rng(seed).normal(size=(40, 2, 3, 4))


def test_a_machine_that_is_the_network_explains_all(local):
    found = products(local + correction(1), local + correction(1), local, 0.5)
    assert_allclose([slope(*found), explained(*found), skill(*found)], 1.0)


def test_half_the_correction_points_right_and_is_too_short(local):
    found = products(local + correction(1), local + 0.5 * correction(1), local, 2.0)
    assert_allclose(slope(*found), 2.0)
    assert_allclose(explained(*found), 1.0)
    assert_allclose(skill(*found), 1.0 - 0.5**2)


def test_the_opposite_correction_explains_nothing_and_does_harm(local):
    found = products(local + correction(1), local - correction(1), local, 1.0)
    assert_allclose([slope(*found), explained(*found), skill(*found)], [-1.0, 0.0, -3.0])


def test_an_orthogonal_part_dilutes_by_its_energy(local):
    y, other = correction(1), correction(2)
    other -= (other * y).sum() / (y * y).sum() * y
    other *= np.sqrt((y * y).sum() / (other * other).sum())
    found = products(local + y, local + y + other, local, 1.0)
    assert_allclose([slope(*found), explained(*found), skill(*found)], [0.5, 0.5, 0.0], atol=1e-12)


def test_els_itself_explains_nothing(local):
    found = products(local + correction(1), local, local, 1.0)
    assert_allclose([slope(*found), explained(*found), skill(*found)], 0.0)


def test_products_are_in_units_of_noise(local):
    one, half = (products(local + correction(1), local + correction(2), local, sigma) for sigma in (1.0, 0.5))
    assert_allclose(half, 4.0 * np.array(one))
    assert_allclose(explained(*half), explained(*one))


def test_products_against_loops(local):
    network, machine = local + correction(1), local + correction(2)
    found = products(network, machine, local, 0.7)
    for i in range(len(local)):
        y = [(a - b) / 0.7 for a, b in zip(network[i].ravel(), local[i].ravel())]
        z = [(a - b) / 0.7 for a, b in zip(machine[i].ravel(), local[i].ravel())]
        expected = [sum(p * q for p, q in zip(u, v)) for u, v in ((y, y), (y, z), (z, z))]
        assert_allclose([found.yy[i], found.yz[i], found.zz[i]], expected)


def test_steps_together_are_weighted_by_how_far_the_network_went(local):
    right = products(local + correction(1), local + correction(1), local, 1.0)
    wrong = products(local + 3.0 * correction(1), local - correction(1), local, 1.0)
    both = Products(*(np.stack(pair) for pair in zip(right, wrong)))
    assert_allclose(over_steps(both, explained), 1.0 / (1.0 + 9.0))


def test_interval_holds_the_estimate_and_narrows_with_images():
    rng = np.random.default_rng(3)

    def found(count):
        local = np.zeros((count, 1, 2, 2))
        y = rng.normal(size=local.shape)
        return products(y, 0.6 * y + rng.normal(size=local.shape), local, 1.0)

    few, many = (interval(found(count), explained, seed=0) for count in (20, 2000))
    for of in (few, many):
        assert of.low < of.estimate < of.high
    assert many.high - many.low < 0.3 * (few.high - few.low)
    assert many.low < 0.36 / 1.36 < many.high
    assert interval(found(50), skill, seed=1) != interval(found(50), skill, seed=2)
