"""Plain text tables and numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compare.measure.intervals import Interval


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart under a ruled header; the first column is flush left, as are the others."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def shown(interval: Interval, form: str = ".2f") -> str:
    """"0.71 [0.65, 0.78]", each number in the given format; "undefined" for NaN."""
    if np.isnan(interval.estimate):
        return "undefined"
    return f"{interval.estimate:{form}} [{interval.low:{form}}, {interval.high:{form}}]"
