"""Numbers, intervals and tables as markdown text."""

import numpy as np

from compare.measure.intervals import Interval

NO_BREAK = "\N{NO-BREAK SPACE}"


def number(value: float, digits: int = 2, sign: bool = False) -> str:
    """Return a number with so many decimals, an empty string for NaN."""
    return "" if np.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def interval(found: Interval, digits: int = 2, sign: bool = False) -> str:
    """Return an estimate and its interval in brackets, on one line; the estimate alone where there is none."""
    estimate = number(found.estimate, digits, sign)
    if np.isnan(found.low):
        return estimate
    return f"{estimate} [{number(found.low, digits, sign)}, {number(found.high, digits, sign)}]".replace(" ", NO_BREAK)


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
