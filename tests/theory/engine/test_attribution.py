"""`attribute` against the loop twin's whole posterior, for every machine."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.posterior
from tests import naive
from theory import (
    AttentionScore,
    ConsensusScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    PairScore,
)


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (19, 2, 4, 5)).astype(np.float32)


@pytest.fixture
def x(rng, images):
    return images[:2] + 0.5 * rng.normal(size=(2, 2, 4, 5))


def check(found, b, a, c, expected, top):
    """One pixel of the dataset against [(weight, image, y, x)], all of the posterior."""
    here = found.isel(sample=b, y=a, x=c)
    weights = [w for w, *_ in expected]
    kept = (weights + [0.0] * top)[:top]
    assert_allclose(here.weight, kept, atol=1e-6)
    assert_allclose(here.mass, sum(kept), atol=1e-6)
    assert_allclose(here.entropy, naive.entropy(weights), atol=1e-5)
    assert_allclose(here.n_eff, np.exp(naive.entropy(weights)), rtol=1e-4)
    by_image = [sum(w for w, i, *_ in expected if i == image) for image in {i for _, i, *_ in expected}]
    assert_allclose(here.entropy_images, naive.entropy(by_image), atol=1e-5)
    places = {place: w for w, *place in [(w, *p) for w, *p in expected] for place in [tuple(place)]}
    for r in range(min(top, len(expected))):
        place = int(here.image[r]), int(here.source_y[r]), int(here.source_x[r])
        assert_allclose(places.pop(place), kept[r], atol=1e-6)  # each named once, with its own weight
    assert (here.image[len(expected):] == -1).all()


PIXELS = [(0, 0), (1, 2), (3, 4), (2, 0)]


@pytest.mark.parametrize("sigma", [0.1, 0.5, 20.0])
@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("top", [1, 8, 40])
def test_patch_machines(images, x, sigma, boundary, local, top):
    machine = (LocalScore if local else EquivariantLocalScore)(images, 3, boundary)
    found = machine.attribute(x, sigma, top)
    for b, (a, c) in itertools.product(range(2), PIXELS):
        check(found, b, a, c, naive.posterior_weights(x[b], images, sigma, 3, a, c, boundary, local=local), top)
    assert_allclose(found.x0, machine.denoise(x, sigma), atol=1e-12)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 20.0])
def test_ideal(images, x, sigma):
    found = IdealScore(images).attribute(x, sigma, top=5)
    for b, (a, c) in itertools.product(range(2), PIXELS):
        expected = [(w, i, a, c) for w, i, _, _ in naive.posterior_weights(x[b], images, sigma, 9, 0, 0, local=True)]
        check(found, b, a, c, expected, 5)


@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_equivariant(images, x, sigma):
    images = images[:3]
    found = EquivariantScore(images).attribute(x, sigma, top=7)
    _, H, W = images[0].shape
    for b, (a, c) in itertools.product(range(2), PIXELS):
        shifts = list(itertools.product(range(3), range(H), range(W)))
        moved = [np.roll(images[i], (s, t), (1, 2)) for i, s, t in shifts]
        logits = [-naive.squared_distance(x[b], v) / (2 * sigma**2) for v in moved]
        total = naive.log_sum_exp(logits)
        expected = sorted(((np.exp(l - total), i, (a - s) % H, (c - t) % W) for l, (i, s, t) in zip(logits, shifts)),
                          reverse=True)
        check(found, b, a, c, expected, 7)


@pytest.mark.parametrize("kind, image_weights", [(AttentionScore, naive.attention_image_weights),
                                                 (PairScore, naive.pair_image_weights)])
@pytest.mark.parametrize("rule", ["uniform", "identity", "top1", "overlap"])
@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_images_that_compete(images, x, sigma, rule, kind, image_weights, monkeypatch):
    monkeypatch.setattr(theory.engine.evidence, "EVIDENCE_BYTES", 1)
    machine = kind(images, 3, attention=rule, strength=0.3)
    found = machine.attribute(x, sigma, top=6)
    for b, (a, c) in itertools.product(range(2), PIXELS):
        check(found, b, a, c, naive.competition_weights(image_weights, x[b], images, sigma, 3, rule, 0.3, a, c), 6)
    assert_allclose(found.x0, machine.denoise(x, sigma), atol=1e-12)


def test_the_weighted_sources_are_the_posterior_mean(images, x):
    """Keep everything, and the named training pixels times their weights add up to x0, for every machine."""
    for machine, top in ((IdealScore(images), 19), (LocalScore(images, 3), 19),
                         (EquivariantLocalScore(images, 3), 19 * 6), (AttentionScore(images, 3, strength=0.2), 19 * 6),
                         (PairScore(images, 3, strength=1.0), 19 * 6),
                         (ConsensusScore(images, 3, strength=0.7), 19 * 6),
                         (EquivariantLocalScore(images, 3, "circular"), 19 * 20), (EquivariantScore(images), 19 * 20)):
        found = machine.attribute(x, 0.8, top)
        values = images[found.image, :, found.source_y, found.source_x]  # (B, H, W, K, C); image -1 has weight 0
        rebuilt = (values * found.weight.values[..., None]).sum(axis=3)
        assert_allclose(np.moveaxis(rebuilt, -1, 1), machine.denoise(x, 0.8), atol=1e-5)
        assert_allclose(found.mass, 1.0, atol=1e-6)


def test_float32_scan_names_the_same_patches(images, x, monkeypatch):
    machine = EquivariantLocalScore(np.concatenate([images] * 40) * np.linspace(0.5, 1, 760)[:, None, None, None], 3)
    double = machine.attribute(x, 0.4)
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    single = machine.attribute(x, 0.4)
    for name in ("weight", "entropy", "entropy_images", "mass", "x0"):
        assert_allclose(single[name], double[name], atol=1e-4)
    assert (single.image == double.image).mean() > 0.99


def test_classes(images, x):
    labels = np.arange(19) % 2
    found = EquivariantLocalScore(images, 3, labels=labels).attribute(x, 0.5, labels=[1, 0])
    assert (labels[found.image[0]] == 1).all() and (labels[found.image[1]] == 0).all()


def test_layout(images, x):
    found = EquivariantLocalScore(images, 3).attribute(x, 0.5)
    assert found.weight.dims == ("sample", "y", "x", "rank") and found.sizes["rank"] == 8
    assert (np.diff(found.weight) <= 0).all() and (found.mass <= 1 + 1e-9).all()
    assert all({"long_name", "units"} <= set(found[name].attrs) for name in found.variables)


@pytest.mark.parametrize("top", [0, -1, 1.5, True, 2000])
def test_top_out_of_range_is_refused(images, x, top):
    with pytest.raises(ValueError, match="top: got .*, want an integer from 1 to 1024"):
        IdealScore(images).attribute(x, 0.5, top)
