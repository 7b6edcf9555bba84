"""Far from every candidate for the noise: images compete by evidence of 1e14 nats, and weights are shares of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import theory.engine.evidence
from tests import naive
from theory import AttentionScore, ConsensusScore, PairScore

MACHINES = {"attention": (AttentionScore, naive.attention, naive.attention_image_weights),
            "pair": (PairScore, naive.pair, naive.pair_image_weights)}

TWIN = 2.0**-64
"""Of a logit: what the twins, of numpy's longest float, may be off by."""


def training_sets(rng):
    """Images of few values, which tie; the same three times; apart by a millionth."""
    noise = rng.uniform(-1, 1, (3, 1, 3, 3))
    sets = {"coarse": np.round(noise * 2) / 2, "copies": np.repeat(noise[:1], 3, axis=0),
            "near": np.clip(noise[:1] + 1e-6 * noise, -1, 1)}
    return {name: images.astype(np.float32) for name, images in sets.items()}


@pytest.mark.parametrize("sigma", [1e-6, 3e-5, 1e-3])
@pytest.mark.parametrize("case", ["coarse", "copies", "near"])
@pytest.mark.parametrize("name", MACHINES)
def test_weights_are_those_of_loops(rng, name, case, sigma):
    images = training_sets(rng)[case]
    build, twin, image_weights = MACHINES[name]
    exact = images.astype(np.float64)
    x = np.stack([rng.normal(size=exact[0].shape), 0 * exact[0], (exact[0] + exact[1]) / 2, 5 + exact[0]])
    machine = build(images, 3, "zeros", "uniform", 1.0)
    found, x0 = machine.attribute(x, sigma, top=40), machine.denoise(x, sigma)
    for i, query in enumerate(x):
        asked = query, images, sigma, 3, "uniform", 1.0
        logit = 9 * (np.abs(query).max() + 1) ** 2 / (2 * sigma**2)
        assert_allclose(x0[i], twin(*asked), atol=1e-6 + TWIN * logit)
        for a, b in ((0, 0), (1, 1)):
            weights = naive.competition_weights(image_weights, *asked, a, b)
            kept = np.pad([weight for weight, *_ in weights], (0, 40))[:40]
            assert_allclose(found.weight[i, a, b], kept, atol=1e-6 + TWIN * logit)
            assert_allclose(found.entropy[i, a, b], naive.entropy(kept), atol=1e-5 + 4 * TWIN * logit)


def test_evidence_is_as_defined(rng):
    images, x = training_sets(rng)["coarse"], rng.normal(size=(1, 1, 3, 3))
    for sigma in (1e-6, 1e-3, 0.5):
        S, _ = naive.evidence(x[0], images, sigma, 3)
        assert_allclose(AttentionScore(images, 3).evidence(x, sigma)[0], S.astype(np.float64), rtol=1e-12)


@pytest.mark.parametrize("build", [AttentionScore, PairScore, ConsensusScore])
def test_the_parts_of_a_training_set_do_not_matter(rng, monkeypatch, build):
    """A few blocks of images at a time, of which only some are far."""
    images = rng.uniform(-1, 1, (700, 1, 3, 3)).astype(np.float32)
    x = np.stack([rng.normal(size=(1, 3, 3)), images[650].astype(np.float64)])
    machine = build(images, 3, strength=0.5)
    expected = machine.attribute(x, 1e-6, top=5)
    monkeypatch.setattr(theory.engine.evidence, "EVIDENCE_BYTES", 1)
    found = machine.attribute(x, 1e-6, top=5)
    for variable in ("weight", "entropy", "x0"):
        assert_allclose(found[variable], expected[variable], atol=1e-7)
    np.testing.assert_array_equal(found.image, expected.image)
