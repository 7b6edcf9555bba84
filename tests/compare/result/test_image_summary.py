import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.measure.intervals import binomial_interval
from compare.report import image_figures
from compare.report.image_report import report, scales_report
from compare.report.table import shown
from compare.result import image_summary, summary
from tests.compare.synthetic_results import IMAGE_SAMPLES, IMAGE_STEPS, image_result

ELS = "els fitted to resnet"


@pytest.fixture(scope="module")
def dataset():
    return image_result()


def test_wins_count_samples(dataset):
    r = dataset.pearson_r.sel(network="resnet/seed0/150")
    won = sum(float(r.sel(machine=ELS, sample=s)) > float(r.sel(machine="ideal", sample=s))
              for s in range(IMAGE_SAMPLES))
    assert image_summary.wins(dataset, ELS, "ideal", "resnet/seed0/150") == binomial_interval(won, IMAGE_SAMPLES)
    assert image_summary.wins(dataset, ELS, ELS, "resnet/seed0/150").estimate == 0.0


def test_an_undefined_r_is_no_win(dataset):
    spoilt = dataset.copy(deep=True)
    spoilt.pearson_r.loc[dict(machine=ELS, sample=0)] = np.nan
    spoilt.pearson_r.loc[dict(machine="wiener", sample=1)] = np.nan
    before = image_summary.wins(dataset, ELS, "ideal", "resnet/seed0/150").estimate * IMAGE_SAMPLES
    after = image_summary.wins(spoilt, ELS, "ideal", "resnet/seed0/150").estimate * IMAGE_SAMPLES
    assert round(before - after) == 1
    assert image_summary.wins(spoilt, ELS, "wiener", "resnet/seed0/150").estimate <= (IMAGE_SAMPLES - 2) / IMAGE_SAMPLES


def test_medians_along_path_and_training(dataset):
    values = dataset.path_pearson_r.values[4, 0]
    assert_allclose(image_summary.path_agreement(dataset, ELS, "resnet"), np.median(values, axis=0))
    found = image_summary.training_agreement(dataset, ELS)
    assert_allclose([f.estimate for f in found], np.median(dataset.snapshot_pearson_r.values[4], axis=-1))
    assert all(f.low <= f.estimate <= f.high for f in found) and len(found) == 4
    assert_allclose(image_summary.distance(dataset, "ideal").estimate,
                    np.median(dataset.nearest_distance.sel(source="ideal")))


def test_report_says_it_beside_the_published(dataset):
    text = report(dataset)
    lines = text.splitlines()
    assert text.startswith("mnist: 5,000 training images of 1 x 5 x 6, unconditional, zeros; 30 samples, seed 3; ")
    els = next(line for line in lines if line.startswith(ELS + " "))
    assert shown(summary.machine_agreement(dataset, "pearson_r", ELS, "resnet", 150)) in els
    assert els.endswith("0.94 [0.94]")
    assert next(line for line in lines if line.startswith("local fitted to resnet ")).endswith("0.82 [0.84]")
    assert next(line for line in lines if line.startswith("ideal ")).endswith("0.61 [0.62]")
    assert shown(image_summary.wins(dataset, ELS, "ideal", "resnet/seed1/150")) in text
    assert "ceiling: another training seed" in text and "the network's 20 steps with its 150" in text
    assert ("'identity fitted to resnet-identity' predicts it better than 'els fitted to resnet-identity':\n"
            "  paired difference of r2, mean +0.") in text
    assert max(map(len, lines)) < 200


def test_report_lists_the_windows_from_the_least_noise(dataset):
    ours = " ".join([" 3"] * 10 + [" 5"] * 10)
    for text in (report(dataset), scales_report(dataset)):
        rows = {tuple(line.split("  ")[0:1]) + (part,): line for line in text.splitlines()
                for part in ("k of els, cosine", "KG 2025", "lambda") if part in line}
        assert rows["resnet", "k of els, cosine"].rstrip().endswith(ours)
        assert rows["resnet", "KG 2025"].rstrip().endswith(" 7  7  9  9 11 11 11 11 13 15 15 15 15 15")
        assert rows["resnet-identity", "lambda"].rstrip().endswith(" ".join(["0.1"] * IMAGE_STEPS))


def test_figures(dataset, tmp_path):
    paths = image_figures.draw(dataset, tmp_path / "figures")
    assert [path.name for path in paths] == ["pairs.png", "scatter.png", "scales.png", "path.png", "training.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    without = image_figures.draw(dataset.drop_dims("snapshot_step"), tmp_path / "fewer")
    assert [path.name for path in without] == ["pairs.png", "scatter.png", "scales.png", "path.png"]
    assert [path.name for path in image_figures.draw_calibration(dataset, tmp_path / "alone")] == ["scales.png"]
