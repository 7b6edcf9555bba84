"""What a command is to compute, and how it is carried out: once, in a folder, with its table and figures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from compare.cli import bar, set_threads
from compare.result import schema as results
from compare.study.folder import RunFolder, short_hash
from empirical.atomic import write_text


class Plan(NamedTuple):
    """name: of the folder; resolved: everything that decides the numbers, as JSON; file: the dataset's name
    compute: the dataset, from the folder and the command to be recorded; report: the dataset as text; draw: its
    figures, written into a folder."""

    name: str
    resolved: dict
    file: str
    compute: Callable[[RunFolder, str], xr.Dataset]
    report: Callable[[xr.Dataset], str]
    draw: Callable[[xr.Dataset, Path], list[Path]]

    def carry_out(self, out: Path | None, command: str, threads: int) -> None:
        """Compute the dataset, unless it is there, write table and figures, and print the table and where all is."""
        folder = RunFolder(out or Path("runs") / f"{self.name}-{short_hash(self.resolved)}", self.resolved, bar)
        path = folder.path / self.file
        if not path.is_file():
            set_threads(threads)
            results.write(self.compute(folder, command), path)
        else:
            sys.stderr.write(f"{folder.path} is done; delete it to run again\n")
        dataset = results.read(path)
        text, table = self.report(dataset), folder.path / "table.txt"
        write_text(table, text)
        figures = self.draw(dataset, folder.path / "figures")
        print(text)
        print("\n".join(map(str, ("Written:", path, table, *figures))))
