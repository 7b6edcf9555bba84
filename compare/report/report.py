"""What a study's report is: sections of text with their numbers, and figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import xarray as xr

from compare.report.plots import save_figure
from compare.report.table import Section, as_text, as_tidy


class Picture(NamedTuple):
    """A figure: draw(figure, dataset), what it is drawn from, and width and height in inches."""

    draw: Callable[..., None]
    dataset: xr.Dataset
    size: tuple[float, float]


class Report(NamedTuple):
    """sections: of a dataset, in order; pictures: by the name of their file."""

    sections: Callable[[xr.Dataset], list[Section]]
    pictures: Callable[[xr.Dataset], dict[str, Picture]]

    def text(self, dataset: xr.Dataset) -> str:
        """Return all sections as text, ending in a newline."""
        return as_text(self.sections(dataset))

    def tidy(self, dataset: xr.Dataset) -> pd.DataFrame:
        """Return the report's numbers, a row each."""
        return as_tidy(self.sections(dataset))

    def draw(self, dataset: xr.Dataset, folder: Path) -> list[Path]:
        """Write the figures into `folder`; returns their paths."""
        folder.mkdir(exist_ok=True)
        return [save_figure(folder / name, partial(picture.draw, dataset=picture.dataset), picture.size)
                for name, picture in self.pictures(dataset).items()]
