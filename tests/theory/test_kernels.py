import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose

from tests import naive
from theory._kernels.exponential import exp
from theory.posterior import Posterior, merge


@njit
def exponentials(x):
    out = np.empty_like(x)
    for i in range(x.size):
        out[i] = exp(x[i])
    return out


@pytest.mark.parametrize("dtype, reach, rtol", [(np.float64, 700.0, 1e-15), (np.float32, 87.0, 3e-7)])
def test_exp_is_exp(dtype, reach, rtol):
    x = np.concatenate([np.logspace(-12, np.log10(reach), 20001), [0.0], np.arange(50) * np.log(2) / 2])
    x = np.concatenate([-x, x]).astype(dtype)
    assert exponentials(x).dtype == dtype
    assert_allclose(exponentials(x), np.exp(x.astype(np.float64)), rtol=rtol)
    assert_allclose(exponentials(np.array([-800.0, -np.inf], dtype=dtype)), 0.0, atol=2e-38)


@pytest.mark.parametrize("offset", [0.0, -1e6, 700.0])
def test_merging_parts_is_the_softmax_of_the_whole(rng, offset):
    logits, values = rng.normal(size=(6, 4)) * 50 + offset, rng.normal(size=(6, 4))
    parts = []
    for j in range(6):
        top = logits[j].max()
        w = np.exp(logits[j] - top)
        state = [top, w.sum(), (w * values[j]).sum(), [(w * np.log(w)).sum(), w.sum() * np.log(w.sum())]]
        shapes = [(1, 1, 1), (1, 1, 1), (1, 1, 1, 1), (1, 2, 1, 1)]
        parts.append(Posterior(*map(np.reshape, state, shapes)))
    empty = Posterior(np.full((1, 1, 1), -np.inf), np.zeros((1, 1, 1)), np.zeros((1, 1, 1, 1)), np.zeros((1, 2, 1, 1)))
    everything = np.exp(logits - naive.log_sum_exp(list(logits.ravel())))
    for order in (rng.permutation(6), np.arange(6)):
        merged = merge([empty, *(parts[j] for j in order), empty])
        assert_allclose(merged.mean.item(), naive.softmax_mean(list(logits.ravel()), list(values.ravel())), rtol=1e-9)
        assert_allclose(merged.log_normaliser.item(), naive.log_sum_exp(list(logits.ravel())), rtol=1e-12)
        entropies = naive.entropy(everything.ravel()), naive.entropy(everything.sum(axis=1))
        assert_allclose(merged.entropies.ravel(), entropies, atol=1e-9)
