"""What the campaign of `tests/campaign` did and found, from the records that it wrote."""

import json
from collections import Counter
from pathlib import Path

from page_tables.cells import markdown

RECORDS = Path(__file__).parents[1] / "results" / "reliability"
SPACE = "there are"
"""In the name of a count that says how much there is to try, not how much was tried."""


def reliability_table() -> str:
    """Return what was done in each part of the campaign, and the faults that its records hold."""
    counts, faults = Counter(), Counter()
    for path in sorted(RECORDS.glob("*.json")):
        for part, found in json.loads(path.read_text())["parts"].items():
            for what, count in found["counts"].items():
                if SPACE in what:
                    counts[part, what] = max(counts[part, what], count)
                else:
                    counts[part, what if part == "run_folders" else what.partition(": ")[2] or what] += count
            faults[part] += sum(found["faults"].values())
    rows = [[part, what, f"{count:,}"] for (part, what), count in sorted(counts.items())]
    return markdown(["part", "what", "count"], [*rows, *([part, "**faults**", str(n)] for part, n in faults.items())])
