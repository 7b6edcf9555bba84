"""The bound that comes with an answer holds, rounding and dtype included, and stays within what was asked."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.posterior
from tests import naive
from theory import (
    AttentionScore,
    ConsensusScore,
    CovarianceLocalScore,
    EquivariantLocalScore,
    EquivariantScore,
    FilteredScore,
    GaussianMixtureScore,
    Guided,
    IdealScore,
    InnovationScore,
    LocalScore,
    PairScore,
    PatchSetScore,
    SmoothedScore,
    UserError,
    WienerScore,
)


def cases(rng):
    """Training images that invite mistakes: random, all the same, one far off, ties on both sides, constant ones."""
    noise = rng.uniform(-1, 1, (40, 1, 6, 5)).astype(np.float32)
    outlier = np.concatenate([0.01 * noise, np.ones_like(noise[:1])])
    signs = np.where(np.arange(40) % 2, 1.0, -1.0).astype(np.float32)[:, None, None, None]
    return {"random": noise, "duplicates": np.repeat(noise[:2], 20, axis=0), "outlier": outlier,
            "ties": np.broadcast_to(signs, noise.shape), "constant": np.full_like(noise, -0.25)}


@pytest.mark.parametrize("single", [False, True], ids=["float64", "float32"])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("case", ["random", "duplicates", "outlier", "ties", "constant"])
def test_the_bound_holds(rng, monkeypatch, case, tolerance, single):
    images = cases(rng)[case]
    queries = np.concatenate([images[:2] + 0.2 * rng.normal(size=images[:2].shape), 0 * images[:1], 5 + 0 * images[:1]])
    for machine in (EquivariantLocalScore(images, 3), LocalScore(images, 3), IdealScore(images)):
        for sigma in (0.05, 0.4, 3.0):
            exact = machine.denoise(queries, sigma)
            with monkeypatch.context() as patch:
                if single:
                    patch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
                x0, bound = machine.denoise(queries, sigma, tolerance=tolerance, return_bound=True)
                without = machine.denoise(queries, sigma, tolerance=tolerance)
            assert x0.shape == bound.shape == queries.shape
            assert (np.abs(x0 - exact) <= bound).all()
            assert (bound <= tolerance).all()
            assert (np.abs(without - exact) <= tolerance).all()


def test_something_is_left_out(rng):
    """At a generous tolerance the answer differs from the exact one: the bound is not about nothing."""
    images = rng.uniform(-1, 1, (200, 1, 8, 8)).astype(np.float32)
    x = images[:1] + 0.5 * rng.normal(size=(1, 1, 8, 8))
    machine = EquivariantLocalScore(images, 3)
    x0 = machine.denoise(x, 0.5, tolerance=2.0)
    assert 1e-12 < np.abs(x0 - machine.denoise(x, 0.5)).max() <= 2.0


SIGMAS = 1e-6, 1e-4, 0.01, 0.3, 3.0, 1e4
BOUNDED = {
    "els": (lambda images: EquivariantLocalScore(images, 3), lambda x, D, s: naive.patch_machine(x, D, s, 3)),
    "local": (lambda images: LocalScore(images, 3), lambda x, D, s: naive.patch_machine(x, D, s, 3, local=True)),
    "ideal": (IdealScore, naive.ideal),
    "equivariant": (EquivariantScore, naive.equivariant),
    "attention that changes nothing": (lambda images: AttentionScore(images, 3, strength=0.0),
                                       lambda x, D, s: naive.patch_machine(x, D, s, 3)),
}


def near_and_far(rng, sigma):
    """Training images, two of them a millionth apart, and queries near them, at one, half way, and far from all."""
    images = rng.uniform(-1, 1, (4, 1, 4, 3)).astype(np.float32)
    images[1] = np.clip(images[0] + 1e-6 * rng.normal(size=images[0].shape), -1, 1)
    near = images[:1] + sigma * rng.normal(size=images[:1].shape)
    return images, np.concatenate([near, images[2:3], (images[2:3] + images[3:]) / 2, rng.normal(size=(1, 1, 4, 3))])


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", BOUNDED)
def test_the_bound_covers_rounding_and_the_dtype(rng, monkeypatch, name, dtype, sigma):
    """Against loops in float64, for calls of any size, with and without a tolerance."""
    torch = pytest.importorskip("torch")
    images, queries = near_and_far(rng, sigma)
    x = torch.from_numpy(queries).to(getattr(torch, dtype))
    build, twin = BOUNDED[name]
    exact = np.array([twin(q, images, sigma) for q in x.double().numpy()])
    machine = build(images)
    for pairs in (theory.engine.posterior.FLOAT64_PAIRS, 0):
        monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", pairs)
        for tolerance in (None, 0.1):
            x0, bound = machine.denoise(x, sigma, tolerance=tolerance, return_bound=True)
            assert x0.dtype == bound.dtype == x.dtype
            error = np.abs(x0.double().numpy() - exact)
            assert (error <= bound.double().numpy()).all()
            assert bound.max() <= (0.02 if tolerance is None else tolerance)


def test_a_bound_is_small_where_nothing_is_rounded(rng):
    images = rng.uniform(-1, 1, (5, 1, 4, 4)).astype(np.float32)
    for machine in (EquivariantLocalScore(images, 3), IdealScore(images), EquivariantScore(images)):
        _, bound = machine.denoise(images[:2].astype(np.float64), 0.3, return_bound=True)
        assert 0.0 < bound.min() <= bound.max() < 1e-6


@pytest.mark.parametrize("build", [
    lambda images: AttentionScore(images, 3, strength=0.5), lambda images: PairScore(images, 3, strength=0.5),
    lambda images: ConsensusScore(images, 3, strength=0.5), lambda images: InnovationScore(images, 3), WienerScore,
    lambda images: PatchSetScore(images, 3), CovarianceLocalScore, SmoothedScore, GaussianMixtureScore,
    lambda images: FilteredScore(images, np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))),
    lambda images: Guided(IdealScore(images, [0, 1, 0, 1]), 1.0),
], ids=["attention", "pair", "consensus", "innovation", "wiener", "patch set", "covariance", "smoothed", "mixture",
        "filtered", "guided"])
def test_a_machine_without_a_bound_says_so(rng, build):
    machine = build(rng.uniform(-1, 1, (4, 1, 3, 3)).astype(np.float32))
    x = rng.normal(size=(1, 1, 3, 3))
    with pytest.raises(UserError, match="return_bound: got True for .*, which states no bound"):
        machine.denoise(x, 0.5, return_bound=True)
    assert_allclose(machine.denoise(x, 0.5, tolerance=1e-3), machine.denoise(x, 0.5), atol=1e-12)


@pytest.mark.parametrize("stated", [False, True])
def test_a_tolerance_that_the_dtype_cannot_meet(rng, stated):
    images = rng.uniform(-1, 1, (5, 1, 4, 4)).astype(np.float32)
    machine, x = EquivariantLocalScore(images, 3), images[:2].astype(np.float16)
    with pytest.raises(UserError, match="tolerance: got 0.0001, want at least .* in their dtype") as refused:
        machine.denoise(x, 0.05, tolerance=1e-4, return_bound=stated)
    least = float(str(refused.value).split("at least ")[1].split()[0])
    machine.denoise(x, 0.05, tolerance=1.1 * least, return_bound=stated)


@pytest.mark.parametrize("tolerance", [0, -1.0, np.nan, np.inf, True, "1e-3"])
def test_bad_tolerance(rng, tolerance):
    images = rng.uniform(-1, 1, (3, 1, 4, 4)).astype(np.float32)
    with pytest.raises(ValueError, match="^tolerance: got .*, want None or a number above 0$"):
        LocalScore(images, 3).denoise(images, 0.3, tolerance=tolerance)


def test_every_strength_at_once_is_each_by_itself(rng):
    images = rng.uniform(-1, 1, (7, 3, 4, 5)).astype(np.float32)
    x = images[:3] + 0.4 * rng.normal(size=(3, 3, 4, 5))
    for attention in ("uniform", "identity", "top1"):
        machine = AttentionScore(images, 3, attention=attention, labels=[0, 1, 0, 1, 0, 1, 1])
        at_once = machine.denoise_strengths(x, 0.4, [0.0, 0.1, 1.0], labels=[0, 1, 1], patch_size=5)
        for strength, x0 in zip([0.0, 0.1, 1.0], at_once):
            assert_allclose(x0, machine.denoise(x, 0.4, labels=[0, 1, 1], patch_size=5, strength=strength), atol=1e-12)
