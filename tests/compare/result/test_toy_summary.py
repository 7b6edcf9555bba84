import pytest
from numpy.testing import assert_allclose

from compare.measure.intervals import binomial_interval
from compare.report.table import shown
from compare.report.toy_figures import draw
from compare.report.toy_report import report
from compare.result import summary, toy_summary
from tests.compare.synthetic_results import TOY_SAMPLES, toy_result


@pytest.fixture(scope="module")
def dataset():
    return toy_result()


def test_rates(dataset):
    flags = dataset.consistent.sel(source="cnn/seed0/150").values
    assert toy_summary.rate(dataset, "consistent", "cnn/seed0/150") == binomial_interval(int(flags.sum()), TOY_SAMPLES)
    both = dataset.consistent.sel(source=["cnn/seed0/150", "cnn/seed1/150"])
    assert_allclose(toy_summary.variant_rate(dataset, "consistent", "cnn", 150).estimate, both.mean())
    all_of_them = binomial_interval(TOY_SAMPLES, TOY_SAMPLES)
    assert toy_summary.rate(dataset, "clean", "ideal")[:3] == (1.0, all_of_them.low, 1.0)
    joint = (dataset.consistent & dataset.novel).sel(source="cnn/seed0/150")
    assert toy_summary.rate(dataset, ["consistent", "novel"], "cnn/seed0/150").estimate == joint.mean()
    held, seeds = toy_summary.seeds_holding(dataset, "cnn/seed0/150", "cnn", 150)
    assert 1 <= held <= seeds == 2
    own = dataset.consistent.sel(source="ideal").mean()
    apart = toy_summary.rate_difference(dataset, "ideal", "cnn", 150)
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
