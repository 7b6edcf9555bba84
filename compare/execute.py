"""How a command's study is carried out: once, in a folder, with its table and figures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from compare.cli import bar, set_threads
from compare.report.report import Report
from compare.result import schema
from compare.study.folder import RunFolder, short_hash
from empirical.atomic import write_text


class Plan(NamedTuple):
    """What a command is to compute.

    name: of the folder; resolved: everything that decides the numbers, as JSON; file: the dataset's name
    compute: the dataset, from the folder and the command to be recorded
    report: what is said of the dataset, and its figures
    """

    name: str
    resolved: dict
    file: str
    compute: Callable[[RunFolder, str], xr.Dataset]
    report: Report


def execute(plan: Plan, out: Path | None, command: str, threads: int) -> None:
    """Compute the dataset, unless it is there, write tables and figures, and print the table and where all is."""
    folder = RunFolder(out or Path("runs") / f"{plan.name}-{short_hash(plan.resolved)}", plan.resolved, bar)
    try:
        path = folder.path / plan.file
        if path.is_file():
            sys.stderr.write(f"{folder.path} is done; delete it to run again\n")
        else:
            set_threads(threads)
            schema.write(plan.compute(folder, command), path)
        dataset = schema.read(path)
        text, table, numbers = plan.report.text(dataset), folder.path / "table.txt", folder.path / "summary.csv"
        write_text(table, text)
        write_text(numbers, plan.report.tidy(dataset).to_csv(index=False))
        figures = plan.report.draw(dataset, folder.path / "figures")
    finally:
        folder.close()
    print(text)
    print("\n".join(map(str, ("Written:", path, table, numbers, *figures))))
