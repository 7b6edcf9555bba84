from compare.measure.intervals import binomial_interval
from compare.report.table import aligned, shown


def test_aligned_and_shown():
    assert aligned(["a", "long"], [["x", "1"], ["yy", ""]]) == "a   long\n--  ----\nx   1\nyy"
    assert shown(binomial_interval(0, 10)) == "0.00 [0.00, 0.31]"
    assert shown(binomial_interval(5, 10), "+.1f") == "+0.5 [+0.2, +0.8]"
