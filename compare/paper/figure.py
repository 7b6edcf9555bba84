"""What a figure is: the numbers, and a drawing of nothing but these."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import xarray as xr
from matplotlib.figure import Figure

from compare.paper.source import Source
from compare.report import grid
from compare.report.plots import save_figures
from compare.result import netcdf


class PaperFigure(NamedTuple):
    """name: on the command line; caption: one sentence; data: source -> dataset; draw: (figure, dataset) -> None;
    size: dataset -> width and height in inches. Without the two, images in rows."""

    name: str
    caption: str
    data: Callable[[Source], xr.Dataset]
    draw: Callable[[Figure, xr.Dataset], None] = grid.draw
    size: Callable[[xr.Dataset], tuple[float, float]] = grid.size

    def save(self, source: Source, folder: Path) -> list[Path]:
        """Write NAME.nc, then NAME.pdf and NAME.png from it; returns the paths. ValueError: the source lacks a part."""
        dataset = self.data(source).assign_attrs(caption=self.caption, quick=int(source.quick))
        numbers = folder / f"{self.name}.nc"
        netcdf.write(dataset, numbers)
        content = partial(self.draw, dataset=dataset)
        return [numbers, *save_figures([folder / f"{self.name}.pdf", folder / f"{self.name}.png"], content,
                                       self.size(dataset), self.caption)]
