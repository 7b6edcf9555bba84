import numpy as np
import pytest
import torch
from torch import nn

from empirical.adapters import NetworkDenoiser
from empirical.networks import ToyCNN
from theory.schedules import CosineSchedule, LinearSchedule, ddim

SIGMAS = np.array([0.05, 1.0, 30.0])


class Knows(nn.Module):
    """Predicts eps, v or x0 exactly for the clean images it is given, and records what it was called with."""

    def __init__(self, x0, prediction, schedule, time_scale):
        super().__init__()
        self.x0, self.prediction, self.schedule, self.time_scale = x0, prediction, schedule, time_scale

    def forward(self, phi, t):
        self.called_with = phi, t
        abar = torch.as_tensor(self.schedule.alpha_bar(t.double().numpy() / self.time_scale))[:, None, None, None]
        eps = (phi - abar.sqrt() * self.x0) / (1 - abar).sqrt()
        v = abar.sqrt() * eps - (1 - abar).sqrt() * self.x0
        return {"eps": eps, "v": v, "x0": self.x0}[self.prediction]


@pytest.mark.parametrize("prediction", ["eps", "v", "x0"])
@pytest.mark.parametrize("schedule, time_scale", [(CosineSchedule(), 1.0), (LinearSchedule(), 1000.0)])
def test_a_network_that_knows_the_answer_gives_it(prediction, schedule, time_scale):
    rng = np.random.default_rng(0)
    x0, noise = torch.from_numpy(rng.uniform(-1, 1, (3, 2, 4, 5))), torch.from_numpy(rng.normal(size=(3, 2, 4, 5)))
    x = x0 + torch.from_numpy(SIGMAS)[:, None, None, None] * noise
    network = Knows(x0, prediction, schedule, time_scale)
    out = NetworkDenoiser(network, schedule, prediction, time_scale).denoise(x, SIGMAS)
    torch.testing.assert_close(out, x0, rtol=0, atol=1e-6)
    phi, t = network.called_with
    np.testing.assert_allclose(schedule.sigma(t.numpy() / time_scale), SIGMAS, rtol=1e-6)
    abar = torch.from_numpy(1 / (1 + SIGMAS**2))[:, None, None, None]
    torch.testing.assert_close(phi, abar.sqrt() * x0 + (1 - abar).sqrt() * noise)


def network(**arguments):
    torch.manual_seed(0)
    return ToyCNN(width=8, **arguments)


@pytest.fixture
def x():
    return np.random.default_rng(5).normal(size=(4, 3, 4, 2)).astype(np.float32)


@pytest.mark.parametrize("prediction", ["eps", "v", "x0"])
def test_matches_the_formula(x, prediction):
    net = network()
    sigma = 0.7
    abar = 1 / (1 + sigma**2)
    t = torch.full((4,), float(CosineSchedule().time(sigma)))
    with torch.no_grad():
        output = net(torch.from_numpy(x * abar**0.5), t).numpy()
    expected = {
        "eps": x - sigma * output,
        "v": abar * x - (1 - abar) ** 0.5 * output,
        "x0": output,
    }[prediction]
    machine = NetworkDenoiser(net, prediction=prediction)
    np.testing.assert_allclose(machine.denoise(x, sigma), expected, atol=2e-6)
    np.testing.assert_allclose(machine.score(x, sigma), (expected - x) / sigma**2, atol=1e-5)


def test_each_image_has_its_own_sigma_and_batching_changes_nothing(x):
    machine = NetworkDenoiser(network(attention="learned"))
    sigma = np.array([0.1, 0.5, 2.0, 20.0])
    together = machine.denoise(x, sigma)
    for i in range(4):
        np.testing.assert_allclose(machine.denoise(x[i : i + 1], float(sigma[i]))[0], together[i], atol=1e-5)


def test_kinds_are_kept(x):
    machine = NetworkDenoiser(network())
    out = machine.denoise(x, 0.5)
    assert isinstance(out, np.ndarray) and out.dtype == np.float32
    assert machine.denoise(x.astype(np.float64), 0.5).dtype == np.float64
    as_torch = machine.denoise(torch.from_numpy(x).requires_grad_(), torch.full((4,), 0.5))
    assert isinstance(as_torch, torch.Tensor) and not as_torch.requires_grad
    np.testing.assert_array_equal(as_torch.numpy(), out)
    assert isinstance(machine.score(torch.from_numpy(x), 0.5), torch.Tensor)


def test_top_one_is_sampled_in_evaluation_mode(x):
    net = network(attention="top1").train()
    machine = NetworkDenoiser(net)
    net.train()
    np.testing.assert_array_equal(machine.denoise(x, 0.5), machine.denoise(x, 0.5))


def test_labels_reach_the_network(x):
    machine = NetworkDenoiser(network(classes=3))
    zero, two = machine.denoise(x, 0.5, labels=[0] * 4), machine.denoise(x, 0.5, labels=np.array([0, 0, 2, 0]))
    np.testing.assert_array_equal(zero[[0, 1, 3]], two[[0, 1, 3]])
    assert np.abs(zero[2] - two[2]).max() > 1e-3


class OneImageAClass(nn.Module):
    """A user's own conditional network: it knows that a class is one single image, and says so as eps, v or x0."""

    def __init__(self, images, prediction):
        super().__init__()
        self.images, self.prediction = torch.from_numpy(images), prediction

    def forward(self, phi, t, labels):
        x0 = self.images[labels]
        abar = torch.from_numpy(CosineSchedule().alpha_bar(t.numpy()))[:, None, None, None].to(phi)
        eps = (phi - abar.sqrt() * x0) / (1 - abar).sqrt()
        return {"eps": eps, "v": abar.sqrt() * eps - (1 - abar).sqrt() * x0, "x0": x0}[self.prediction]


@pytest.mark.parametrize("prediction", ["eps", "v", "x0"])
def test_a_users_conditional_network_draws_by_class(x, prediction):
    images = np.random.default_rng(1).uniform(-1, 1, (3, 3, 4, 2))
    machine, labels = NetworkDenoiser(OneImageAClass(images, prediction), prediction=prediction), [2, 0, 1, 2]
    drawn = ddim(machine, x.astype(np.float64), CosineSchedule(), steps=4, labels=labels)
    np.testing.assert_allclose(drawn, images[labels], atol=1e-6)


def test_ddim_takes_it_as_a_machine(x):
    out = ddim(NetworkDenoiser(network()), x, CosineSchedule(), steps=3)
    assert out.shape == x.shape and np.isfinite(out).all()


@pytest.mark.parametrize("change, message", [
    (dict(x=np.full((1, 3, 4, 2), np.nan, np.float32)), "x: got NaN"),
    (dict(x=np.zeros((3, 4, 2), np.float32)), "x: got shape"),
    (dict(x=[[1.0]]), "x: got list"),
    (dict(sigma=0.0), "sigma: got 0.0, want"),
    (dict(sigma=np.nan), "sigma: got nan, want"),
    (dict(sigma=[-1.0] * 4), "sigma: got -1.0, want"),
    (dict(sigma=[1.0] * 3), "sigma: got shape"),
    (dict(labels=[0, 1]), "labels: got"),
    (dict(labels=[0.5] * 4), "labels: got"),
    (dict(labels=[0] * 4), "labels: got"),
])
def test_bad_input(x, change, message):
    with pytest.raises(ValueError, match=f"^{message}") as error:
        NetworkDenoiser(network()).denoise(**dict(x=x, sigma=0.5) | change)
    assert "\n" not in str(error.value)


def test_bad_construction(x):
    with pytest.raises(ValueError, match="^prediction: got 'noise', want one of eps, v, x0"):
        NetworkDenoiser(network(), prediction="noise")
    with pytest.raises(ValueError, match="^network: got function"):
        NetworkDenoiser(lambda phi, t: phi)
    with pytest.raises(ValueError, match="^time_scale: got 0"):
        NetworkDenoiser(network(), time_scale=0)
    with pytest.raises(ValueError, match="^network: got output of shape"):
        NetworkDenoiser(Shrinks()).denoise(x, 0.5)


class Shrinks(nn.Module):
    def forward(self, phi, t):
        return phi[:, :1]
