"""The stationarity condition of docs/theory/attention.md, term by term, is the gradient that torch finds."""

import torch
from torch.testing import assert_close


def test_the_condition_is_the_gradient_of_the_loss():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(7, 3, generator=generator, dtype=torch.float64, requires_grad=True)     # one local output a pixel
    x0 = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    alpha = torch.softmax(z @ z.T, dim=1)
    mean = alpha @ z
    r = z + mean - x0
    (found,) = torch.autograd.grad(0.5 * (r**2).sum(), z)

    I = torch.eye(3, dtype=torch.float64)
    for q in range(7):
        covariance = (z - mean[q]).T @ (alpha[q, :, None] * (z - mean[q]))
        as_query = (I + covariance) @ r[q]
        as_context = sum(alpha[x, q] * (I + torch.outer(z[x], z[q] - mean[x])) @ r[x] for x in range(7))
        assert_close(found[q], (as_query + as_context).detach())
