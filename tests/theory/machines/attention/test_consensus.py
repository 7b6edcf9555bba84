"""Consensus: against its loop twin, every pixel counted once, and its limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests import naive
from tests.theory.cases import data
from theory import ConsensusScore, EquivariantLocalScore, IdealScore
from theory.engine.geometry import equivariant_axis
from theory.machines.attention.consensus import _counted_once


@pytest.fixture
def images(rng):
    return data(rng, (2, 5, 4), 7)


@pytest.fixture
def x(rng, images):
    return images[:3] + 0.7 * rng.normal(size=(3, 2, 5, 4))


def counts(length, k, boundary):
    axis = equivariant_axis(length, k, boundary)
    return _counted_once(tuple(axis.query_index), axis.size)


# By hand: one row of windows, the smallest weights that count each pixel once.
ZEROS = {(2, 3): [0.5, 0.5], (3, 3): [0, 1, 0], (4, 3): [1, 0, 0, 1], (5, 3): [0.5, 0.5, 0, 0.5, 0.5],
         (6, 3): [0, 1, 0, 0, 1, 0], (4, 1): [1, 1, 1, 1]}


@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("shape, k", [((3, 4, 2), 3), ((1, 3, 5), 3), ((1, 3, 4), 5)], ids=str)
@pytest.mark.parametrize("strength", [0.4, 1.0])
@pytest.mark.parametrize("sigma", [0.05, 0.7])
def test_twin(rng, sigma, shape, k, boundary, strength):
    images = data(rng, shape, 4)
    x = images[:2] + sigma * rng.normal(size=(2, *shape))
    along = [[1 / k] * n if boundary == "circular" else ZEROS.get((n, k), counts(n, k, boundary)) for n in shape[1:]]
    expected = [naive.consensus(v, images, sigma, k, strength, np.outer(*along), boundary) for v in x]
    machine = ConsensusScore(images, k, boundary, strength)
    assert_allclose(machine.denoise(x, sigma), expected, atol=1e-6)
    assert_allclose(machine.denoise(x[:1], sigma), expected[:1], atol=1e-6)


@pytest.mark.parametrize("case", ZEROS, ids=str)
def test_small_cases_by_hand(case):
    assert_allclose(counts(*case, "zeros"), ZEROS[case], atol=1e-6)


@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 32])
@pytest.mark.parametrize("k", [1, 3, 5, 9, 41])
def test_every_pixel_counts_once(length, k, boundary):
    c, r = counts(length, k, boundary), k // 2
    assert (c >= 0.0).all()
    for u in range(length):
        if boundary == "circular":
            held = sum(c[(u + d) % length] for d in range(-r, r + 1))
        else:
            held = sum(c[a] for a in range(length) if abs(a - u) <= r)
        assert held == pytest.approx(1.0, abs=1e-6)
    if boundary == "circular":
        assert_allclose(c, 1 / k, atol=1e-6)


def test_without_strength_it_is_equivariant_local(images, x):
    expected = EquivariantLocalScore(images, 3).denoise(x, 0.4)
    assert_allclose(ConsensusScore(images, 3).denoise(x, 0.4), expected, atol=1e-12)
    assert_allclose(ConsensusScore(images, 3).denoise(x, 0.4, strength=1e-9), expected, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 0.7, 3.0])
@pytest.mark.parametrize("k", [5, 7, 41])
def test_windows_that_have_nowhere_else_to_go_agree_on_the_ideal_score(images, x, sigma, k):
    assert_allclose(ConsensusScore(images, k, strength=1.0).denoise(x, sigma), IdealScore(images).denoise(x, sigma),
                    atol=1e-5)


def test_what_it_attends_to(images, x):
    alpha = ConsensusScore(images, 3).attention_map(x, 0.4)  # rows .5 .5 0 .5 .5, columns 1 0 0 1
    expected = np.outer([1, 1, 0, 1, 1], [1, 0, 0, 1]).ravel() * (1 - np.eye(20))
    assert_allclose(alpha, np.broadcast_to(expected / expected.sum(axis=1, keepdims=True), (3, 20, 20)), atol=1e-5)
    alone = ConsensusScore(images[:, :, :3, :3], 3).attention_map(x[:, :, :3, :3], 0.4)
    assert_allclose(alone[:, 4], np.broadcast_to((np.arange(9) != 4) / 8, (3, 9)), atol=1e-5)


def test_options_out_of_range(images, x):
    for strength in (1.1, -0.1):
        with pytest.raises(ValueError, match=f"^strength: got {strength}, want "):
            ConsensusScore(images, 3, strength=strength)
        with pytest.raises(ValueError, match=f"^strength: got {strength}, want "):
            ConsensusScore(images, 3).denoise(x, 0.4, strength=strength)
    with pytest.raises(ValueError, match="^beta: got an option that ConsensusScore has not, want "):
        ConsensusScore(images, 3).denoise(x, 0.4, beta=2.0)
