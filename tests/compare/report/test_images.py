import numpy as np
import pytest

from compare.report import images
from compare.report.table import format_interval
from compare.result import summary
from tests.compare.synthetic_results import IMAGE_STEPS, image_result

ELS = "els fitted to resnet"


@pytest.fixture(scope="module")
def dataset():
    return image_result()


def test_report_says_it_beside_the_published(dataset):
    text = images.report(dataset)
    lines = text.splitlines()
    assert text.startswith("mnist: 5,000 training images of 1 x 5 x 6, unconditional, zeros; 30 samples, seed 3; ")
    els = next(line for line in lines if line.startswith(ELS + " "))
    assert format_interval(summary.machine_agreement(dataset, "pearson_r", ELS, "resnet", 150)) in els
    assert els.endswith("0.94 [0.94]")
    assert next(line for line in lines if line.startswith("local fitted to resnet ")).endswith("0.82 [0.84]")
    assert next(line for line in lines if line.startswith("ideal ")).endswith("0.61 [0.62]")
    assert not next(line for line in lines if line.startswith("els by entropy ")).endswith("0.94 [0.94]")
    assert "they print it as r2" in text and max(map(len, lines)) < 240


def test_tidy_has_the_sections_numbers(dataset):
    numbers = images.tidy(dataset)
    assert not numbers.duplicated(["section", "variant", "source", "quantity"]).any()
    of = lambda section: numbers[numbers.section == section]
    won = of("wins").query("source == 'resnet/seed1/150' and quantity == 'ideal'").iloc[0]
    assert tuple(won[["estimate", "low", "high", "n"]]) == summary.wins(dataset, ELS, "ideal", "resnet/seed1/150")[:4]
    gain = of("gain").iloc[0]
    assert gain.source == "identity fitted to resnet-identity" and gain.low > 0.0
    assert of("training").query(f"source == '{ELS}'").quantity.tolist() == ["10", "100", "1,000", "9,000"]
    assert len(of("path").query(f"variant == 'resnet' and source == '{ELS}'")) == IMAGE_STEPS
    assert of("novelty").source.tolist() == dataset.source.values.tolist()


def test_report_lists_the_windows_from_the_least_noise(dataset):
    ours = " ".join([" 3"] * 10 + [" 5"] * 10)
    for text in (images.report(dataset), images.FITS.text(dataset)):
        rows = {tuple(line.split("  ")[0:1]) + (part,): line for line in text.splitlines()
                for part in ("k of els, cosine", "KG 2025", "lambda") if part in line}
        assert rows["resnet", "k of els, cosine"].rstrip().endswith(ours)
        assert rows["resnet", "KG 2025"].rstrip().endswith(" 7  7  9  9 11 11 11 11 13 15 15 15 15 15")
        assert rows["resnet-identity", "lambda"].rstrip().endswith(" ".join(["0.1"] * IMAGE_STEPS))
    chosen = images.FITS.tidy(dataset).query("source == 'resnet-identity, lambda'")
    assert chosen.estimate.tolist() == [0.1] * IMAGE_STEPS


def test_figures(dataset, tmp_path):
    paths = images.draw(dataset, tmp_path / "figures")
    assert [path.name for path in paths] == ["pairs.png", "scatter.png", "scales.png", "path.png", "training.png"]
    without = images.draw(dataset.drop_dims("snapshot_step"), tmp_path / "fewer")
    assert [path.name for path in without] == ["pairs.png", "scatter.png", "scales.png", "path.png"]
    assert [path.name for path in images.FITS.draw(dataset, tmp_path / "alone")] == ["scales.png"]


def test_pairs_hold_the_results_images(dataset):
    rows = images._rows(dataset)
    assert [row.label for row in rows[:3]] == ["network resnet/seed0/150", ELS, "local fitted to resnet"]
    assert [row.label for row in rows[-3:]] == ["ideal", "wiener", "els by entropy"]
    np.testing.assert_array_equal(rows[1].images, dataset.predicted.sel(machine=ELS)[:14])
