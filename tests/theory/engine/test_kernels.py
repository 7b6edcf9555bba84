import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose

from tests import naive
from theory._kernels.vector import exp2, lanes, load, pointer, store
from theory.engine.softmax import Posterior, merge


@njit
def powers_of_two(x):
    out, source = np.empty_like(x), pointer(x)
    target = pointer(out)
    for i in range(0, x.size, lanes(source)):
        store(target, i, exp2(load(source, i)))
    return out


@pytest.mark.parametrize("dtype, reach, rtol", [(np.float64, 1000.0, 1e-15), (np.float32, 100.0, 4e-7)])
def test_exp2_is_exp2(dtype, reach, rtol):
    x = np.concatenate([np.logspace(-12, np.log10(reach), 20001), [0.0], np.arange(62) / 2])
    x = np.concatenate([-x, x[x < 120]]).astype(dtype)
    x = x[: len(x) // 16 * 16]
    assert powers_of_two(x).dtype == dtype
    assert_allclose(powers_of_two(x), np.exp2(x.astype(np.float64)), rtol=rtol)
    assert_allclose(powers_of_two(np.array([-1100.0, -np.inf] * 8, dtype=dtype)), 0.0, atol=1e-30)


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
