import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.measure.agreement import agreement
from compare.measure.intervals import binomial_interval
from compare.result import summary
from tests.compare.synthetic_results import IMAGE_SAMPLES, TOY_SAMPLES, image_result, toy_result

ELS = "els fitted to resnet"


@pytest.fixture(scope="module")
def dataset():
    return toy_result()


@pytest.fixture(scope="module")
def images():
    return image_result()


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
    better = summary.gain(dataset, "uniform k=3 lambda=0.1", "els k=3", "cnn")
    networks = ["cnn/seed0/150", "cnn/seed1/150"]
    both = dataset.r2.sel(network=networks)
    assert_allclose(better.estimate, (both.sel(machine="uniform k=3 lambda=0.1") - both.sel(machine="els k=3")).mean())
    assert 0.0 < better.low < better.estimate < better.high
    assert summary.gain(dataset, "ideal", "ideal", "cnn")[:3] == (0.0, 0.0, 0.0)


def test_rates(dataset):
    flags = dataset.consistent.sel(source="cnn/seed0/150").values
    assert summary.rate(dataset, "consistent", "cnn/seed0/150") == binomial_interval(int(flags.sum()), TOY_SAMPLES)
    both = dataset.consistent.sel(source=["cnn/seed0/150", "cnn/seed1/150"])
    assert_allclose(summary.variant_rate(dataset, "consistent", "cnn").estimate, both.mean())
    assert summary.rate(dataset, "clean", "ideal") == binomial_interval(TOY_SAMPLES, TOY_SAMPLES)
    joint = (dataset.consistent & dataset.novel).sel(source="cnn/seed0/150")
    assert summary.rate(dataset, ["consistent", "novel"], "cnn/seed0/150").estimate == joint.mean()
    own = dataset.consistent.sel(source="ideal").mean()
    apart = summary.rate_difference(dataset, "ideal", "cnn")
    assert_allclose(apart.estimate, own - both.mean(), atol=1e-12)
    assert apart.low < apart.estimate < apart.high


def test_wins_count_samples(images):
    r = images.pearson_r.sel(network="resnet/seed0/150")
    won = sum(float(r.sel(machine=ELS, sample=s)) > float(r.sel(machine="ideal", sample=s))
              for s in range(IMAGE_SAMPLES))
    assert summary.wins(images, ELS, "ideal", "resnet/seed0/150") == binomial_interval(won, IMAGE_SAMPLES)
    assert summary.wins(images, ELS, ELS, "resnet/seed0/150").estimate == 0.0


def test_an_undefined_r_is_no_win(images):
    spoilt = images.copy(deep=True)
    spoilt.pearson_r.loc[dict(machine=ELS, sample=0)] = np.nan
    spoilt.pearson_r.loc[dict(machine="wiener", sample=1)] = np.nan
    before = summary.wins(images, ELS, "ideal", "resnet/seed0/150").estimate * IMAGE_SAMPLES
    after = summary.wins(spoilt, ELS, "ideal", "resnet/seed0/150").estimate * IMAGE_SAMPLES
    assert round(before - after) == 1
    assert summary.wins(spoilt, ELS, "wiener", "resnet/seed0/150").estimate <= (IMAGE_SAMPLES - 2) / IMAGE_SAMPLES


def test_medians_along_path_and_training(images):
    values = images.path_pearson_r.sel(machine=ELS, fitted_variant="resnet").values
    assert_allclose(summary.path_agreement(images, ELS, "resnet"), np.median(values, axis=0))
    found = summary.training_agreement(images, ELS)
    assert_allclose([f.estimate for f in found], images.snapshot_pearson_r.sel(machine=ELS).median("sample"))
    assert all(f.low <= f.estimate <= f.high for f in found) and len(found) == 4
    assert_allclose(summary.distance(images, "ideal").estimate,
                    np.median(images.nearest_distance.sel(source="ideal")))
