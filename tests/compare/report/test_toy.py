import numpy as np
import pytest

from compare.measure.intervals import Interval
from compare.report import toy
from compare.report.table import TIDY, format_interval
from compare.result import summary
from tests.compare.synthetic_results import toy_result

OWN, FIXED = "uniform fitted to cnn", "uniform k=3 lambda=0.1"


@pytest.fixture(scope="module")
def dataset():
    return toy_result()


@pytest.fixture(scope="module")
def text(dataset):
    return toy.report(dataset)


@pytest.fixture(scope="module")
def numbers(dataset):
    return toy.tidy(dataset)


def test_report_answers_in_words(dataset, text):
    assert f"'{OWN}' draws the very images of 'els fitted to cnn'" in text
    assert f"'{FIXED}' predicts it better than 'els k=3'" in text
    assert format_interval(summary.machine_agreement(dataset, "R2", "wiener", "cnn", 150)) in text
    assert max(map(len, text.splitlines())) < 200


def test_machines_are_chosen_by_what_they_are(dataset, text):
    """Other labels, the same report."""
    renamed = {name: f"machine {i}" for i, name in enumerate(dataset.machine.values.tolist())}
    other = dataset.assign_coords(
        machine=("machine", list(renamed.values()), dataset.machine.attrs),
        source=("source", [renamed.get(name, name) for name in dataset.source.values.tolist()], dataset.source.attrs))
    assert f"'{renamed[FIXED]}' predicts it better than '{renamed['els k=3']}'" in toy.report(other)
    assert toy.tidy(other).estimate.equals(toy.tidy(dataset).estimate)


def test_thinned_images_still_draw_the_very_images(dataset):
    thinned = dataset.assign(predicted=dataset.predicted.where(dataset.sample < 10)).assign_attrs(images_kept=10)
    assert f"'{OWN}' draws the very images of 'els fitted to cnn'" in toy.report(thinned)


def test_tidy_has_every_number_once(dataset, numbers):
    assert tuple(numbers) == TIDY and not numbers.duplicated(["section", "variant", "source", "quantity"]).any()
    rate = numbers.query("section == 'rates' and source == 'cnn, 150' and quantity == 'consistent'").iloc[0]
    found = summary.variant_rate(dataset, "consistent", "cnn")
    assert tuple(rate[["estimate", "low", "high", "n"]]) == found[:4]
    apart = numbers.query("quantity == \"consistency rate minus the network's\"")
    assert apart.source.tolist() == [OWN, FIXED]
    assert apart.estimate.iloc[0] == summary.rate_difference(dataset, OWN, "cnn").estimate
    assert (numbers.low.fillna(-np.inf) <= numbers.estimate).all()
    k = numbers.query("section == 'fits' and source == 'cnn, k of els, cosine'")
    assert k.estimate.tolist() == [3.0] * 5 and k.quantity.iloc[4] == "value at each step, step 4"


@pytest.mark.parametrize("low, high, says", [
    (-0.02, 0.09, "the same within 0.1"), (-0.02, 0.2, "neither shown to differ nor to be the same (margin 0.1)"),
    (0.01, 0.2, "different (margin 0.1)"), (np.nan, np.nan, "neither shown to differ nor to be the same (margin 0.1)")])
def test_rates_are_the_same_by_their_difference_and_a_margin(low, high, says):
    assert toy._equal(Interval(0.05, low, high, 60)) == says


def test_few_samples_have_no_intervals_and_no_verdicts(dataset):
    text = toy.report(dataset.isel(sample=slice(2)))
    assert "predicts it better" not in text and " (n = 2)" in text
    assert "[" not in next(line for line in text.splitlines() if line.startswith("cnn      "))
    assert toy.tidy(dataset.isel(sample=slice(2))).low.isna().all()


def test_figures(dataset, tmp_path):
    paths = toy.draw(dataset, tmp_path / "figures")
    assert [path.name for path in paths] == ["samples.png", "consistency.png", "r2.png"]
    assert len(list((tmp_path / "figures").iterdir())) == 3


def test_rows_of_samples_hold_the_results_images(dataset):
    rows = toy._sample_rows(dataset)
    assert [row.label for row in rows] == ["ideal", "wiener", "local k=5", "els k=3", FIXED, "network cnn/seed0/150",
                                           "els fitted to cnn", OWN]
    network = dataset.sel(network="cnn/seed0/150", source="cnn/seed0/150")
    np.testing.assert_array_equal(rows[5].images, network.generated[:20])
    np.testing.assert_array_equal(rows[5].marked, network.consistent[:20])
    assert [row.strong for row in rows].index(True) == 5
