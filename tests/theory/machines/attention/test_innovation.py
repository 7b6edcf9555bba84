"""The innovation form: against its loop twin, what must hold of it, and its Monte Carlo error."""

from zlib import crc32

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests import naive
from tests.theory.cases import data
from theory import EquivariantLocalScore, InnovationScore, UserError

TIGHT = {"tolerance": 1e-7}


def noise_of(images, draws, seed):
    """The draws' noise as documented: by the seed and the image alone."""
    return np.array([np.random.default_rng([seed, crc32(image.tobytes())]).normal(size=(draws, *image.shape))
                     for image in images])


@pytest.fixture
def images(rng):
    return data(rng, (2, 3, 4), 5)


@pytest.fixture
def x(rng, images):
    return images[:3] + rng.normal(size=(3, 2, 3, 4))


@pytest.mark.parametrize("rule", ["uniform", "identity", "overlap", "given", "function"])
@pytest.mark.parametrize("boundary", ["zeros", "circular"])
@pytest.mark.parametrize("shape", [(3, 4, 2), (1, 3, 3)], ids=str)
@pytest.mark.parametrize("sigma", [0.4, 2.0])
def test_twin(rng, sigma, shape, boundary, rule):
    images = data(rng, shape, 3)
    x = images[:2] + sigma * rng.normal(size=(2, *shape))
    P = shape[1] * shape[2]
    rows = rng.uniform(size=(P, P)) * (1.0 - np.eye(P))
    rows /= rows.sum(axis=1, keepdims=True)
    attention = {"given": rows, "function": lambda x, sigma: np.broadcast_to(rows, (len(x), P, P))}.get(rule, rule)
    machine = InnovationScore(images, 3, boundary, attention, draws=2, seed=4, **TIGHT)
    rule = rule if isinstance(attention, str) else rows
    expected = [naive.innovation(v, images, sigma, 3, rule, 0.7, noise_of(images, 2, 4), boundary) for v in x]
    assert_allclose(machine.denoise(x, sigma, strength=0.7), expected, atol=1e-6)
    assert_allclose(machine.denoise(x[:1], sigma, strength=0.7), expected[:1], atol=1e-6)


def test_without_strength_it_is_equivariant_local(images, x):
    expected = EquivariantLocalScore(images, 3).denoise(x, 0.7)
    assert_allclose(InnovationScore(images, 3, strength=0.0).denoise(x, 0.7), expected, atol=1e-12)


def test_every_strength_and_temperature_at_once_is_each_by_itself(images, x):
    machine = InnovationScore(images, 3, attention="identity", labels=[0, 1, 0, 1, 1])
    sigma, options = np.array([0.4, 2.0, 0.4]), {"labels": [0, 1, 1], "patch_size": 5, "beta": 3.0}
    for strength, x0 in zip([1.0, 0.0, 0.3], machine.denoise_strengths(x, sigma, [1.0, 0.0, 0.3], **options)):
        one_by_one = [machine.denoise(x[b : b + 1], sigma[b], strength=strength, **options | {"labels": label})[0]
                      for b, label in enumerate(options["labels"])]
        assert_allclose(x0, one_by_one, atol=1e-9)
    assert np.abs(x0 - machine.denoise(x, sigma, strength=0.3, **options | {"beta": 1.0})).max() > 1e-3


def test_a_class_is_a_machine_of_its_images_and_order_does_not_matter(rng, images, x):
    labels = np.array([0, 1, 0, 1, 1])
    asked = InnovationScore(images, 3, labels=labels).denoise(x, 0.7, labels=1)
    assert_allclose(asked, InnovationScore(images[labels == 1], 3).denoise(x, 0.7), atol=1e-9)
    shuffled = InnovationScore(images[rng.permutation(5)], 3).denoise(x, 0.7)
    assert_allclose(shuffled, InnovationScore(images, 3).denoise(x, 0.7), atol=1e-6)


def test_copies_keep_their_weight(images, x):
    copies = np.concatenate([images[:2], images[:1], images[:1]])
    expected = [naive.innovation(v, copies, 0.7, 3, "uniform", 1.0, noise_of(copies, 4, 0)) for v in x]
    got = InnovationScore(copies, 3, **TIGHT).denoise(x, 0.7)
    assert_allclose(got, expected, atol=1e-6)
    assert np.abs(got - InnovationScore(images[:2], 3, **TIGHT).denoise(x, 0.7)).max() > 1e-3


def test_leave_out_is_the_machine_without_the_image(images, x):
    without = InnovationScore(np.delete(images, 3, axis=0), 3).denoise(x, 0.7)
    assert_allclose(InnovationScore(images, 3).leave_out(x, 0.7, 3), without, atol=1e-9)


def test_one_image_foretells_everything_but_the_noise(rng):
    """D = one constant image: ELS is that image whatever is seen, so is z + attention(z), and z is half of it."""
    image = np.full((1, 1, 3, 4), -0.5, dtype=np.float32)
    machine = InnovationScore(image, 3, **TIGHT)
    assert_allclose(machine.denoise(rng.normal(size=(2, 1, 3, 4)), 0.7), -0.5, atol=1e-6)
    pixel, context = machine.context(0.7).values[0, :, :, :, 0]
    assert_allclose(pixel, -0.5)
    assert_allclose(context, -0.25, atol=1e-6)


def test_the_table_is_solved_once_and_as_well_as_said(images, x):
    machine = InnovationScore(images, 3, tolerance=1e-2)
    first = machine.context(0.7)
    machine.denoise(x, 0.7)
    assert machine.context(0.7) is first and machine.context(0.7, patch_size=5) is not first
    tight = InnovationScore(images, 3, **TIGHT).context(0.7)
    assert first.residual <= 1e-2 and tight.residual <= 1e-7 and tight.steps > first.steps
    assert np.abs(first.values - tight.values).max() < 0.1


def test_the_monte_carlo_error_falls_as_one_over_the_root_of_draws(images, x):
    def error(draws):
        seeds = [InnovationScore(images, 3, draws=draws, seed=seed, **TIGHT).denoise(x, 0.7) for seed in range(8)]
        return np.sqrt(np.var(seeds, axis=0).mean())

    assert 2.5 < error(1) / error(16) < 6.5, "4 but for chance"


def test_two_pixels_that_see_and_attend_to_each_other_have_no_solution(rng):
    """z_1 + z_2 cannot be both ELS outputs: at low noise each window determines the other."""
    images = data(rng, (1, 1, 2), 4)
    with pytest.raises(ValueError, match="^tolerance: got 1e-06, want at least .*, which 50 steps reach at sigma 0.01"):
        InnovationScore(images, 3, attention="top1", tolerance=1e-6).denoise(images, 0.01)


def test_what_it_cannot_do_is_said_in_a_line(images, x):
    rows = (1.0 - np.eye(12)) / 11
    with pytest.raises(ValueError, match="^attention: got 3 matrices, want one, a function or a rule"):
        InnovationScore(images, 3, attention=np.stack([rows] * 3))
    with pytest.raises(ValueError, match=r"^attention: got a function to shape \(12, 12\), want \(20, 12, 12\)"):
        InnovationScore(images, 3, attention=lambda x, sigma: rows).denoise(x, 0.7)
    for tolerance in (None, 0.0, -1.0, np.nan, True, "1e-3"):
        with pytest.raises(UserError, match="^tolerance: got .*, want a finite number above 0$"):
            InnovationScore(images, 3, tolerance=tolerance)
    for name, value, wanted in (("draws", 0, "1"), ("draws", 1.5, "1"), ("seed", -1, "0")):
        with pytest.raises(ValueError, match=f"^{name}: got {value}, want an integer of at least {wanted}$"):
            InnovationScore(images, 3, **{name: value})
