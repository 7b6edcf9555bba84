import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare import toy_summary as summary
from compare.intervals import binomial_interval
from compare.metrics import agreement
from compare.plots import mosaic
from compare.provenance import provenance
from compare.results import Generation, Prediction, build
from compare.table import aligned, shown
from compare.toy_figures import draw
from compare.toy_report import report

S = 40
MACHINES = ["ideal", "wiener", "local k=5", "els k=3", "els k=5", "uniform k=3 lambda=0.1", "els fitted to cnn",
            "uniform fitted to cnn"]


@pytest.fixture(scope="module")
def dataset():
    """40 samples, eight machines, the variant cnn with two training seeds at 20 and 150 steps; made-up images."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(S, 3, 4, 2))
    near = lambda noise: truth + noise * rng.normal(size=truth.shape)
    images = {name: near(1.0) for name in MACHINES}
    images["uniform k=3 lambda=0.1"] = near(0.2)
    images["uniform fitted to cnn"] = images["els fitted to cnn"]
    judge = lambda images: {name: images.mean((1, 2, 3)) > cut
                            for name, cut in (("consistent", 0.0), ("clean", -9.0), ("novel", 9.0))}
    attrs = provenance(command="", config={"seed": 3, "steps": 5, "fixed_patch_size": 3, "fixed_strength": 0.1},
                       seeds={"seed": 3, "calibrated_on_training_seed": 0}, data_fingerprint="", device="cpu",
                       wall_seconds=1.0)
    result = build(truth, [Prediction(name, images[name], [3] * 5, [0.0] * 5) for name in MACHINES],
                   [Generation("cnn", seed, steps, near(0.3)) for seed in (0, 1) for steps in (20, 150)], judge,
                   attrs | {"training_images": 7})
    labels = {"long_name": "index of the calibration sample", "units": "1"}
    return result.assign_coords(calibration_sample=("calibration_sample", [0, 1], labels))


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


def test_rates(dataset):
    flags = dataset.consistent.sel(source="cnn/seed0/150").values
    assert summary.rate(dataset, "consistent", "cnn/seed0/150") == binomial_interval(int(flags.sum()), S)
    both = dataset.consistent.sel(source=["cnn/seed0/150", "cnn/seed1/150"])
    assert_allclose(summary.variant_rate(dataset, "consistent", "cnn", 150).estimate, both.mean())
    assert summary.rate(dataset, "clean", "ideal")[:3] == (1.0, binomial_interval(S, S).low, 1.0)
    held, seeds = summary.seeds_holding(dataset, "cnn/seed0/150", "cnn", 150)
    assert 1 <= held <= seeds == 2
    own = dataset.consistent.sel(source="ideal").mean()
    apart = summary.rate_difference(dataset, "ideal", "cnn", 150)
    assert_allclose(apart.estimate, own - both.mean(), atol=1e-12)
    assert apart.low < apart.estimate < apart.high


def test_report_answers_in_words(dataset):
    text = report(dataset)
    assert "'uniform fitted to cnn' draws the very images of 'els fitted to cnn'" in text
    assert "'uniform k=3 lambda=0.1' predicts it better than 'els k=3'" in text
    assert "0.0771 one-to-one, 0.2551 any function" in text and "0.1088" in text
    assert shown(summary.machine_agreement(dataset, "R2", "wiener", "cnn", 150)) in text
    assert max(map(len, text.splitlines())) < 200


def test_figures(dataset, tmp_path):
    paths = draw(dataset, tmp_path / "figures")
    assert [path.name for path in paths] == ["samples.png", "consistency.png", "r2.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert len(list((tmp_path / "figures").iterdir())) == 3


def test_mosaic_places_each_image():
    images = np.random.default_rng(0).uniform(-1.5, 1.5, size=(2, 3, 3, 4, 2))
    picture = mosaic(images, gap=1)
    assert picture.shape == (11, 10, 3)
    assert_allclose(picture[6:10, 4:6], np.clip((images[1, 1].transpose(1, 2, 0) + 1) / 2, 0, 1))
    assert_allclose(picture[5], 1.0)
    assert_allclose(mosaic(images[:, :, :1])[1, 1], np.clip((images[0, 0, 0, 0, 0] + 1) / 2, 0, 1))


def test_aligned_and_shown():
    assert aligned(["a", "long"], [["x", "1"], ["yy", ""]]) == "a   long\n--  ----\nx   1\nyy"
    assert shown(binomial_interval(0, 10)) == "0.00 [0.00, 0.31]"
    assert shown(binomial_interval(5, 10), "+.1f") == "+0.5 [+0.2, +0.8]"
