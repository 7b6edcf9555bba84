"""What ResNet and UNet have in common: shapes, locality, borders, the matched pair, labels."""

import pytest
import torch

from empirical.networks import ResNet, UNet
from empirical.networks.attention import SelfAttention

SMALL = {
    "resnet": lambda **arguments: ResNet(**dict(width=6, depth=4) | arguments),
    "unet": lambda **arguments: UNet(**dict(widths=(4, 8)) | arguments),
    "unet3": lambda **arguments: UNet(**dict(widths=(4, 6, 8)) | arguments),
}
RULES = ["top1", "identity", "learned"]


def network(name, **arguments):
    torch.manual_seed(0)
    return SMALL[name](**arguments).eval()


def awake(net):
    """The network with its attention's V away from 0, where it starts."""
    torch.manual_seed(5)
    torch.nn.init.normal_(net.attention.value.weight, std=0.3)
    return net


def inputs(B=2, C=1, H=8, W=12, seed=1, dtype=torch.float32):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(B, C, H, W, generator=rng, dtype=dtype), torch.rand(B, generator=rng, dtype=dtype)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("attention", [None, *RULES])
@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (3, 3, 4, 12)])
def test_any_shape(name, attention, shape):
    phi, t = inputs(*shape)
    out = network(name, attention=attention, channels=shape[1])(phi, t)
    assert out.shape == phi.shape and out.isfinite().all()


def moved(net, phi, t, y, x):
    """Which output pixels change when the input pixel (y, x) does: (H, W) bool."""
    changed = phi.clone()
    changed[0, :, y, x] += 3.0
    with torch.no_grad():
        return (net(changed, t) - net(phi, t)).abs().amax(dim=1)[0] > 0


@pytest.mark.parametrize("padding", ["zeros", "circular"])
@pytest.mark.parametrize("name, arguments, side", [
    ("resnet", dict(depth=2), 5), ("resnet", dict(depth=4), 9), ("resnet", dict(depth=8), 17),
    ("unet", dict(widths=(4,)), 7), ("unet", dict(), 21), ("unet3", dict(), 49),
])
def test_a_pixel_outside_the_receptive_field_changes_nothing(name, arguments, side, padding):
    """In float64, so that no change is lost to rounding: exactly none outside, and one on the rim of the window."""
    net = network(name, padding=padding, **arguments).double()
    assert net.receptive_field == side
    radius, size = side // 2, 4 * -(-(side + 4) // 4)
    rim = 0
    for x in range(size // 2, size // 2 + 4):  # every phase of the pooling
        for seed in range(3):
            phi, t = inputs(B=1, H=4, W=size, seed=seed, dtype=torch.float64)
            seen = moved(net, phi, t, y=2, x=x).any(dim=0)  # (W,)
            distance = (torch.arange(size) - x).abs()
            if padding == "circular":
                distance = torch.minimum(distance, size - distance)
            assert not seen[distance > radius].any()
            assert seen[x]
            rim = max(rim, distance[seen].max().item())
    assert rim == radius


def test_kamb_and_gangulis_resnet_sees_17_pixels():
    assert ResNet(width=1).receptive_field == 17
    assert ResNet(attention="learned", width=1).receptive_field == 17  # that of the network without attention


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("attention", ["identity", "learned"])
def test_attention_reaches_every_pixel(name, attention):
    net = awake(network(name, attention=attention, **({"depth": 2} if name == "resnet" else {}))).double()
    phi, t = inputs(B=1, H=8, W=120, dtype=torch.float64)
    assert moved(net, phi, t, y=0, x=0).all()


@pytest.mark.parametrize("name, step", [("resnet", 1), ("unet", 2), ("unet3", 4)])
@pytest.mark.parametrize("attention", [None, "learned"])
def test_circular_padding_commutes_with_shifts(name, step, attention):
    """Of any length for the ResNet, of whole pooling cells for the UNet."""
    net = network(name, padding="circular", attention=attention)
    if attention:
        awake(net)
    phi, t = inputs()
    shift = lambda image: image.roll((step, -step), dims=(2, 3))
    torch.testing.assert_close(net(shift(phi), t), shift(net(phi, t)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_zero_padding_sees_the_border(name):
    t = torch.tensor([0.5])
    flat = torch.ones(1, 1, 16, 16)
    spread = lambda padding: (lambda out: (out.amax() - out.amin()).item())(network(name, padding=padding)(flat, t))
    assert spread("zeros") > 1e-3
    if name == "resnet":
        assert spread("circular") < 1e-5


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("attention", [None, "learned"])
def test_images_of_a_batch_do_not_mix(name, attention):
    net = network(name, attention=attention)
    phi, t = inputs(B=4)
    torch.testing.assert_close(net(phi, t)[2:3], net(phi[2:3], t[2:3]), atol=1e-5, rtol=1e-5)


# --- with and without attention ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("attention", RULES)
def test_a_matched_pair_differs_by_the_attention_alone(name, attention):
    plain, other = network(name, classes=3), network(name, classes=3, attention=attention)
    weights, others = plain.state_dict(), other.state_dict()
    for key, weight in weights.items():
        assert torch.equal(weight, others[key]), key
    assert {key.split(".")[0] for key in set(others) - set(weights)} == {"attention"}
    phi, t = inputs()
    labels = torch.tensor([0, 2])
    torch.testing.assert_close(other(phi, t, labels), plain(phi, t, labels))  # V starts at 0
    assert not torch.allclose(awake(other)(phi, t, labels), plain(phi, t, labels))


@pytest.mark.parametrize("attention", RULES)
def test_the_value_gets_a_gradient_at_the_start(attention):
    net = network("unet", attention=attention).train()
    phi, t = inputs()
    net(phi, t).square().sum().backward()
    assert net.attention.value.weight.grad.abs().max() > 0


def test_self_attention_is_its_formula():
    torch.manual_seed(0)
    module = SelfAttention("learned", 5)
    for linear in (module.value, module.rule.query, module.rule.key):
        torch.nn.init.normal_(linear.weight)
    h = torch.randn(2, 5, 2, 3)
    out = module(h)
    for b in range(2):
        z = [h[b, :, y, x] for y in range(2) for x in range(3)]
        q, k, v = module.rule.query.weight, module.rule.key.weight, module.value.weight
        for x in range(6):
            weights = {y: torch.exp((q @ z[x]) @ (k @ z[y]) / 5**0.5) for y in range(6) if y != x}
            context = sum(weight * z[y] for y, weight in weights.items()) / sum(weights.values())
            torch.testing.assert_close(out[b, :, x // 3, x % 3], z[x] + v @ context, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name, positions", [("resnet", 96), ("unet", 24), ("unet3", 6)])
def test_attention_map(name, positions):
    alpha = network(name, attention="learned").attention_map(*inputs())
    assert alpha.shape == (2, positions, positions) and not alpha.requires_grad
    torch.testing.assert_close(alpha.sum(-1), torch.ones(2, positions))
    assert (alpha.diagonal(dim1=1, dim2=2) == 0).all()
    with pytest.raises(ValueError, match="^attention_map: this network has attention=None"):
        network(name).attention_map(*inputs())


# --- labels and time --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_labels_and_time_change_the_output(name):
    net = network(name, classes=4)
    phi, t = inputs()
    one, two = net(phi, t, torch.tensor([0, 1])), net(phi, t, torch.tensor([0, 2]))
    assert torch.equal(one[0], two[0]) and not torch.allclose(one[1], two[1])
    assert not torch.allclose(net(phi, t + 0.05, torch.tensor([0, 1])), one)


@pytest.mark.parametrize("name", SMALL)
def test_labels_are_checked(name):
    phi, t = inputs()
    with pytest.raises(ValueError, match="^labels: got None, want one of 4 classes for each image"):
        network(name, classes=4)(phi, t)
    with pytest.raises(ValueError, match="^labels: got some, want None"):
        network(name)(phi, t, torch.tensor([0, 1]))
    for wrong in ([0, 4], [-1, 0]):
        with pytest.raises(ValueError, match="^labels: got .*, want classes 0 to 3"):
            network(name, classes=4)(phi, t, torch.tensor(wrong))


@pytest.mark.parametrize("arguments, message", [
    (dict(padding="same"), "padding: got 'same', want one of zeros, circular"),
    (dict(attention="soft"), "attention: got 'soft', want None, 'top1', 'identity' or 'learned'"),
])
@pytest.mark.parametrize("name", SMALL)
def test_unknown_options(name, arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        network(name, **arguments)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="^depth: got 1, want at least 2"):
        ResNet(depth=1)
    with pytest.raises(ValueError, match="^widths: got none, want one a scale"):
        UNet(widths=())
    with pytest.raises(ValueError, match="^phi: got 8 x 10 pixels, want multiples of 4"):
        network("unet3")(*inputs(W=10))


@pytest.mark.parametrize("name", SMALL)
def test_a_network_can_be_built_again_from_its_config(name):
    net = network(name, classes=2, attention="learned", padding="circular", channels=3)
    again = type(net)(**net.config)
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in net.state_dict().items()}
