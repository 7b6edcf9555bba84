import math

import pytest
import torch

from empirical.networks import ResNet, UNet
from empirical.networks.parametrization import as_eps, error_scale
from theory.schedules import CosineSchedule


def noised(B=5, seed=0):
    rng = torch.Generator().manual_seed(seed)
    x0, eps = (torch.randn(B, 2, 3, 4, generator=rng, dtype=torch.float64) for _ in range(2))
    t = torch.linspace(0.01, 1.0, B, dtype=torch.float64)
    abar = torch.from_numpy(CosineSchedule().alpha_bar(t.numpy()))[:, None, None, None]
    return x0, eps, t, abar.sqrt(), (1 - abar).sqrt()


def test_v_of_salimans_and_ho_means_its_noise():
    x0, eps, t, signal, noise = noised()
    phi, v = signal * x0 + noise * eps, signal * eps - noise * x0
    torch.testing.assert_close(as_eps("v", v, phi, t), eps)
    assert as_eps("eps", eps, phi, t) is eps


def test_errors_of_v_are_larger_than_those_of_eps_by_their_scale():
    x0, eps, t, signal, noise = noised()
    phi, v = signal * x0 + noise * eps, signal * eps - noise * x0
    wrong = v + 0.01
    error = as_eps("v", wrong, phi, t) - eps
    torch.testing.assert_close(error_scale("v", t) * error, wrong - v)
    assert error_scale("eps", t) == 1.0
    assert error_scale("v", torch.ones(1)).item() == pytest.approx(1 / math.cos(math.pi / 2 / 1.008), rel=1e-4)


@pytest.mark.parametrize("build", [lambda **a: ResNet(width=4, depth=3, **a), lambda **a: UNet(widths=(4, 8), **a)])
def test_both_parametrizations_are_one_network_with_another_reading(build):
    networks = {}
    for parametrization in ("eps", "v"):
        torch.manual_seed(0)
        networks[parametrization] = build(channels=2, parametrization=parametrization).double()
    phi, t = torch.randn(5, 2, 4, 4, dtype=torch.float64), torch.linspace(0.01, 1, 5, dtype=torch.float64)
    torch.testing.assert_close(networks["v"](phi, t), as_eps("v", networks["eps"](phi, t), phi, t))
    with pytest.raises(ValueError, match="^parametrization: got 'x0', want one of eps, v"):
        build(parametrization="x0")
