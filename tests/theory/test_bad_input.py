"""Bad input ends in one line that names the argument, what came and what is wanted."""

import numpy as np
import pytest

from theory import AttentionScore, EquivariantLocalScore, EquivariantScore, IdealScore, LocalScore, PairScore, UserError

GOOD = np.linspace(-1, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
PATCHES = [LocalScore, EquivariantLocalScore, AttentionScore, PairScore]


def refused(message):
    return pytest.raises(UserError, match=r"\A" + message + r"[^\n]*\Z")


def with_value(value):
    images = GOOD.copy()
    images[1, 2, 3, 4] = value
    return images


@pytest.mark.parametrize("machine", [IdealScore, EquivariantScore])
@pytest.mark.parametrize("images, message", [
    (GOOD[0], r"images: got shape \(3, 4, 5\), want \(N, C, H, W\)"),
    (GOOD[:0], r"images: got shape \(0, 3, 4, 5\), want .* at least one image"),
    (with_value(np.nan), r"images: got 1 values that are NaN or infinite \(the first at \(1, 2, 3, 4\)\), want finite"),
    (with_value(np.inf), "images: got 1 values that are NaN or infinite"),
    ((GOOD * 100).astype(np.uint8), r"images: got dtype uint8, want floats, scaled to \[-1, 1\]"),
])
def test_images(machine, images, message):
    with refused(message):
        machine(images)


@pytest.mark.parametrize("machine", PATCHES)
@pytest.mark.parametrize("k, message", [
    (4, "patch_size: got 4, want an odd integer of at least 1"),
    (0, "patch_size: got 0, want an odd integer of at least 1"),
    (-3, "patch_size: got -3, want an odd integer of at least 1"),
    (3.0, "patch_size: got 3.0, want an odd integer"),
    ("3", "patch_size: got '3', want an odd integer"),
    (True, "patch_size: got True, want an odd integer"),
])
def test_patch_size(machine, k, message):
    with refused(message):
        machine(GOOD, k)
    with refused(message):
        machine(GOOD, 3).denoise(GOOD, 1.0, patch_size=k)


def test_a_window_larger_than_unwrapped_training_patches_allow():
    with refused("patch_size: got 5 with wrap_training=False, want at most the image's 4"):
        EquivariantLocalScore(GOOD, 5, "circular", wrap_training=False)
    with refused("patch_size: got 5 with wrap_training=False"):
        EquivariantLocalScore(GOOD, 3, "circular", wrap_training=False).denoise(GOOD, 1.0, patch_size=5)


@pytest.mark.parametrize("machine", PATCHES)
def test_boundary(machine):
    with refused("boundary: got 'reflect', want one of 'zeros', 'circular'"):
        machine(GOOD, 3, "reflect")


@pytest.mark.parametrize("machine", [IdealScore(GOOD), EquivariantScore(GOOD), LocalScore(GOOD, 3)])
@pytest.mark.parametrize("x, sigma, message", [
    (GOOD[0], 1.0, r"x: got shape \(3, 4, 5\), want \(B, 3, 4, 5\) like the training images"),
    (GOOD[:, :2], 1.0, r"x: got shape \(2, 2, 4, 5\), want \(B, 3, 4, 5\)"),
    (with_value(np.nan), 1.0, r"x: got 1 values that are NaN or infinite \(the first at \(1, 2, 3, 4\)\)"),
    (GOOD.astype(int), 1.0, "x: got dtype int64, want floats"),
    (GOOD, 0.0, "sigma: got 0.0, want finite numbers above 0"),
    (GOOD, -1.0, "sigma: got -1.0, want finite numbers above 0"),
    (GOOD, np.nan, "sigma: got nan, want finite numbers above 0"),
    (GOOD, [1.0, 0.0], r"sigma: got \[1.0, 0.0\], want finite numbers above 0"),
    (GOOD, [1.0, 1.0, 1.0], r"sigma: got shape \(3,\), want a number or \(2,\), one a query"),
])
def test_queries(machine, x, sigma, message):
    for call in (machine.denoise, machine.score, lambda x, s: machine.leave_out(x, s, 0)):
        with refused(message):
            call(x, sigma)


def test_labels():
    with refused("labels: got labels for a machine built without them, want None"):
        IdealScore(GOOD).denoise(GOOD, 1.0, labels=[0, 1])
    with refused(r"labels: got shape \(3,\) of int64, want \(2,\) integers, one an image"):
        IdealScore(GOOD, labels=[0, 1, 2])
    with refused(r"labels: got shape \(2,\) of float64, want \(2,\) integers"):
        IdealScore(GOOD, labels=[0.0, 1.0])
    machine = EquivariantLocalScore(GOOD, 3, labels=[0, 7])
    with refused(r"labels: got class 3 without a training image, want one of \[0, 7\]"):
        machine.denoise(GOOD, 1.0, labels=[3, 3])
    with refused(r"labels: got shape \(3,\) of int64, want an integer or \(2,\) integers"):
        machine.denoise(GOOD, 1.0, labels=[0, 7, 0])


def test_leave_out():
    for image in (-1, 2, 1.0, True):
        with refused(f"image: got {image!r}, want an integer from 0 to 1"):
            IdealScore(GOOD).leave_out(GOOD, 1.0, image)
    with refused("image: got 1, the only training image there is"):
        IdealScore(GOOD, labels=[0, 1]).leave_out(GOOD, 1.0, 1, labels=1)


def test_options_that_a_machine_has_not():
    with refused("patch_size: got an option that IdealScore has not"):
        IdealScore(GOOD).denoise(GOOD, 1.0, patch_size=3)
    with refused("strength: got an option that EquivariantLocalScore has not"):
        EquivariantLocalScore(GOOD, 3).denoise(GOOD, 1.0, strength=0.1)


def matrix(P=20, fill=None):
    alpha = (1.0 - np.eye(P)) / (P - 1)
    if fill is not None:
        alpha[0, 1] = fill
    return alpha


@pytest.mark.parametrize("attention, message", [
    ("soft", "attention: got 'soft', want one of 'uniform', 'identity', 'top1'"),
    (matrix(19), r"attention: got shape \(19, 19\), want \(20, 20\) or \(B, 20, 20\)"),
    (matrix(fill=np.nan), "attention: got entries that are negative, NaN or infinite"),
    (matrix(fill=-0.5), "attention: got entries that are negative, NaN or infinite"),
    (matrix(fill=0.9), "attention: got rows that sum to 1 ... 1.8"),
    (np.eye(20), "attention: got a diagonal that is not 0"),
])
def test_attention(attention, message):
    with refused(message):
        AttentionScore(GOOD, 3, attention=attention)


@pytest.mark.parametrize("machine", [AttentionScore, PairScore])
@pytest.mark.parametrize("name", ["strength", "beta"])
def test_strength_and_temperature(machine, name):
    for value in (-0.1, np.nan, np.inf, "1", [0.1]):
        with pytest.raises(UserError, match=f"^{name}: got .*want a finite number of at least 0$"):
            machine(GOOD, 3, **{name: value})
        with pytest.raises(UserError, match=f"^{name}: got .*want a finite number of at least 0$"):
            machine(GOOD, 3).denoise(GOOD, 1.0, **{name: value})


def test_as_many_matrices_as_queries():
    machine = AttentionScore(GOOD, 3, attention=np.stack([matrix()] * 3), strength=0.1)
    with refused("x: got 2 queries for 3 attention matrices, want as many"):
        machine.denoise(GOOD, 1.0)
