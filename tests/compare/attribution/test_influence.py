"""Leaving an image out in closed form against really leaving it out."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.attribution.influence import influence, redrawn
from theory import (
    AttentionScore,
    CosineSchedule,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    WienerScore,
    ddim,
)

MACHINES = {
    "ideal": IdealScore,
    "equivariant": EquivariantScore,
    "local": lambda images: LocalScore(images, 3),
    "els-zeros": lambda images: EquivariantLocalScore(images, 3),
    "els-circular": lambda images: EquivariantLocalScore(images, 3, "circular"),
    "attention": lambda images: AttentionScore(images, 3, attention="top1", strength=0.1),
    "wiener": WienerScore,
}


@pytest.mark.parametrize("name", MACHINES)
def test_twenty_images_really_left_out(rng, name):
    """Per pixel and in total, to 1e-5, for 20 random images of 60; the query is close to one of them."""
    images = rng.uniform(-1, 1, (60, 2, 6, 5)).astype(np.float32)
    chosen = rng.choice(60, 20, replace=False)
    x = images[chosen[:2]] + 0.4 * rng.normal(size=(2, 2, 6, 5))
    found = influence(MACHINES[name](images), x, 0.4, chosen)
    whole = MACHINES[name](images).denoise(x, 0.4)
    for j, image in enumerate(chosen):
        without = MACHINES[name](np.delete(images, image, axis=0)).denoise(x, 0.4)
        assert_allclose(found.without[j], without, atol=1e-5)
        change = np.linalg.norm(whole - without, axis=1)
        assert_allclose(found.change[j], change, atol=1e-5)
        assert_allclose(found.total[j], np.sqrt((change**2).mean(axis=(1, 2))), atol=1e-5)
    assert found.left_out.values.tolist() == chosen.tolist()
    assert found.total.values.max() > 0.01  # the image that the query came from is missed


@pytest.mark.parametrize("name", ["ideal", "local", "els-zeros", "attention"])
def test_a_sample_redrawn_without_an_image_is_that_of_a_machine_that_never_had_it(rng, name):
    """Every step of the trajectory, from the same noise; the change is against the sample of all images."""
    images = rng.uniform(-1, 1, (12, 2, 5, 4)).astype(np.float32)
    phi_1, called = rng.normal(size=(1, 2, 5, 4)), []
    whole = ddim(MACHINES[name](images), phi_1, CosineSchedule(), steps=4)
    chosen = np.argsort(((images - whole) ** 2).sum(axis=(1, 2, 3)))[:2].tolist()
    found = redrawn(MACHINES[name](images), phi_1, CosineSchedule(), chosen, callback=lambda: called.append(1), steps=4)
    for j, image in enumerate(chosen):
        never = ddim(MACHINES[name](np.delete(images, image, axis=0)), phi_1, CosineSchedule(), steps=4)
        assert_allclose(found.without[j], never, atol=1e-5)
        assert_allclose(found.change[j], np.linalg.norm(whole - never, axis=1), atol=1e-5)
    assert len(called) == 2 * 4 and found.left_out.values.tolist() == chosen
    assert float(found.total.max()) > 1e-3


def test_options_are_handed_on(rng):
    images = rng.uniform(-1, 1, (9, 1, 5, 5)).astype(np.float32)
    x, labels = rng.normal(size=(2, 1, 5, 5)), np.arange(9) % 2
    found = influence(EquivariantLocalScore(images, 5, labels=labels), x, 0.5, [0, 1], patch_size=3, labels=[0, 0])
    kept = [i for i in range(9) if i % 2 == 0 and i != 0]
    assert_allclose(found.without[0], EquivariantLocalScore(images[kept], 3).denoise(x, 0.5), atol=1e-10)
    assert_allclose(found.total[1], 0.0, atol=1e-12)  # image 1 is of the other class


def test_no_images_are_refused(rng):
    images = rng.uniform(-1, 1, (3, 1, 4, 4)).astype(np.float32)
    with pytest.raises(ValueError, match="images: got none"):
        influence(IdealScore(images), images, 1.0, [])


def test_redrawing_without_no_image_is_refused(rng):
    machine = IdealScore(rng.uniform(-1, 1, (3, 1, 2, 2)))
    with pytest.raises(ValueError, match="images: got none"):
        redrawn(machine, rng.normal(size=(1, 1, 2, 2)), CosineSchedule(), [], steps=2)
