"""The field's other denoisers: twins, limits, symmetries, classes and leaving out, on one engine."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import theory
import theory.engine.filters
import theory.engine.posterior
from tests import naive
from tests.theory.cases import data, noised
from theory import (
    CovarianceLocalScore,
    EquivariantScore,
    FilteredScore,
    GaussianMixtureScore,
    IdealScore,
    LocalScore,
    PatchSetScore,
    SmoothedScore,
    UserError,
    WienerScore,
)
from theory.engine.scan_options import ScanOptions

SHAPE = (2, 5, 4)
MASKS = (np.random.default_rng(5).random((6, *SHAPE)) < 0.5).astype(float)
MASKS[0] = 1.0
QUERY, RESPONSE = np.random.default_rng(6).random((2, 4, *SHAPE))
ZOO = {
    "patch-set": lambda images, **o: PatchSetScore(images, 3, **o),
    "patch-set-even": lambda images, **o: PatchSetScore(images, 2, **o),
    "patch-set-masks": lambda images, **o: PatchSetScore(images, masks=MASKS, **o),
    "covariance-local": lambda images, **o: CovarianceLocalScore(images, 0.3, **o),
    "smoothed": lambda images, **o: SmoothedScore(images, draws=3, scale=0.2, seed=4, **o),
    "filtered": lambda images, **o: FilteredScore(images, QUERY, RESPONSE, **o),
    "filtered-translates": lambda images, **o: FilteredScore(images, QUERY[:2], RESPONSE[:2], "translates", **o),
    "mixture": lambda images, **o: GaussianMixtureScore(images, 3, seed=1, **o),
    "mixture-rank": lambda images, **o: GaussianMixtureScore(images, 3, rank=2, **o),
}


def twin(name, x, images, sigma):
    """The loop-only form of the machine of that name."""
    if name.startswith("mixture"):
        return moments_of_mixture(name, x, images, sigma)[0]
    return {
        "patch-set": lambda: naive.patch_set(x, images, sigma, naive.squares(SHAPE, 3)),
        "patch-set-even": lambda: naive.patch_set(x, images, sigma, naive.squares(SHAPE, 2)),
        "patch-set-masks": lambda: naive.patch_set(x, images, sigma, MASKS),
        "covariance-local": lambda: naive.covariance_local(x, images, sigma, 0.3),
        "smoothed": lambda: naive.smoothed(x, images, sigma, np.random.default_rng(4).normal(size=(3, *SHAPE)), 0.2),
        "filtered": lambda: naive.filtered(x, images, sigma, QUERY, RESPONSE),
        "filtered-translates": lambda: naive.filtered(x, naive.translates(images), sigma, QUERY[:2], RESPONSE[:2]),
    }[name]()


def moments_of_mixture(name, x, images, sigma):
    """The twin for the machine's own components, their low rank written out."""
    machine = ZOO[name](images)
    logs, gaussians = machine._mixture(ScanOptions(machine._bank.blocks_of(), None))
    d = images[0].size
    covariances = [g.axes.T * (g.variances - g.floor) @ g.axes + g.floor * np.eye(d) for g in gaussians]
    return naive.gaussian_mixture(x, sigma, np.exp(logs), [g.mean for g in gaussians], covariances)


@pytest.fixture
def images(rng):
    return data(rng, SHAPE, 23)


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("sigma", [0.02, 0.3, 2.0, 80.0])
def test_twins(rng, images, name, sigma, monkeypatch):
    x = noised(rng, images, sigma, 2)
    expected = [twin(name, v, images, sigma) for v in x]
    assert_allclose(ZOO[name](images).denoise(x, sigma), expected, atol=1e-6)
    monkeypatch.setattr(theory.engine.filters, "PART_BYTES", 1)
    each = [ZOO[name](images).denoise(x[b : b + 1], np.array([sigma]))[0] for b in range(2)]
    assert_allclose(each, expected, atol=1e-6)


@pytest.mark.parametrize("name", ZOO)
def test_far_from_everything_there_is_an_answer(images, name):
    out = ZOO[name](images).denoise(np.full((1, *SHAPE), 1e3), 0.02)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("name", ZOO)
def test_classes_and_leaving_out(rng, images, name):
    labels, x = np.arange(23) % 2, noised(rng, images, 0.5, 2)
    machine = ZOO[name](images, labels=labels)
    alone = [ZOO[name](images[labels == c]).denoise(x[c : c + 1], 0.5)[0] for c in (0, 1)]
    assert_allclose(machine.denoise(x, 0.5, labels=[0, 1]), alone, atol=1e-9)
    without = ZOO[name](np.delete(images, 7, axis=0)).denoise(x, 0.5)
    assert_allclose(ZOO[name](images).leave_out(x, 0.5, image=7), without, atol=1e-9)


@pytest.mark.parametrize("name", ZOO)
def test_a_pickle_and_a_repr_are_the_machine(rng, images, name):
    machine, x = ZOO[name](images), noised(rng, images, 0.5, 1)
    expected = machine.denoise(x, 0.5)
    assert_allclose(pickle.loads(pickle.dumps(machine)).denoise(x, 0.5), expected, rtol=0)
    names = {"images": images, "masks": MASKS, "query": machine.__dict__.get("query"),
             "response": machine.__dict__.get("response")}
    again = eval(repr(machine), vars(theory) | names)
    assert repr(again) == repr(machine)
    assert_allclose(again.denoise(x, 0.5), expected, rtol=0)


@pytest.mark.parametrize("name", ["patch-set", "patch-set-even", "covariance-local"])
def test_mirror_images_in_mirror_images_out(rng, images, name):
    x = noised(rng, images, 0.5, 1)
    mirrored = ZOO[name](images[..., ::-1]).denoise(x[..., ::-1], 0.5)
    assert_allclose(mirrored[..., ::-1], ZOO[name](images).denoise(x, 0.5), atol=1e-9)


def test_torch_answers_squares_too(rng, images):
    x = torch.from_numpy(noised(rng, images, 0.5, 3)).float()
    machine = PatchSetScore(images, 3)
    for backend in ("torch", "numba"):
        out = machine.denoise(x, 0.5, backend=backend)
        assert out.dtype == torch.float32
        assert_allclose(out, machine.denoise(x.numpy().astype(np.float64), 0.5), atol=5e-5)


@pytest.mark.slow
def test_large_calls_of_squares_are_the_same(rng, monkeypatch):
    images = data(rng, (3, 8, 7), 200)
    for sigma in (0.05, 0.5, 5.0):
        x, machine = noised(rng, images, sigma, 2), PatchSetScore(images, 4)
        x[1] += 2.0
        expected = machine.denoise(x, sigma)
        with monkeypatch.context() as patch:
            patch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
            assert_allclose(machine.denoise(x, sigma), expected, atol=1e-4)


# Limits


@pytest.mark.parametrize("sigma", [0.05, 0.5, 5.0])
def test_what_sees_all_is_the_ideal_score(rng, images, sigma):
    x = noised(rng, images, sigma, 2)
    ideal, ones = IdealScore(images).denoise(x, sigma), np.ones((1, *SHAPE))
    for machine in (PatchSetScore(images, 5), PatchSetScore(images, 99), PatchSetScore(images, masks=ones),
                    CovarianceLocalScore(images, 0.0), SmoothedScore(images, scale=0.0),
                    FilteredScore(images, ones, ones), FilteredScore(images * 0.5 - 0.3, ones, ones, images),
                    GaussianMixtureScore(images, 23, rank=0, shrinkage=0.0)):
        assert_allclose(machine.denoise(x, sigma), ideal, atol=1e-6, err_msg=repr(machine))


def test_one_filter_over_all_translates_is_the_equivariant_score(rng, images):
    x, ones = noised(rng, images, 0.5, 2), np.ones((1, *SHAPE))
    found = FilteredScore(images, ones, ones, source="translates").denoise(x, 0.5)
    assert_allclose(found, EquivariantScore(images).denoise(x, 0.5), atol=1e-9)


def test_windows_answering_with_their_centres_are_the_local_score(rng, images):
    query, response = [], []
    for a in range(5):
        for b in range(4):
            window, centre = np.zeros(SHAPE), np.zeros(SHAPE)
            window[:, max(0, a - 1) : a + 2, max(0, b - 1) : b + 2] = 1.0
            centre[:, a, b] = 1.0
            query.append(window)
            response.append(centre)
    x = noised(rng, images, 0.5, 2)
    found = FilteredScore(images, query, response).denoise(x, 0.5)
    assert_allclose(found, LocalScore(images, 3).denoise(x, 0.5), atol=1e-9)


def test_squares_are_their_own_masks(rng, images):
    x = noised(rng, images, 0.5, 2)
    for s in (1, 2, 4):
        masks = PatchSetScore(images, masks=naive.squares(SHAPE, s)).denoise(x, 0.5)
        assert_allclose(PatchSetScore(images, s).denoise(x, 0.5), masks, atol=1e-9)


def test_one_component_is_the_wiener_filter(rng, images):
    x = noised(rng, images, 0.5, 2)
    for shrinkage in (None, 0.0, 0.4):
        one, wiener = GaussianMixtureScore(images, 1, shrinkage=shrinkage), WienerScore(images, shrinkage=shrinkage)
        assert_allclose(one.denoise(x, 0.5), wiener.denoise(x, 0.5), atol=1e-12)
        assert_allclose(one.variance(x, 0.5), wiener.variance(x, 0.5), atol=1e-12)


def test_given_moments_are_a_mixture(rng):
    means, weights = rng.uniform(-1, 1, (3, 1, 2, 3)), np.array([0.2, 0.5, 0.3])
    roots = rng.normal(size=(3, 6, 6)) * 0.3
    covariances = roots @ roots.transpose(0, 2, 1)
    machine = GaussianMixtureScore(means=means, covariances=covariances, weights=weights)
    x = rng.normal(size=(2, 1, 2, 3))
    expected = [naive.gaussian_mixture(v, 0.4, weights, means.astype(np.float64), covariances) for v in x]
    for got, part in zip(machine.moments(x, 0.4), zip(*expected)):
        assert_allclose(got, part, atol=1e-9)
    assert repr(machine) == "GaussianMixtureScore(means=means, covariances=covariances, weights=weights)"
    with pytest.raises(UserError, match="has no training images"):
        machine.leave_out(x, 0.4, 0)


# Variance and gradients


@pytest.mark.parametrize("name", ["covariance-local", "mixture", "mixture-rank"])
def test_variance_is_the_diagonal_of_the_jacobian(rng, images, name):
    machine, x = ZOO[name](images), noised(rng, images, 0.4, 1)
    diagonal = np.empty(x.shape)
    for place in np.ndindex(SHAPE):
        direction = np.zeros(x.shape)
        direction[0, *place] = 1.0
        diagonal[0, *place] = naive.directional_derivative(lambda v: machine.denoise(v, 0.4), x, direction)[0, *place]
    assert_allclose(machine.variance(x, 0.4) / 0.16, diagonal, atol=1e-6)


@pytest.mark.parametrize("name", ["smoothed", "filtered", "filtered-translates", "mixture", "mixture-rank"])
def test_gradients_are_those_of_finite_differences(rng, images, name):
    machine, x, a = ZOO[name](images), noised(rng, images, 0.4, 2), rng.normal(size=(2, *SHAPE))
    tensor = torch.from_numpy(x).requires_grad_()
    (found,) = torch.autograd.grad(machine.denoise(tensor, 0.4), tensor, torch.from_numpy(a))
    for _ in range(2):
        direction = rng.normal(size=x.shape)
        slope = naive.directional_derivative(lambda v: machine.denoise(v, 0.4), x, direction)
        assert_allclose((found.numpy() * direction).sum(axis=(1, 2, 3)), (slope * a).sum(axis=(1, 2, 3)), atol=1e-6)


# What is refused


@pytest.mark.parametrize("make, message", [
    (lambda D: PatchSetScore(D), "patch_size, masks: got neither or both"),
    (lambda D: PatchSetScore(D, 0), "patch_size: got 0, want an integer of at least 1"),
    (lambda D: PatchSetScore(D, masks=MASKS[1:2] * 0 + np.eye(5, 4)), "masks: got none above 0 at .* want one"),
    (lambda D: PatchSetScore(D, masks=MASKS * 0.5), "masks: got values other than 0 and 1"),
    (lambda D: PatchSetScore(D, masks=MASKS[0]), r"masks: got shape \(2, 5, 4\), want \(J, 2, 5, 4\)"),
    (lambda D: CovarianceLocalScore(D, 1.5), "threshold: got 1.5, want a number from 0 to 1"),
    (lambda D: SmoothedScore(D, draws=0), "draws: got 0"),
    (lambda D: SmoothedScore(D, scale=-1.0), "scale: got -1.0"),
    (lambda D: FilteredScore(D, QUERY, RESPONSE[:2]), "response: got 2 filters, want 4"),
    (lambda D: FilteredScore(D, -QUERY, RESPONSE), "query: got values that are negative"),
    (lambda D: FilteredScore(D, QUERY, RESPONSE, "mirrors"), "source: got 'mirrors', want one of 'same', 'translates'"),
    (lambda D: FilteredScore(D, QUERY, RESPONSE, D[:, :1]), "source: got images of shape"),
    (lambda D: GaussianMixtureScore(D, 0), "components: got 0"),
    (lambda D: GaussianMixtureScore(), "images, means: got neither or both"),
    (lambda D: GaussianMixtureScore(means=D, covariances=np.eye(3)), "covariances: got shape"),
])
def test_what_is_refused(images, make, message):
    with pytest.raises(UserError, match=message):
        make(images)


def test_machines_that_name_no_patches_say_so(images):
    for name in ("patch-set", "covariance-local", "mixture"):
        assert not hasattr(ZOO[name](images), "attribute")
        with pytest.raises(UserError, match="attribute: got .*, want a machine that has it"):
            ZOO[name](images).attribute(images[:1], 0.5)


def test_machines_that_state_no_bound_say_so(images):
    with pytest.raises(UserError, match="return_bound: got True for PatchSetScore, which states no bound"):
        PatchSetScore(images, 3).denoise(images[:1], 0.5, return_bound=True)


def test_machines_of_no_one_posterior_state_no_variance(images):
    for name in ("patch-set", "smoothed", "filtered"):
        with pytest.raises(UserError, match="variance: got "):
            ZOO[name](images).variance(images[:1], 0.5)
