"""Plain text tables, and the same numbers as a tidy table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from compare.measure.intervals import FEWEST, Interval

TIDY = ("section", "variant", "source", "quantity", "estimate", "low", "high", "n")
"""Columns of summary.csv: a row a number, low and high empty where there is no interval."""


class Steps(NamedTuple):
    """A cell that holds a number for each step; form: of each."""

    values: np.ndarray
    form: str = ".3g"


class Section(NamedTuple):
    """A piece of a report: its text, and its numbers as rows of TIDY."""

    text: str
    numbers: Sequence[tuple] = ()


def table_section(name: str, title: str, header: Sequence[str], rows: Sequence[Sequence], *, variant: str = "",
                  form: str = ".2f", note: str = "", labels: int = 1) -> Section:
    """Return a titled table; cells are text, an Interval, or Steps, and the first `labels` of a row name its source."""
    text = f"{title}\n{format_table(header, [[_cell(cell, form) for cell in row] for row in rows])}{note}"
    return Section(text, [number for row in rows for number in _numbers(name, variant, header, row, labels)])


def as_text(sections: Sequence[Section]) -> str:
    """Return the report, ending in a newline."""
    return "\n\n".join(section.text for section in sections) + "\n"


def as_tidy(sections: Sequence[Section]) -> pd.DataFrame:
    """Return the report's numbers over TIDY."""
    return pd.DataFrame([number for section in sections for number in section.numbers], columns=list(TIDY))


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns two spaces apart under a ruled header, flush left."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def format_interval(interval: Interval, form: str = ".2f") -> str:
    """Return "0.71 [0.65, 0.78]", each number in the given format; "undefined" for NaN.

    Of fewer than FEWEST independent samples "0.71 (n = 3)": an interval of so few says nothing.
    """
    if np.isnan(interval.estimate):
        return "undefined"
    if interval.independent < FEWEST:
        return f"{interval.estimate:{form}} (n = {interval.independent})"
    return f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"


def number(section: str, variant: str, source: str, quantity: str, interval: Interval) -> tuple:
    """Return a row of TIDY."""
    ends = (interval.low, interval.high) if interval.independent >= FEWEST else (np.nan, np.nan)
    return section, variant, source, quantity, interval.estimate, *ends, interval.n


def _cell(cell, form: str) -> str:
    if isinstance(cell, Interval):
        return format_interval(cell, form)
    return " ".join(f"{value:{cell.form}}" for value in cell.values) if isinstance(cell, Steps) else cell


def _numbers(name: str, variant: str, header: Sequence[str], row: Sequence, labels: int) -> Iterator[tuple]:
    source = ", ".join(filter(None, row[:labels]))
    for quantity, cell in zip(header, row):
        if isinstance(cell, Interval):
            yield number(name, variant, source, quantity, cell)
        elif isinstance(cell, Steps):
            for i, value in enumerate(cell.values):
                yield name, variant, source, f"{quantity}, step {i}", float(value), np.nan, np.nan, np.nan
