import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.measure.agreement import agreement
from compare.result import summary
from tests.compare.synthetic_results import toy_result


@pytest.fixture(scope="module")
def dataset():
    return toy_result()


def test_medians_are_over_samples_and_training_seeds(dataset):
    values = dataset.r2.sel(machine="ideal", network=["cnn/seed0/150", "cnn/seed1/150"])
    assert summary.machine_agreement(dataset, "r2", "ideal", "cnn", 150).estimate == np.median(values)
    assert summary.networks_of(dataset, "cnn", 20) == ["cnn/seed0/20", "cnn/seed1/20"]
    assert summary.most_steps(dataset) == 150


def test_ceilings(dataset):
    image = lambda name: dataset.generated.sel(network=name).values
    between = agreement(image("cnn/seed0/150"), image("cnn/seed1/150")).pearson_r
    assert_allclose(summary.seed_ceiling(dataset, "pearson_r", "cnn", 150).estimate, np.median(between))
    own = [agreement(image(f"cnn/seed{seed}/20"), image(f"cnn/seed{seed}/150")).R2 for seed in (0, 1)]
    assert_allclose(summary.step_ceiling(dataset, "R2", "cnn").estimate, np.median(own))


def test_paired_difference(dataset):
    """The closer machine wins with an interval above 0; a machine against itself differs by exactly 0."""
    better = summary.gain(dataset, "uniform k=3 lambda=0.1", "els k=3", "cnn", 150)
    networks = ["cnn/seed0/150", "cnn/seed1/150"]
    both = dataset.r2.sel(network=networks)
    assert_allclose(better.estimate, (both.sel(machine="uniform k=3 lambda=0.1") - both.sel(machine="els k=3")).mean())
    assert 0.0 < better.low < better.estimate < better.high
    assert summary.gain(dataset, "ideal", "ideal", "cnn", 150)[:3] == (0.0, 0.0, 0.0)
