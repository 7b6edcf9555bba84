"""`denoise_scales`: the posterior means of several windows at once."""

import numba
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import theory.engine.posterior
from tests import naive
from theory import AttentionScore, EquivariantLocalScore, LocalScore
from theory.engine.torch_backend import TorchBackend

SIZES = (7, 3, 1, 5, 3)


@pytest.fixture(params=["float64", "float32"])
def single(request, monkeypatch):
    if request.param == "float32":
        monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    return request.param == "float32"


@pytest.mark.parametrize("boundary, wrap", [("zeros", True), ("circular", True), ("circular", False)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("local", [False, True])
def test_twin(rng, single, boundary, wrap, channels, local):
    """Each window is the loop's, sizes in any order and twice, H != W, B > 1 with noise levels of their own."""
    images = rng.uniform(-1, 1, (5, channels, 7, 8)).astype(np.float32)
    x, sigma = images[:3] + 0.5 * rng.normal(size=(3, channels, 7, 8)), np.array([0.2, 1.0, 30.0])
    kind = LocalScore if local else EquivariantLocalScore
    machine = kind(images, 3, boundary, **({} if local else {"wrap_training": wrap}))
    found = machine.denoise_scales(x, sigma, SIZES)
    assert len(found) == len(SIZES)
    for k, x0 in zip(SIZES, found):
        expected = [naive.patch_machine(q, images, s, k, boundary, wrap, local) for q, s in zip(x, sigma)]
        assert_allclose(x0, expected, atol=1e-4 if single else 1e-9)


@pytest.mark.parametrize("H, W, sizes", [(6, 5, [1, 5, 9, 11, 25]), (9, 12, [3, 9]), (1, 4, [1, 3]), (8, 8, [5])])
def test_windows_larger_than_the_image(rng, H, W, sizes):
    images = rng.uniform(-1, 1, (40, 3, H, W)).astype(np.float32)
    x = rng.normal(size=(20, 3, H, W))  # more than share a block
    equivariant = [EquivariantLocalScore(images, 3, boundary) for boundary in ("zeros", "circular")]
    for machine in (*equivariant, LocalScore(images, 3)):
        for k, x0 in zip(sizes, machine.denoise_scales(x, 0.7, sizes)):
            assert_allclose(x0, machine.denoise(x, 0.7, patch_size=k), atol=1e-10)


def test_far_from_every_candidate(rng, single):
    """Logits beyond what float32 holds: those that count are measured again."""
    images = rng.uniform(-1, 1, (64, 3, 6, 6)).astype(np.float32)
    machine, x = EquivariantLocalScore(images, 3), 4.0 + rng.normal(size=(2, 3, 6, 6))
    for k, x0 in zip((3, 5), machine.denoise_scales(x, 0.05, (3, 5))):
        assert_allclose(x0, [naive.patch_machine(q, images, 0.05, k) for q in x], atol=1e-4)


def test_classes_threads_and_batches(rng):
    images = rng.uniform(-1, 1, (50, 3, 6, 7)).astype(np.float32)
    machine = EquivariantLocalScore(images, 3, labels=np.arange(50) % 3)
    x, labels = rng.normal(size=(4, 3, 6, 7)), [2, 1, 0, 2]
    found = machine.denoise_scales(x, 0.4, (3, 5), labels=labels)
    for k, x0 in zip((3, 5), found):
        assert_allclose(x0, machine.denoise(x, 0.4, patch_size=k, labels=labels), atol=1e-10)
    for b, label in enumerate(labels):
        alone = machine.denoise_scales(x[b : b + 1], 0.4, (3, 5), labels=label)
        assert_array_equal(np.stack(alone)[:, 0], np.stack(found)[:, b])
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    assert_array_equal(machine.denoise_scales(x, 0.4, (3, 5), labels=labels), found)
    numba.set_num_threads(threads)


def test_other_engine_and_attention(rng):
    images = rng.uniform(-1, 1, (6, 1, 5, 6)).astype(np.float32)
    x = rng.normal(size=(2, 1, 5, 6))
    machine, attending = EquivariantLocalScore(images, 3), AttentionScore(images, 3, strength=0.3)
    of_torch = machine.denoise_scales(x, 0.4, (3, 5), backend=TorchBackend())
    assert_allclose(of_torch, machine.denoise_scales(x, 0.4, (3, 5)), atol=1e-6)
    for k, x0 in zip((3, 5), attending.denoise_scales(x, 0.4, (3, 5))):
        assert_array_equal(x0, attending.denoise(x, 0.4, patch_size=k))


@pytest.mark.parametrize("sizes, said", [([], "patch_sizes: got none"), ([3, 4], "patch_sizes: got 4")])
def test_bad_sizes(rng, sizes, said):
    machine = LocalScore(rng.uniform(-1, 1, (3, 1, 4, 4)).astype(np.float32), 3)
    with pytest.raises(ValueError, match=said):
        machine.denoise_scales(np.zeros((1, 1, 4, 4)), 0.5, sizes)
