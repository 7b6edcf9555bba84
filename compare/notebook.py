"""In a notebook: results and attributions of xarray with pictures, and the inspector inline.

  import compare.notebook
  result.patchmosaic                     # a picture of its samples and what was compared
  result.patchmosaic.plot()              # the same as a figure
  result.patchmosaic.inspect(sample=3)   # the inspector's page, below the cell
  found.attribution.plot(images)         # of machine.attribute: the mosaic, its sources, entropy and mass
"""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path

import matplotlib.style
import xarray as xr
from matplotlib.figure import Figure

from compare.attribution import trace
from compare.attribution.inspected import Inspection, subject_of
from compare.attribution.page.document import page
from compare.report import grid
from compare.report.plots import STYLE, bare, rgb, shaded_sources
from compare.report.screen import screen
from compare.result.choose import choose_network, machine_beside
from compare.study.machines import training_set_of
from empirical.datasets import Dataset

FRAME = 900
"""Height of the inspector in a notebook, in pixels."""


class Page:
    """A page that shows itself below a notebook's cell.

    Parameters
    ----------
    text : str
        A whole HTML document.
    """

    def __init__(self, text: str):
        self.text = text

    def save(self, path: str | Path) -> Path:
        """Write the page; return its path."""
        path = Path(path)
        path.write_text(self.text, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        return (f'<iframe title="patchmosaic inspector" sandbox="allow-scripts allow-downloads" width="100%" '
                f'height="{FRAME}" style="border:0" srcdoc="{escape(self.text)}"></iframe>')


@xr.register_dataset_accessor("patchmosaic")
class ResultAccessor:
    """`result.patchmosaic`, of a result of `compare.run` or `compare_own`."""

    def __init__(self, dataset: xr.Dataset):
        self._dataset = dataset

    def plot(self, samples: int = 12, network: str | None = None) -> Figure:
        """Draw the first samples of a network, and of the machine beside it.

        Parameters
        ----------
        samples : int
            How many, at most.
        network : str, optional
            Its label or variant; by default the first.

        Returns
        -------
        matplotlib.figure.Figure
        """
        network = choose_network(self._dataset, network)
        rows = grid.grid([grid.machine_row(self._dataset, machine_beside(self._dataset, network), samples),
                          grid.network_row(self._dataset, network, samples)])
        with matplotlib.style.context(STYLE):
            figure = Figure(figsize=grid.size(rows, named=True))
            grid.draw(figure, rows, named=True)
        return figure

    def inspect(self, sample: int = 0, *, training: Dataset | None = None, **asked) -> Page:
        """Return the inspector's page of a sample.

        Parameters
        ----------
        sample : int
            Which of the result.
        training : Dataset, optional
            The training images, of a result that does not say whence they come.
        **asked
            Of `compare.attribution.inspected.Inspection`: network, machine, top, left_out.

        Returns
        -------
        Page
        """
        training = training_set_of(self._dataset) if training is None else training
        return Page(page(subject_of(self._dataset, sample, training, Inspection(**asked))))

    def _repr_html_(self) -> str:
        said = screen(self._dataset, {}, quick=False).rsplit("\n\n", 1)[0]  # without what is for a terminal
        return f"{_picture(self.plot())}<pre>{escape(said)}</pre>"


@xr.register_dataset_accessor("attribution")
class AttributionAccessor:
    """`found.attribution`, of what `machine.attribute` returns."""

    def __init__(self, dataset: xr.Dataset):
        self._dataset = dataset

    def plot(self, images=None, sample: int = 0) -> Figure:
        """Draw the posterior mean, its sources in colour, and entropy; with the training images the mosaic too.

        Parameters
        ----------
        images : array (N, C, H, W), optional
            The training set.
        sample : int
            Which query.

        Returns
        -------
        matplotlib.figure.Figure
        """
        found = self._dataset.isel(sample=sample)
        best = found.isel(rank=0)
        sources = shaded_sources(best.image.values, best.weight.values, trace.winners(found).image.values)
        pictures = {"posterior mean": rgb(found.x0.values), "sources": sources, "entropy (nats)": found.entropy.values}
        if images is not None:
            pictures = {"mosaic": rgb(trace.mosaic(found, images)), **pictures}
        with matplotlib.style.context(STYLE):
            figure = Figure(figsize=(1.7 * len(pictures), 1.9))
            for axes, (title, picture) in zip(figure.subplots(1, len(pictures)), pictures.items()):
                shown = axes.imshow(picture, cmap="cividis")
                axes.set_title(title)
                bare(axes)
                if picture.ndim == 2:
                    figure.colorbar(shown, ax=axes, shrink=0.7)
        return figure

    def _repr_html_(self) -> str:
        return _picture(self.plot()) + self._dataset._repr_html_()


def _picture(figure: Figure) -> str:
    buffer = io.BytesIO()
    with matplotlib.style.context(STYLE):
        figure.savefig(buffer, format="png", dpi=120)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'
