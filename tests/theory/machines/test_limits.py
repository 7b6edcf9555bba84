"""What must hold whatever the data: the limits and symmetries of theory.md section 2, and KG's Theorem 4.1."""

import itertools

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.evidence
import theory.engine.posterior
import theory.machines.equivariant
from tests import naive
from tests.theory.cases import MACHINES
from theory import (
    AttentionScore,
    ConsensusScore,
    EDMSchedule,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    PairScore,
    ddim,
)


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (37, 2, 5, 4)).astype(np.float32)


@pytest.fixture
def x(rng):
    return rng.normal(size=(3, 2, 5, 4))


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
@pytest.mark.parametrize("k", [9, 11, 99])
def test_a_window_over_everything_makes_local_ideal(images, x, sigma, k):
    assert_allclose(LocalScore(images, k).denoise(x, sigma), IdealScore(images).denoise(x, sigma), atol=1e-9)


@pytest.mark.parametrize("k", [9, 11])
def test_a_window_over_everything_makes_equivariant_local_ideal(images, x, k):
    assert_allclose(EquivariantLocalScore(images, k).denoise(x, 0.5), IdealScore(images).denoise(x, 0.5), atol=1e-9)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_a_circular_window_over_everything_is_the_equivariant_score(rng, sigma):
    images, x = rng.uniform(-1, 1, (7, 1, 5, 5)).astype(np.float32), rng.normal(size=(2, 1, 5, 5))
    full = EquivariantLocalScore(images, 5, "circular").denoise(x, sigma)
    assert_allclose(full, EquivariantScore(images).denoise(x, sigma), atol=1e-9)


def test_without_noise_to_tell_them_apart_all_candidates_count_alike(images, x):
    mean = images.astype(np.float64).mean(axis=0)
    everywhere = np.broadcast_to(mean.mean(axis=(1, 2), keepdims=True), mean.shape)
    interior = mean.copy()
    interior[:, 1:-1, 1:-1] = mean[:, 1:-1, 1:-1].mean(axis=(1, 2), keepdims=True)
    interior[:, 0, 1:-1] = mean[:, 0, 1:-1].mean(axis=1, keepdims=True)
    interior[:, -1, 1:-1] = mean[:, -1, 1:-1].mean(axis=1, keepdims=True)
    interior[:, 1:-1, 0] = mean[:, 1:-1, 0].mean(axis=1, keepdims=True)
    interior[:, 1:-1, -1] = mean[:, 1:-1, -1].mean(axis=1, keepdims=True)
    for machine, limit in [(IdealScore(images), mean), (LocalScore(images, 3), mean),
                           (EquivariantScore(images), everywhere),
                           (EquivariantLocalScore(images, 3, "circular"), everywhere),
                           (EquivariantLocalScore(images, 3), interior)]:
        assert_allclose(machine.denoise(x, 1e6), np.broadcast_to(limit, x.shape), atol=1e-6)


def test_at_low_noise_each_pixel_takes_its_nearest_candidates_centre(images, x):
    out = EquivariantLocalScore(images, 3).denoise(x, 1e-3)
    for b, a, c in itertools.product(range(3), range(5), range(4)):
        allowed = naive.candidates(a, c, 5, 4, 3, "zeros", True, False)
        places = [(i, y, z) for i in range(len(images)) for y, z in allowed]
        distances = [naive.window_distance(x[b], a, c, images[i], y, z, 3, "zeros") for i, y, z in places]
        i, y, z = places[int(np.argmin(distances))]
        assert_allclose(out[b, :, a, c], images[i, :, y, z], atol=1e-6)
    nearest = ((x[:, None] - images) ** 2).sum(axis=(2, 3, 4)).argmin(axis=1)
    assert_allclose(IdealScore(images).denoise(x, 1e-3), images[nearest], atol=1e-6)


@pytest.mark.parametrize("shift", [(1, 0), (0, 3), (-2, 1)])
def test_circular_machines_commute_with_shifts(images, x, shift):
    for machine in (EquivariantScore(images), EquivariantLocalScore(images, 3, "circular"),
                    EquivariantLocalScore(images, 3, "circular", wrap_training=False),
                    AttentionScore(images, 3, "circular", strength=0.2),
                    AttentionScore(images, 3, "circular", attention="identity", strength=0.2),
                    AttentionScore(images, 3, "circular", attention="overlap", strength=0.2),
                    PairScore(images, 3, "circular", attention="identity", strength=0.7),
                    ConsensusScore(images, 3, "circular", strength=0.7)):
        moved = machine.denoise(np.roll(x, shift, (2, 3)), 0.4)
        assert_allclose(moved, np.roll(machine.denoise(x, 0.4), shift, (2, 3)), atol=1e-9)


def test_boundary_broken_machine_does_not_commute_with_shifts(images, x):
    machine = EquivariantLocalScore(images, 3)
    moved = machine.denoise(np.roll(x, 1, 2), 0.4)
    assert np.abs(moved - np.roll(machine.denoise(x, 0.4), 1, 2)).max() > 0.1


def test_scaling_everything_scales_the_answer(images, x):
    for machine in (IdealScore, EquivariantScore, lambda d: LocalScore(d, 3), lambda d: EquivariantLocalScore(d, 3)):
        doubled = machine(2 * images).denoise(2 * x, 0.8)
        assert_allclose(doubled, 2 * machine(images).denoise(x, 0.4), atol=1e-9)


@pytest.mark.parametrize("name", MACHINES)
def test_order_threads_chunks_and_batch_do_not_matter(rng, x, name, monkeypatch):
    images = rng.uniform(-1, 1, (330, 2, 5, 4)).astype(np.float32)
    x = np.concatenate([x] * 7) + rng.normal(size=(21, 2, 5, 4)) * 0.1
    expected = MACHINES[name](images).denoise(x, 0.3)
    shuffled = MACHINES[name](images[rng.permutation(len(images))]).denoise(x, 0.3)
    assert_allclose(shuffled, expected, atol=1e-9)
    monkeypatch.setattr(theory.engine.posterior, "QUERIES_AT_ONCE", 2)
    monkeypatch.setattr(theory.engine.evidence, "EVIDENCE_BYTES", 1)
    monkeypatch.setattr(theory.machines.equivariant, "ORBIT_BYTES", 1)
    assert_allclose(MACHINES[name](images).denoise(x, 0.3), expected, atol=1e-9)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        atol = 0 if name.startswith("els") else 1e-12
        assert_allclose(MACHINES[name](images).denoise(x, 0.3), expected, rtol=0, atol=atol)
    finally:
        numba.set_num_threads(threads)
    one_by_one = np.concatenate([MACHINES[name](images).denoise(x[b : b + 1], 0.3) for b in range(len(x))])
    assert_allclose(one_by_one, expected, atol=1e-12)


@pytest.mark.parametrize("name", MACHINES)
def test_duplicates_keep_their_weight(images, x, name):
    """Two copies of an image pull twice as hard: the twin counts every copy, and so must we."""
    copies = np.concatenate([images[:3], images[:1], images[:1]])
    twins = {
        "ideal": lambda v: naive.ideal(v, copies, 2.0),
        "equivariant": lambda v: naive.equivariant(v, copies, 2.0),
        "local": lambda v: naive.patch_machine(v, copies, 2.0, 3, local=True),
        "els-zeros": lambda v: naive.patch_machine(v, copies, 2.0, 3),
        "els-circular": lambda v: naive.patch_machine(v, copies, 2.0, 3, "circular"),
        "els-unwrapped": lambda v: naive.patch_machine(v, copies, 2.0, 3, "circular", False),
        "attention": lambda v: naive.attention(v, copies, 2.0, 3, "identity", 0.2),
        "overlap": lambda v: naive.attention(v, copies, 2.0, 3, "overlap", 0.2),
        "pair": lambda v: naive.pair(v, copies, 2.0, 3, "identity", 0.7),
        "consensus": lambda v: naive.consensus(v, copies, 2.0, 3, 0.7, np.outer([0.5, 0.5, 0, 0.5, 0.5], [1, 0, 0, 1])),
    }
    got = MACHINES[name](copies).denoise(x, 2.0)
    assert_allclose(got, [twins[name](v) for v in x], atol=1e-6)
    assert np.abs(got - MACHINES[name](images[:3]).denoise(x, 2.0)).max() > 1e-3


def test_an_image_far_from_everything_has_an_answer(images):
    """Running maximum per output: exponents of -1e9 underflow nowhere."""
    x = np.full((1, 2, 5, 4), 1e3)
    x[0, :, :2] = -1e3
    for machine in (IdealScore(images), LocalScore(images, 3), EquivariantLocalScore(images, 3),
                    AttentionScore(images, 3, strength=0.5), PairScore(images, 3, strength=1.0),
                    AttentionScore(images, 3, attention="overlap", strength=0.5),
                    ConsensusScore(images, 3, strength=1.0)):
        out = machine.denoise(x, 0.02)
        assert np.isfinite(out).all() and np.abs(out).max() <= 1.0


def test_theorem_41_black_and_white(rng):
    """KG's smallest example: D = {all black, all white}, 3 x 3, circular. Every pixel of a converged sample is black or
    white and equals the majority of its own window."""
    images = np.stack([np.full((1, 9, 9), -1.0), np.full((1, 9, 9), 1.0)]).astype(np.float32)
    machine = EquivariantLocalScore(images, 3, "circular")
    out = ddim(machine, rng.normal(size=(4, 1, 9, 9)), EDMSchedule(sigma_min=1e-6), steps=400)
    assert_allclose(np.abs(out), 1.0, atol=1e-4)
    windows = sum(np.roll(out, (dy, dx), (2, 3)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
    assert_allclose(np.sign(windows), out, atol=1e-4)
    assert (np.abs(out.mean(axis=(1, 2, 3))) < 0.99).any(), "a mosaic, not a copy"


def test_theorem_41_converged_samples_are_locally_consistent(rng):
    """At t -> 0 every pixel equals the centre of its nearest candidate; exceptions die out with the last sigma.

    At a finite sigma some pixels still hover between two candidates, so the theorem shows as a limit.
    """
    images = rng.uniform(-1, 1, (4, 1, 6, 6)).astype(np.float32)
    machine = EquivariantLocalScore(images, 3)
    phi = rng.normal(size=(20, 1, 6, 6))
    exceptions = []
    for sigma_min, steps in ((2e-3, 100), (1e-6, 400)):
        out = ddim(machine, phi, EDMSchedule(sigma_min=sigma_min), steps)
        exceptions.append((np.abs(machine.denoise(out, 1e-3) - out) > 1e-3).mean())
    assert exceptions[1] < 0.4 * exceptions[0] < 0.1
