import numpy as np
import pandas as pd
import pytest

from compare.measure.intervals import binomial_interval
from compare.report.table import Steps, as_text, as_tidy, format_interval, format_table, table_section


def test_columns_are_flush_left_under_a_rule():
    assert format_table(["a", "long"], [["x", "1"], ["yy", ""]]) == "a   long\n--  ----\nx   1\nyy"


@pytest.mark.parametrize("of, form, says", [
    ((0, 10), ".2f", "0.00 [0.00, 0.31]"), ((5, 10), "+.1f", "+0.5 [+0.2, +0.8]"), ((1, 4), ".2f", "0.25 (n = 4)")])
def test_intervals(of, form, says):
    assert format_interval(binomial_interval(*of), form) == says


def test_a_section_is_text_and_its_numbers():
    section = table_section("rates", "A title", ["source", "steps", "rate", "k"], [
        ["cnn", "20", binomial_interval(5, 10), Steps(np.array([3, 5]), "2.0f")], ["all", "", "text", ""],
        ["few", "", binomial_interval(1, 2), ""]], variant="cnn", form=".1f", labels=2)
    assert as_text([section]) == (
        "A title\nsource  steps  rate            k\n------  -----  --------------  -----\n"
        "cnn     20     0.5 [0.2, 0.8]   3  5\nall            text\nfew            0.5 (n = 2)\n")
    low, high = binomial_interval(5, 10)[1:3]
    pd.testing.assert_frame_equal(as_tidy([section]), pd.DataFrame({
        "section": ["rates"] * 4, "variant": ["cnn"] * 4, "source": ["cnn, 20"] * 3 + ["few"],
        "quantity": ["rate", "k, step 0", "k, step 1", "rate"], "estimate": [0.5, 3.0, 5.0, 0.5],
        "low": [low, np.nan, np.nan, np.nan], "high": [high, np.nan, np.nan, np.nan], "n": [10, np.nan, np.nan, 2]}))
