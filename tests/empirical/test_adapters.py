from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from empirical.adapters import NetworkDenoiser
from empirical.networks import ToyCNN
from theory.samplers import ddim
from theory.schedules import CosineSchedule, LinearSchedule, OffsetCosineSchedule

SIGMAS = np.array([0.05, 1.0, 30.0])


class Knows(nn.Module):
    """Predicts eps, v or x0 exactly for the clean images it is given, and records what it was called with."""

    def __init__(self, x0, prediction, schedule, time_scale):
        super().__init__()
        self.x0, self.prediction, self.schedule, self.time_scale = x0, prediction, schedule, time_scale

    def forward(self, phi, t):
        self.called_with = phi, t
        count = t.double().numpy() + (self.time_scale > 1)  # steps count from 0
        abar = torch.as_tensor(self.schedule.alpha_bar(count / self.time_scale))[:, None, None, None]
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
    np.testing.assert_allclose(schedule.sigma((t.numpy() + (time_scale > 1)) / time_scale), SIGMAS, rtol=1e-6)
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
    (dict(labels=0.5), "labels: got"), (dict(labels=True), "labels: got"),
    (dict(x=np.zeros((1, 3, 4, 2), np.int64)), "x: got int64, want floating-point pixels"),
    (dict(x=np.zeros((1, 3, 4, 2), np.uint8)), "x: got uint8, want floating-point pixels"),
    (dict(x=np.zeros((1, 3, 4, 2), bool)), "x: got bool, want floating-point pixels"),
    (dict(x=np.zeros((1, 3, 4, 2), object)), "x: got object, want floating-point pixels"),
    (dict(x=np.zeros((1, 3, 4, 2), complex)), "x: got complex128, want floating-point pixels"),
    (dict(x=torch.zeros(1, 3, 4, 2, dtype=torch.int32)), "x: got torch.int32, want floating-point pixels"),
    (dict(sigma="0.5"), "sigma: got .* values, want numbers"), (dict(sigma=True), "sigma: got bool values, want"),
    (dict(sigma=None), "sigma: got object values, want numbers"),
])
def test_bad_input(x, change, message):
    with pytest.raises(ValueError, match=f"^{message}") as error:
        NetworkDenoiser(network()).denoise(**dict(x=x, sigma=0.5) | change)
    assert "\n" not in str(error.value)


# --- kinds of numbers, modes, times -----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [
    lambda x: x.astype(">f4"), lambda x: x[::-1, :, ::-1], lambda x: np.asfortranarray(x), lambda x: x.astype(float),
    lambda x: x.astype(np.longdouble), lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    lambda x: torch.from_numpy(x).double(),
    lambda x: torch.from_numpy(x).permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2),
])
def test_any_layout_of_the_same_numbers_has_the_same_answer(x, other):
    machine = NetworkDenoiser(network(attention="learned"))
    given = other(x)
    out = machine.denoise(given, 0.5)
    assert type(out) is type(given) and out.dtype == given.dtype
    plain = np.ascontiguousarray(np.asarray(given), dtype=np.float32)
    np.testing.assert_array_equal(np.asarray(out, dtype=np.float32), machine.denoise(plain, 0.5))


def test_read_only_arrays_are_taken(x, recwarn):
    x.flags.writeable = False
    NetworkDenoiser(network()).denoise(x, 0.5)
    assert not recwarn.list


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("as_numpy", [True, False])
def test_half_precision_networks_are_near_the_whole_one(x, dtype, as_numpy):
    whole, half = network(attention="learned"), network(attention="learned").to(dtype)
    for sigma in (0.05, 1.0, float(OffsetCosineSchedule().sigma(1.0))):
        noisy = (sigma * x).astype(np.float32)
        expected = NetworkDenoiser(whole, OffsetCosineSchedule()).denoise(noisy, sigma)
        given = noisy if as_numpy else torch.from_numpy(noisy)
        out = NetworkDenoiser(half, OffsetCosineSchedule()).denoise(given, sigma)
        assert out.dtype == (np.float32 if as_numpy else torch.float32)
        np.testing.assert_allclose(np.asarray(out), expected, atol=0.05 * (1 + sigma))


class Listens(nn.Module):
    """Remembers what it is shown, and answers 0."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros((), dtype=dtype))

    def forward(self, image, t, labels=None):
        self.image, self.t, self.labels = image, t, labels
        return self.weight * image


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("schedule", [CosineSchedule(), OffsetCosineSchedule(), LinearSchedule()])
def test_half_precision_networks_are_shown_finite_images_and_exact_times(x, dtype, schedule):
    listens = Listens(dtype)
    sigma = schedule.sigma(np.array([0.25, 0.5, 0.951, 1.0]))
    noisy = x * sigma[:, None, None, None].astype(np.float32)
    NetworkDenoiser(listens, schedule, time_scale=1000).denoise(noisy, sigma)
    assert listens.image.dtype == dtype and listens.image.isfinite().all()
    abar = schedule.alpha_bar(np.array([0.25, 0.5, 0.951, 1.0]))[:, None, None, None]
    np.testing.assert_allclose(listens.image.float(), abar**0.5 * noisy, rtol=0.01, atol=1e-6)
    assert listens.t.dtype == torch.float32
    np.testing.assert_allclose(listens.t[:3], [249, 499, 950])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_network_without_weights_is_used_with_sigma_as_it_is(dtype):
    """Not as an integer 0, whatever x is."""
    class Nothing(nn.Module):
        def forward(self, phi, t):
            return torch.ones_like(phi)

    x = np.ones((1, 1, 2, 2), dtype)
    np.testing.assert_allclose(NetworkDenoiser(Nothing()).denoise(x, 0.25), 0.75)


def test_each_module_keeps_its_mode(x):
    """Also one that is frozen inside a network in training, and after a call that fails."""
    for training in (True, False):
        net = network(attention="top1").train(training)
        net.head.train(False)
        modes = [module.training for module in net.modules()]
        NetworkDenoiser(net).denoise(x, 0.5)
        with pytest.raises(ValueError):
            NetworkDenoiser(net).denoise(x, 0.5, labels=1)
        assert [module.training for module in net.modules()] == modes


@pytest.mark.parametrize("label", [2, np.int64(2), np.array(2), torch.tensor(2), np.array([2] * 4, ">i8"), [2] * 4,
                                   torch.tensor([2] * 4, dtype=torch.uint8)])
def test_one_label_is_that_of_every_image(x, label):
    machine = NetworkDenoiser(network(classes=3))
    expected = machine.denoise(x, 0.5, labels=np.array([2] * 4))
    np.testing.assert_array_equal(machine.denoise(x, 0.5, labels=label), expected)


class Table(nn.Module):
    """A DDPM network that looks its step up in a table of 1,000 rows, and knows no other step."""

    def __init__(self, images):
        super().__init__()
        self.images, self.row = images, nn.Embedding(1000, 1)
        self.row.weight.data[:, 0] = torch.arange(1000.0)
        self.steps = []

    def forward(self, phi, t):
        step = self.row(t.long())[:, 0]
        self.steps.append(step[0].item())
        abar = torch.from_numpy(LinearSchedule().alpha_bar((step.double().numpy() + 1) / 1000)).float()
        abar = abar[:, None, None, None]
        return (phi - abar.sqrt() * self.images) / (1 - abar).sqrt()


def test_networks_that_count_a_thousand_steps_are_asked_for_0_to_999(x):
    images = torch.from_numpy(np.random.default_rng(1).uniform(-1, 1, x.shape).astype(np.float32))
    table = Table(images)
    for steps in (20, 1000):
        table.steps.clear()
        drawn = ddim(NetworkDenoiser(table, LinearSchedule(), time_scale=1000), x, LinearSchedule(), steps=steps)
        assert table.steps == list(range(999, -1, -1000 // steps))
        np.testing.assert_allclose(drawn, images, atol=2e-3)
    table.steps.clear()
    NetworkDenoiser(table, LinearSchedule(), time_scale=1000).denoise(x, 1e-5)
    assert table.steps == [0]


def test_edm_and_flow_networks_have_their_own_images_and_times(x):
    x0, noise = x / 4, x[::-1]
    for sigma in (0.05, 1.0, 80.0):
        noisy = (x0 + sigma * noise).astype(np.float32)
        shown = {}

        class Edm(nn.Module):
            def forward(self, image, sigma, shown=shown):
                shown["edm"] = image, sigma
                return torch.from_numpy(x0.copy())

        class Flow(nn.Module):
            def forward(self, image, t, shown=shown):
                shown["flow"] = image, t
                return torch.from_numpy(noise - x0)

        for module, prediction in ((Edm(), "edm"), (Flow(), "flow")):
            out = NetworkDenoiser(module, prediction=prediction).denoise(noisy, sigma)
            np.testing.assert_allclose(out, x0, atol=1e-5 * (1 + sigma))
        np.testing.assert_array_equal(shown["edm"][0], noisy)
        np.testing.assert_allclose(shown["edm"][1], sigma, rtol=1e-6)
        t = sigma / (1 + sigma)
        np.testing.assert_allclose(shown["flow"][1], t, rtol=1e-6)
        np.testing.assert_allclose(shown["flow"][0], (1 - t) * x0 + t * noise, rtol=1e-4, atol=1e-6)
    listens = Listens()
    NetworkDenoiser(listens, prediction="flow", time_scale=1000).denoise(x, 3.0)
    np.testing.assert_allclose(listens.t, 750, rtol=1e-6)


def test_an_answer_may_be_an_object_with_a_sample(x):
    class Answer(NamedTuple):
        sample: torch.Tensor

    class Wraps(nn.Module):
        def __init__(self, inner, answer):
            super().__init__()
            self.inner, self.answer = inner, answer

        def forward(self, phi, t):
            return self.answer(self.inner(phi, t))

    net = network()
    out = NetworkDenoiser(Wraps(net, Answer)).denoise(x, 0.5)
    np.testing.assert_array_equal(out, NetworkDenoiser(net).denoise(x, 0.5))
    with pytest.raises(ValueError, match="^network: got output of type list, want a tensor$"):
        NetworkDenoiser(Wraps(net, lambda eps: [eps])).denoise(x, 0.5)


def test_bad_construction(x):
    with pytest.raises(ValueError, match="^prediction: got 'noise', want one of eps, v, x0, edm, flow$"):
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
