"""Muon on the hidden matrices and Adam on all else: which is which, where a step goes and how far."""

import pytest
import torch

from empirical.networks import ResNet, ToyCNN, UNet
from empirical.training.image_config import ImageTrainConfig
from empirical.training.optimizers import Optimizer
from empirical.training.toy_config import TrainConfig

WIDTH, RATE = 32, 1e-3


def stepped(name, scale=1.0, steps=1):
    """The weights of one network before and after steps along one and the same random gradient."""
    torch.manual_seed(0)
    network = ToyCNN(width=WIDTH, attention="learned")
    before = {key: weight.detach().clone() for key, weight in network.named_parameters()}
    optimizer = Optimizer(name, network, WIDTH)
    gradient = {key: scale * torch.randn_like(weight) for key, weight in before.items()}
    for _ in range(steps):
        for key, weight in network.named_parameters():
            weight.grad = gradient[key].clone()
        optimizer.step(RATE)
    return before, {key: weight.detach() for key, weight in network.named_parameters()}


def test_only_hidden_matrices_follow_muon():
    _, adam = stepped("adam")
    _, muon = stepped("muon")
    different = {key for key in adam if not torch.equal(adam[key], muon[key])}
    hidden = {"conv2.weight", "value.weight", "attention.query.weight", "attention.key.weight", "head.1.weight"}
    assert hidden <= different
    assert not {"conv1.weight", "conv1.bias", "conv2.bias", "head.3.weight", "head.3.bias", "head.1.bias"} & different


def test_a_muon_step_is_orthogonal_and_as_long_as_adams():
    before, after = stepped("muon")
    for key in ("conv2.weight", "value.weight", "modulation.weight"):
        change = (after[key] - before[key]).flatten(1).double()
        singular = torch.linalg.svdvals(change)
        assert singular.max() / singular.min() < 2  # of a random gradient: 50 to 1 for a square matrix
        assert change.square().mean().sqrt().item() == pytest.approx(RATE, rel=0.3)


def test_the_size_of_the_gradient_does_not_matter():
    _, small = stepped("muon", 2**-10, 3)
    _, large = stepped("muon", 2**10, 3)
    for key in ("conv2.weight", "value.weight"):
        torch.testing.assert_close(small[key], large[key], atol=0.01 * RATE, rtol=0)


def test_the_step_goes_downhill():
    before, after = stepped("muon")
    torch.manual_seed(0)
    network = ToyCNN(width=WIDTH, attention="learned")
    gradient = {key: torch.randn_like(weight) for key, weight in network.named_parameters()}
    for key in gradient:
        assert ((after[key] - before[key]) * gradient[key]).sum() < 0, key


def test_unknown_optimizers_are_named():
    for config in (TrainConfig, lambda **a: ImageTrainConfig(dataset="mnist", **a)):
        with pytest.raises(ValueError, match="^optimizer: got 'sgd', want one of adam, muon$"):
            config(optimizer="sgd")


@pytest.mark.parametrize("build", [lambda: ResNet(width=16, depth=4), lambda: UNet(widths=(16, 32))])
def test_muon_steps_the_hidden_convolutions_of_networks_for_images(build):
    network = build()
    hidden = set(Optimizer("muon", network, 16).stepped["muon"])
    assert {"layers.0.weight"} <= hidden or {"down.0.second.weight", "down.1.first.weight"} <= hidden
    assert not {key for key in hidden if key.startswith(("first.", "last.", "down.0.first")) or key.endswith("bias")}
