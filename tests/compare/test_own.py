from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from compare.own import _digest, compare_own
from compare.report.images import report
from compare.result import schema as results
from empirical.adapters import NetworkDenoiser
from theory import CosineSchedule, EquivariantLocalScore, UserError

OPTIONS = dict(samples=2, steps=3, network_steps=(3,), calibration_samples=2, diagnosed=1)


class Own(torch.nn.Module):
    """The equivariant local score with k = 3 as a torch network that predicts eps, v or x0."""

    def __init__(self, images, labels, prediction):
        super().__init__()
        self.machine, self.prediction = EquivariantLocalScore(images, 3, labels=labels), prediction

    def forward(self, phi, t, labels=None):
        abar = torch.as_tensor(CosineSchedule().alpha_bar(t.numpy()))[:, None, None, None]
        x = (phi / abar.sqrt()).numpy()
        x0 = torch.as_tensor(self.machine.denoise(x, ((1 - abar) / abar).sqrt().numpy().ravel(), labels=labels))
        eps = (phi - abar.sqrt() * x0) / (1 - abar).sqrt()
        return {"x0": x0, "eps": eps, "v": abar.sqrt() * eps - (1 - abar).sqrt() * x0}[self.prediction].to(phi.dtype)


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, size=(8, 1, 5, 6)).astype(np.float32)


@pytest.mark.parametrize("prediction", ["eps", "v", "x0"])
def test_whatever_the_network_predicts(images, prediction, tmp_path):
    """The network is the machine: k = 3 is found and their samples agree."""
    network = NetworkDenoiser(Own(images, None, prediction), CosineSchedule(), prediction=prediction)
    result = compare_own(network, images, patch_sizes=(3, 5), out=tmp_path / "run", **OPTIONS)
    assert_array_equal(result.patch_size.sel(machine="els fitted to own"), 3)
    assert_allclose(result.pearson_r.sel(machine="els fitted to own"), 1.0, atol=1e-4)
    assert "own at 3 steps" in report(result)
    assert_array_equal(results.load(tmp_path / "run" / "result.nc").predicted, result.predicted)


def test_labels_and_validation_images(images, tmp_path):
    labels = np.arange(8) % 2
    network = NetworkDenoiser(Own(images[:6], labels[:6], "x0"), prediction="x0")
    result = compare_own(network, images[:6], labels[:6], validation=(images[6:], labels[6:]), receptive_field=3,
                         rules=("validation",), **OPTIONS)
    assert result.candidate_patch_size.values.tolist() == [3]
    assert "els by validation" in result.machine and set(result.label.values) <= {0, 1}
    assert_allclose(result.pearson_r.sel(machine="els fitted to own"), 1.0, atol=1e-4)


def test_another_network_in_the_same_folder(images, tmp_path):
    networks = [NetworkDenoiser(Own(images, None, "x0"), prediction=prediction) for prediction in ("x0", "eps")]
    compare_own(networks[0], images, patch_sizes=(3,), out=tmp_path / "run", **OPTIONS)
    with pytest.raises(ValueError, match="holds a run with other networks"):
        compare_own(networks[1], images, patch_sizes=(3,), out=tmp_path / "run", **OPTIONS)


def test_bad_input(images):
    network = NetworkDenoiser(Own(images, None, "x0"), prediction="x0")
    with pytest.raises(ValueError, match="samples: got 0, want at least 1"):
        compare_own(network, images, samples=0)
    with pytest.raises(ValueError, match="boundary: got 'reflect', want one of"):
        compare_own(network, images, boundary="reflect", patch_sizes=(3,), **OPTIONS)


@pytest.mark.parametrize("change, says", [
    (lambda images: dict(images=np.uint8(127.5 * (images + 1))), "images: got dtype uint8, want floats"),
    (lambda images: dict(images=127.5 * (images + 1)), r"images: got values from .*, want \[-1, 1\]"),
    (lambda images: dict(labels=np.arange(8) / 2), r"labels: got shape \(8,\) of float64"),
    (lambda images: dict(validation=100 * images), "validation: images: got values from"),
    (lambda images: dict(network=torch.nn.Identity()), "network: got a Identity without denoise, want it wrapped"),
    (lambda images: dict(network=EquivariantLocalScore(images, 3)), "without schedule, want it wrapped")])
def test_what_is_no_network_or_no_images_is_one_line(images, change, says):
    given = {"network": NetworkDenoiser(Own(images, None, "x0"), prediction="x0"), "images": images} | change(images)
    with pytest.raises(UserError, match=says) as caught:
        compare_own(**given, patch_sizes=(3,), **OPTIONS)
    assert "\n" not in str(caught.value)


class Own2(Own):
    def forward(self, phi, t, labels=None):
        return super().forward(phi, t, labels) * 0.5


class Bare:
    """A schedule without a __repr__."""

    def __init__(self, scale=1.0):
        self.scale = scale


def test_digest_covers_code_and_schedule_and_nothing_that_passes(images):
    of = lambda network=Own, schedule=None: _digest(NetworkDenoiser(
        network(images, None, "x0"), schedule or CosineSchedule(), prediction="x0"))
    assert of() == of()
    assert of() != of(Own2)
    assert of(schedule=Bare()) == of(schedule=Bare()) != of(schedule=Bare(2.0))


@pytest.mark.parametrize("where", [lambda _: None, lambda pool: pool, lambda pool: pool.map])
def test_anything_with_a_denoise_and_a_schedule(images, where):
    machine = EquivariantLocalScore(images, 3)
    own = type("Face", (), {"denoise": lambda self, x, sigma: machine.denoise(x, sigma), "schedule": CosineSchedule()})
    with ThreadPoolExecutor(2) as pool:
        result = compare_own(own(), images, patch_sizes=(3,), map=where(pool), **OPTIONS)
    assert_allclose(result.pearson_r.sel(machine="els fitted to own"), 1.0, atol=1e-4)
