import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose

from compare.measure.intervals import binomial_interval, bootstrap, bootstrap_interval, mean_interval


@pytest.mark.parametrize("s, n", [(0, 1), (1, 1), (0, 64), (64, 64), (7, 64), (5056, 65536)])
def test_clopper_pearson_matches_scipy(s, n):
    got, want = binomial_interval(s, n), scipy.stats.binomtest(s, n).proportion_ci(0.95, method="exact")
    assert_allclose([got.estimate, got.low, got.high], [s / n, want.low, want.high], rtol=1e-9)
    assert got.n == n


def test_clopper_pearson_known_values():
    """0 of 10: high = 1 - 0.025^(1/10), the closed form; 1 of 10: .0025 and .4450 in printed tables."""
    assert_allclose(binomial_interval(0, 10)[:3], [0.0, 0.0, 1 - 0.025**0.1])
    assert_allclose(binomial_interval(1, 10)[:3], [0.1, 0.0025, 0.4450], atol=5e-5)


def test_bootstrap_of_the_mean_has_the_known_width():
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    got = bootstrap_interval(values, np.nanmean, resamples=4000, seed=1)
    half = 1.96 * values.std() / 20.0
    assert_allclose([got.estimate, got.low, got.high], values.mean() + half * np.array([0, -1, 1]), atol=0.05 * half)


def test_bootstrap_of_the_median_covers():
    """95 % intervals of the median of 50 normal draws hold 0 in 95 % of 300 trials (3 standard errors: 4 %)."""
    rng = np.random.default_rng(2)
    intervals = [bootstrap_interval(rng.normal(size=50), resamples=500, seed=i) for i in range(300)]
    assert 0.90 <= np.mean([low <= 0.0 <= high for _, low, high, *_ in intervals]) <= 0.99


def test_rows_are_drawn_whole():
    """Repeating each value m times in its row adds no information: the interval must not shrink."""
    values = np.random.default_rng(3).normal(size=60)
    alone = bootstrap_interval(values, np.nanmean)
    repeated = bootstrap_interval(np.tile(values[:, None], 5), np.nanmean)
    assert_allclose(repeated[:3], alone[:3], rtol=1e-12)
    assert (alone.n, repeated.n) == (60, 300)


def test_undefined_values_are_counted_and_left_out():
    values = np.array([1.0, np.nan, 2.0, 3.0, np.nan, 2.5, 1.5])
    got = bootstrap_interval(values)
    assert (got.estimate, got.n, got.undefined) == (2.0, 7, 2)
    assert 1.0 <= got.low <= got.high <= 3.0
    none = bootstrap_interval([np.nan, np.nan])
    assert np.isnan(none.estimate) and np.isnan(none.low) and (none.n, none.undefined) == (2, 2)


@pytest.mark.parametrize("shape", [(1,), (4,), (4, 3)])
def test_few_samples_have_no_interval(shape):
    """Training seeds do not count: they share their noise."""
    few = bootstrap_interval(np.ones(shape))
    assert few.estimate == 1.0 and np.isnan([few.low, few.high]).all() and few.sign == 0
    assert few.independent == shape[0]
    assert bootstrap_interval(np.ones((5, 3))).sign == 1


def test_indices_are_drawn_as_values_are():
    values = np.random.default_rng(5).normal(size=20)
    by_index = bootstrap(20, lambda drawn: np.median(values[drawn], axis=1), seed=3)
    assert by_index == bootstrap_interval(values, seed=3)


def test_the_draws_are_those_of_earlier_results():
    """Frozen: intervals printed in docs/results stay what they are."""
    found = bootstrap_interval(np.arange(30.0) ** 2, seed=7)
    assert found[:3] == (210.5, 90.5, 380.5)


@pytest.mark.parametrize("statistic", [np.nanmedian, np.nanmean])
@pytest.mark.parametrize("shape", [(9,), (64, 3), (101, 2)])
def test_values_without_nan_give_the_same_numbers(statistic, shape):
    """To the last bit: the fast way is only for values that are all defined."""
    values = np.random.default_rng(6).normal(size=shape)
    slow = bootstrap(len(values), lambda drawn: statistic(values[drawn].reshape(len(drawn), -1), axis=1))
    assert bootstrap_interval(values, statistic)[:3] == slow[:3]


def test_seed_decides():
    values = np.random.default_rng(4).normal(size=30)
    assert bootstrap_interval(values, seed=7) == bootstrap_interval(values, seed=7)
    assert bootstrap_interval(values, seed=7) != bootstrap_interval(values, seed=8)


@pytest.mark.parametrize("call", [
    lambda: bootstrap_interval([]), lambda: bootstrap_interval(np.ones((2, 2, 2))),
    lambda: bootstrap_interval([1.0], resamples=0),
    lambda: binomial_interval(0, 0), lambda: binomial_interval(5, 4),
])
def test_bad_input(call):
    with pytest.raises(ValueError, match="got .*want"):
        call()


@pytest.mark.parametrize("n", [2, 3, 8])
def test_mean_interval_is_students_t(n):
    values = np.random.default_rng(n).normal(size=n)
    want = scipy.stats.t.interval(0.95, n - 1, loc=values.mean(), scale=scipy.stats.sem(values))
    assert_allclose(mean_interval(values)[:3], [values.mean(), *want])


def test_mean_of_one_unit_has_no_interval():
    assert_allclose(mean_interval([0.3])[:3], [0.3, np.nan, np.nan])


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_mean_interval_wants_one_axis(values):
    with pytest.raises(ValueError, match="values: got shape"):
        mean_interval(values)
