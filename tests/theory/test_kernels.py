import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose

from tests import naive
from theory._kernels.exponential import exp_negative
from theory.posterior import Posterior, merge


@njit
def exponentials(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = exp_negative(x[i])
    return out


def test_exp_negative_is_exp():
    x = np.concatenate([-np.logspace(-12, np.log10(700), 20001), [0.0], -np.arange(50) * np.log(2) / 2])
    assert_allclose(exponentials(x), np.exp(x), rtol=1e-15)
    assert_allclose(exponentials(np.array([-800.0, -np.inf])), 0.0, atol=1e-300)


@pytest.mark.parametrize("offset", [0.0, -1e6, 700.0])
def test_merging_parts_is_the_softmax_of_the_whole(rng, offset):
    logits, values = rng.normal(size=(6, 4)) * 50 + offset, rng.normal(size=(6, 4))
    parts = []
    for j in range(6):
        top = logits[j].max()
        w = np.exp(logits[j] - top)
        parts.append(Posterior(*(np.reshape(v, s) for v, s in [(top, (1, 1, 1)), (w.sum(), (1, 1, 1)),
                                                              ((w * values[j]).sum(), (1, 1, 1, 1))])))
    empty = Posterior(np.full((1, 1, 1), -np.inf), np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 1)))
    for order in (rng.permutation(6), np.arange(6)):
        merged = merge([empty, *(parts[j] for j in order), empty])
        assert_allclose(merged.mean.item(), naive.softmax_mean(list(logits.ravel()), list(values.ravel())), rtol=1e-9)
        assert_allclose(merged.log_normaliser.item(), naive.log_sum_exp(list(logits.ravel())), rtol=1e-12)
