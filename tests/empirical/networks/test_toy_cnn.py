import pytest
import torch

from empirical.networks import ToyCNN
from empirical.networks.attention import IdentityAttention, LearnedAttention, TopOneAttention

VARIANTS = [None, "top1", "identity", "learned"]


def network(**arguments):
    torch.manual_seed(0)
    return ToyCNN(**dict(width=12) | arguments).eval()


def inputs(B=2, C=3, H=9, W=11, seed=1):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(B, C, H, W, generator=rng), torch.rand(B, generator=rng)


@pytest.mark.parametrize("attention", VARIANTS)
@pytest.mark.parametrize("shape", [(1, 3, 4, 2), (5, 1, 2, 1), (3, 3, 7, 10)])
def test_any_shape(attention, shape):
    phi, t = inputs(*shape)
    out = network(attention=attention, channels=shape[1])(phi, t)
    assert out.shape == phi.shape and out.isfinite().all()


def trained(net):
    """Weights as after some training: none of the layers that start at 0 is left there."""
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return net


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("padding", ["zeros", "circular"])
def test_receptive_field_is_five_by_five_and_no_more(padding, depth):
    net = trained(network(padding=padding, depth=depth))
    phi, t = inputs(B=1)
    changed = phi.clone()
    changed[0, :, 4, 5] += 1.0
    moved = (net(changed, t) - net(phi, t)).abs().amax(dim=1)[0] > 0  # (H, W)
    inside = torch.zeros_like(moved)
    inside[2:7, 3:8] = True
    assert torch.equal(moved, inside)
    assert net.receptive_field == 5


@pytest.mark.parametrize("attention", ["identity", "learned"])
def test_attention_reaches_every_pixel(attention):
    net = network(attention=attention)
    phi, t = inputs(B=1)
    changed = phi.clone()
    changed[0, :, 0, 0] += 1.0
    assert ((net(changed, t) - net(phi, t)).abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("attention", VARIANTS)
def test_circular_padding_commutes_with_shifts(attention):
    net = network(padding="circular", attention=attention)
    phi, t = inputs()
    shift = lambda image: image.roll((3, -2), dims=(2, 3))
    torch.testing.assert_close(net(shift(phi), t), shift(net(phi, t)), atol=1e-5, rtol=1e-5)


def test_zero_padding_sees_the_border():
    net = network()
    phi, t = torch.ones(1, 3, 9, 9), torch.tensor([0.5])
    out = net(phi, t)
    torch.testing.assert_close(out[..., 2:7, 2:7], out[..., 4:5, 4:5].expand(1, 3, 5, 5))
    assert (out[..., 0, 0] - out[..., 4, 4]).abs().max() > 1e-4


@pytest.mark.parametrize("attention", VARIANTS)
def test_images_of_a_batch_do_not_mix(attention):
    net = network(attention=attention)
    phi, t = inputs(B=4, H=4, W=2)
    torch.testing.assert_close(net(phi, t)[2:3], net(phi[2:3], t[2:3]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("attention", ["top1", "identity", "learned"])
def test_variants_differ_by_the_attention_alone(attention, depth):
    plain, other = network(depth=depth).state_dict(), network(depth=depth, attention=attention).state_dict()
    for name, weight in plain.items():
        assert torch.equal(weight, other[name]), name
    assert {name.split(".")[0] for name in set(other) - set(plain)} <= {"attention", "value"}


def test_depth_starts_as_the_shallow_network():
    phi, t = inputs()
    shallow, deep = network(), network(depth=3)
    for name, weight in shallow.state_dict().items():
        assert torch.equal(weight, deep.state_dict()[name]), name
    assert torch.equal(deep(phi, t), shallow(phi, t))
    assert not torch.equal(trained(deep)(phi, t), trained(shallow)(phi, t))


def test_depth_is_its_formula():
    """z_x + W' silu(W z_x + b) + b', layer after layer."""
    net = trained(network(depth=2))
    phi, t = inputs()
    z, layers = net.features(phi, t), net.layers
    net.layers = torch.nn.ModuleList()
    by_hand = net.features(phi, t)
    for first, _, last in layers:
        h = by_hand @ first.weight.T + first.bias
        by_hand = by_hand + (h * h.sigmoid()) @ last.weight.T + last.bias
    torch.testing.assert_close(z, by_hand)


def test_learned_attention_starts_as_identity_attention():
    phi, t = inputs()
    torch.testing.assert_close(network(attention="learned")(phi, t), network(attention="identity")(phi, t))


@pytest.mark.parametrize("attention", ["top1", "identity", "learned"])
def test_attention_map_rows_sum_to_one_and_leave_themselves_out(attention):
    alpha = network(attention=attention).attention_map(*inputs(H=4, W=3))
    assert alpha.shape == (2, 12, 12) and not alpha.requires_grad
    assert (alpha >= 0).all()
    torch.testing.assert_close(alpha.sum(-1), torch.ones(2, 12))
    assert (alpha.diagonal(dim1=1, dim2=2) == 0).all()
    assert ((alpha == 0) | (alpha == 1)).all() == (attention == "top1")


def test_identity_attention_is_its_formula():
    z = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0))
    alpha = IdentityAttention()(z)[0]
    for x in range(4):
        weights = {y: torch.exp(z[0, x] @ z[0, y] / 6**0.5) for y in range(4) if y != x}
        for y, weight in weights.items():
            torch.testing.assert_close(alpha[x, y], weight / sum(weights.values()))


def test_top_one_takes_the_largest_of_the_same_similarities():
    z = torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0))
    top_one, soft = TopOneAttention().eval()(z), IdentityAttention()(z)
    assert torch.equal(top_one.argmax(-1), soft.argmax(-1))


def test_learned_attention_is_its_formula():
    torch.manual_seed(3)
    attention = LearnedAttention(6)
    torch.nn.init.normal_(attention.query.weight)
    z = torch.randn(1, 5, 6)
    logits = (z @ attention.query.weight.T) @ (z @ attention.key.weight.T).transpose(1, 2) / 6**0.5
    logits[0].fill_diagonal_(-torch.inf)
    torch.testing.assert_close(attention(z), logits.softmax(-1))


def test_straight_through_is_hard_forward_and_soft_backward():
    attention = TopOneAttention().train()
    torch.manual_seed(0)
    z = torch.randn(2, 5, 6, requires_grad=True)
    alpha = attention(z)
    hard = alpha.detach().round()
    torch.testing.assert_close(alpha.detach(), hard)
    assert (hard.sum(-1) == 1).all() and (hard.diagonal(dim1=1, dim2=2) == 0).all()
    (alpha * torch.randn(alpha.shape)).sum().backward()
    assert z.grad.isfinite().all() and (z.grad.abs().sum(-1) > 0).all()


def test_straight_through_draws_from_the_softmax():
    torch.manual_seed(0)
    z = torch.randn(1, 4, 6)
    draws = TopOneAttention().train()(z.expand(20_000, -1, -1)).mean(0)
    torch.testing.assert_close(draws, IdentityAttention()(z)[0], atol=0.015, rtol=0)


def test_labels_change_the_output():
    net = network(classes=4)
    phi, t = inputs()
    assert not torch.equal(net(phi, t, torch.tensor([0, 1])), net(phi, t, torch.tensor([0, 2])))
    with pytest.raises(ValueError, match="^labels: got None, want one of 4"):
        net(phi, t)
    with pytest.raises(ValueError, match="^labels: got some, want None"):
        network()(phi, t, torch.tensor([0, 1]))


@pytest.mark.parametrize("attention", VARIANTS)
def test_float64(attention):
    net = network(attention=attention)
    phi, t = inputs()
    single, double = net(phi, t), net.double()(phi.double(), t.double())
    torch.testing.assert_close(double.float(), single, atol=1e-4, rtol=1e-4)


def test_time_changes_the_output():
    net = network()
    phi, t = inputs()
    assert not torch.equal(net(phi, t), net(phi, t + 0.01))


@pytest.mark.parametrize("arguments, name", [
    ({"attention": "soft"}, "attention"), ({"padding": "same"}, "padding"), ({"depth": -1}, "depth")])
def test_unknown_options(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: got .*, want "):
        ToyCNN(**arguments)


def test_attention_needs_attention_and_a_second_pixel():
    with pytest.raises(ValueError, match="^attention_map: this network has attention=None"):
        network().attention_map(*inputs())
    with pytest.raises(ValueError, match="^phi: got an image of one pixel"):
        network(attention="identity")(*inputs(H=1, W=1))
