"""Pixels that attend: every machine and rule against its loop twin, its limits, and the options they share."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import theory.engine.evidence
import theory.engine.posterior
from tests import naive
from tests.theory.cases import data, noised
from theory import AttentionScore, EquivariantLocalScore, IdealScore, PairScore
from theory.engine.log_product import log_product

RULES = ("uniform", "identity", "top1", "overlap")
KINDS = {"attention": (AttentionScore, naive.attention, 0.3), "pair": (PairScore, naive.pair, 0.8)}  # with a strength


@pytest.fixture
def images(rng):
    return data(rng, (2, 5, 4), 7)


@pytest.fixture
def x(rng, images):
    return noised(rng, images, 0.5, 3)


def given_rows(rng, P):
    """Rows that sum to 1, some entries 0, the diagonal 0."""
    rows = rng.uniform(size=(P, P)) * (rng.uniform(size=(P, P)) < 0.6)
    np.fill_diagonal(rows, 0.0)
    rows[:, 0] += 1e-3 * (np.arange(P) > 0)
    rows[0, 1] += 1e-3
    return rows / rows.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", [*RULES, "given"])
@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("shape, k", [((3, 4, 2), 3), ((1, 3, 5), 5)], ids=str)
@pytest.mark.parametrize("sigma", [0.02, 0.5, 80.0])
def test_twin(rng, sigma, shape, k, boundary, rule, kind):
    images = data(rng, shape, 6)
    x = noised(rng, images, sigma, 2)
    rule = given_rows(rng, shape[1] * shape[2]) if rule == "given" else rule
    machine, twin, strength = KINDS[kind]
    expected = [twin(v, images, sigma, k, rule, strength, boundary) for v in x]
    got = machine(images, k, boundary, attention=rule, strength=strength).denoise(x, sigma)
    assert_allclose(got, expected, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule, beta", [("identity", 0.3), ("identity", 4.0), ("overlap", 0.3), ("overlap", 4.0)])
def test_twin_at_another_temperature(images, x, kind, rule, beta):
    machine, twin, strength = KINDS[kind]
    expected = [twin(v, images, 1.5, 3, rule, strength, beta=beta) for v in x]
    default = machine(images, 3, attention=rule, strength=strength)
    assert_allclose(default.denoise(x, 1.5, beta=beta), expected, atol=1e-6)
    built = machine(images, 3, attention=rule, strength=strength, beta=beta)
    assert_allclose(built.denoise(x, 1.5), expected, atol=1e-6)
    assert np.abs(default.denoise(x, 1.5) - expected).max() > 1e-4


@pytest.mark.parametrize("rule", ["identity", "overlap"])
def test_a_cold_pixel_attends_to_the_most_similar_and_a_hot_one_to_all(images, x, rule):
    machine = PairScore(images, 3, attention=rule, strength=0.8)
    hot = PairScore(images, 3, attention="uniform", strength=0.8)
    assert_allclose(machine.denoise(x, 2.0, beta=0.0), hot.denoise(x, 2.0), atol=1e-12)
    most = machine.attention_map(x, 2.0).argmax(axis=-1)
    assert_allclose(machine.attention_map(x, 2.0, beta=1e9), np.eye(20)[most], atol=1e-12)
    if rule == "identity":
        cold = PairScore(images, 3, attention="top1", strength=0.8)
        assert_allclose(machine.denoise(x, 2.0, beta=1e9), cold.denoise(x, 2.0), atol=1e-9)


@pytest.mark.parametrize("sigma", [0.02, 0.4, 3.0])
def test_overlap_does_not_see_how_often_an_image_is_in_the_set(images, x, sigma):
    """Copies of all images alike leave every machine as it is; of one image, they change its weight, but no overlap
    of a pair of pixels that gives it none. Inner products of posteriors would fall with every copy."""
    S = naive.evidence(x[0], images, sigma, 3)[0]
    assert_allclose(AttentionScore(np.concatenate([images] * 3), 3, attention="overlap").attention_map(x, sigma),
                    AttentionScore(images, 3, attention="overlap").attention_map(x, sigma), atol=1e-9)
    once, twice = naive.overlap_matrix(S), naive.overlap_matrix(np.concatenate([S, S[:1]]))
    split = naive.overlap_matrix(np.concatenate([S, S[:1]]) - np.log([2, 1, 1, 1, 1, 1, 1, 2])[:, None, None])
    assert_allclose(split, once, atol=1e-12)
    assert sigma < 0.1 or np.abs(twice - once).max() > 1e-6


@pytest.mark.parametrize("rule", RULES)
def test_a_pixel_attends_to_others_only_and_fully(images, x, rule):
    for sigma in (0.01, 0.4, 80.0):
        alpha = AttentionScore(images, 3, attention=rule).attention_map(x, sigma)
        assert_allclose(alpha.sum(axis=-1), 1.0, atol=1e-12)
        assert (alpha >= 0.0).all() and not np.diagonal(alpha, axis1=1, axis2=2).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_a_map_handed_in_is_the_rule(images, x, rule, kind):
    machine, _, strength = KINDS[kind]
    ruled = machine(images, 3, attention=rule, strength=strength)
    alpha = ruled.attention_map(x, 0.4)
    assert_allclose(alpha, [naive.alpha_of(rule, v, images, 0.4, 3, "zeros") for v in x], atol=1e-9)
    given = machine(images, 3, attention=alpha, strength=strength)
    assert_allclose(given.denoise(x, 0.4), ruled.denoise(x, 0.4), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_without_strength_it_is_equivariant_local(images, x, rule, kind):
    machine = KINDS[kind][0](images, 3, attention=rule)
    expected = EquivariantLocalScore(images, 3).denoise(x, 0.4)
    assert_allclose(machine.denoise(x, 0.4), expected, atol=1e-12)
    assert_allclose(machine.denoise(x, 0.4, strength=1e-9), expected, atol=1e-6)


def test_uniform_sharing_at_full_strength_is_the_bag_of_patches_posterior(images, x):
    """lambda = 1: one image guessed by all pixels together, w_i proportional to the product of their evidences."""
    got = AttentionScore(images, 3, strength=1.0).denoise(x, 1.0)
    for b in range(len(x)):
        S, mu = naive.evidence(x[b], images, 1.0, 3)
        expected = naive.softmax_mean(list(S.sum(axis=(1, 2))), mu)
        assert_allclose(got[b], expected, atol=1e-6)


def test_one_attended_pixel_is_shared_and_matched_alike(images, x):
    """An arithmetic and a geometric mean of one thing."""
    sharing, matching = (kind(images, 3, attention="top1", strength=0.6) for kind in (AttentionScore, PairScore))
    assert_allclose(matching.denoise(x, 0.4), sharing.denoise(x, 0.4), atol=1e-9)
    two = np.ascontiguousarray(images[:, :, :1, :2])
    sharing, matching = (kind(two, 3, strength=0.6) for kind in (AttentionScore, PairScore))
    assert_allclose(matching.denoise(x[:, :, :1, :2], 0.4), sharing.denoise(x[:, :, :1, :2], 0.4), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_one_pixel_has_nothing_to_attend_to(rng, kind, rule):
    images, x = rng.uniform(-1, 1, (5, 1, 1, 1)), rng.normal(size=(2, 1, 1, 1))
    machine = KINDS[kind][0](images, 1, attention=rule, strength=0.7)
    assert_allclose(machine.denoise(x, 0.4), IdealScore(images).denoise(x, 0.4), atol=1e-9)
    assert not machine.attention_map(x, 0.4).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["identity", "overlap"])
def test_every_strength_at_once_is_each_by_itself(rng, kind, rule, monkeypatch):
    monkeypatch.setattr(theory.engine.evidence, "EVIDENCE_BYTES", 1)
    images = data(rng, (3, 4, 5), 7)
    x = noised(rng, images, 0.4, 3)
    machine = KINDS[kind][0](images, 3, attention=rule, labels=[0, 1, 0, 1, 0, 1, 1])
    strengths, options = [1.0, 0.0, 0.1, 1.0], {"labels": [0, 1, 1], "patch_size": 5, "beta": 2.0}
    for strength, x0 in zip(strengths, machine.denoise_strengths(x, 0.4, strengths, **options)):
        assert_allclose(x0, machine.denoise(x, 0.4, strength=strength, **options), atol=1e-12)


def test_evidence_of_every_image_in_its_order(rng, monkeypatch):
    monkeypatch.setattr(theory.engine.evidence, "EVIDENCE_BYTES", 1)
    images, labels = data(rng, (2, 4, 3), 70), np.arange(70) % 2
    x = noised(rng, images, 0.5, 3)
    expected = np.array([naive.evidence(v, images, 0.5, 3)[0] for v in x])
    machine = AttentionScore(images, 3, labels=labels)
    assert_allclose(machine.evidence(x, 0.5), expected, atol=1e-9)
    expected[0, labels == 0] = expected[1:, labels == 1] = -np.inf
    assert_allclose(machine.evidence(x, 0.5, labels=[1, 0, 0]), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float64, np.longdouble])
@pytest.mark.parametrize("J", [6, 40])
def test_log_product_where_the_product_underflows(rng, J, dtype):
    a, b = rng.normal(size=(4, J)).astype(dtype), rng.normal(size=(J, 5)).astype(dtype)
    assert_allclose(log_product(a, b), np.log(np.exp(a) @ np.exp(b)), atol=1e-12)
    a[:, : J // 2] -= 2000.0
    b[J // 2 :] -= 3000.0
    b[0] = -np.inf
    expected = [[naive.log_sum_exp([a[i, j] + b[j, k] for j in range(J)]) for k in range(5)] for i in range(4)]
    assert_allclose(log_product(a, b), expected, rtol=1e-13)


def test_log_product_of_terms_that_exclude_each_other():
    a, b = np.array([[0.0, -np.inf], [-1.0, 0.0]]), np.array([[-np.inf, 0.0], [0.0, -2.0]])
    with np.errstate(divide="ignore"):
        assert_allclose(log_product(a, b), np.log(np.exp(a) @ np.exp(b)))


@pytest.mark.parametrize("make", [lambda D: AttentionScore(D, 3, strength=1 / 9),
                                  lambda D: AttentionScore(D, 5, attention="overlap", strength=0.05),
                                  lambda D: PairScore(D, 3, strength=1.0)], ids=["uniform", "overlap", "pair"])
@pytest.mark.parametrize("sigma", [0.02, 0.3, 2.0, 80.0])
def test_evidence_of_a_large_call_in_float32(rng, monkeypatch, make, sigma):
    images = data(rng, (3, 6, 5), 300)
    machine, x = make(images), noised(rng, images[:2], sigma, 2)
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", np.inf)
    double, evidence = machine.denoise(x, sigma), machine.evidence(x, sigma)
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    single = machine.denoise(x, sigma)
    assert_allclose(single, double, atol=1e-4)
    assert sigma < 1.0 or np.abs(single - double).max() > 0, "float32 was not used"
    assert_array_equal(machine.evidence(x, sigma), evidence)


def test_evidence_that_is_added_up_many_times_is_float64(rng, monkeypatch):
    images = data(rng, (1, 6, 6), 100)
    x, bag = noised(rng, images[:1], 1.0, 2), AttentionScore(images, 3, strength=1.0)
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", np.inf)
    double = bag.denoise(x, 1.0)
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    assert_array_equal(bag.denoise(x, 1.0), double)
