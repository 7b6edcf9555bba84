"""The index of a run: every sample in a column, every network and machine in a row, sorted by what is said of them."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from compare.attribution.gallery.pages import path_of, samples_of
from compare.attribution.inspected import Inspection
from compare.report.plots import rgb
from compare.result.summary import most_steps

FILES = Path(__file__).parent

FLAGS = ("consistent", "clean", "novel")

MOST_FIGURES = 2_000_000
"""Bytes of figures that the index carries."""


def index(result: xr.Dataset, asked: Inspection, folder: Path, *, title: str, classes: Sequence[str] | None = None,
          table: str = "", figures: Sequence[Path] = ()) -> str:
    """Return the index of the pages in a folder, as text.

    asked: whose pages they are; table: of the run, as text; figures: PNG files of it
    """
    asked, samples = asked.of(result), samples_of(result)
    one = result.isel(sample=slice(len(samples)))
    sizes = [path_of(folder, sample).stat().st_size for sample in samples]
    view = {
        "title": title, "command": result.attrs["command"], "network": asked.network, "machine": asked.machine,
        "samples": samples, "height": result.sizes["y"], "width": result.sizes["x"], "bytes": sizes,
        "files": [path_of(Path(), sample).name for sample in samples], "rows": _rows(one, asked),
        "classes": None if "label" not in one else [_class(int(label), classes) for label in one.label.values],
    }
    text = json.dumps(view, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"title": escape(title), "css": (FILES.parent / "page" / "page.css").read_text(encoding="utf-8")
             + _read("index.css"), "js": _read("index.js"), "view": text, "table": escape(table),
             "figures": _figures(figures)}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _read("index.html"))


def _rows(result: xr.Dataset, asked: Inspection) -> list[dict]:
    """Networks at their finest sampling, then machines: pictures, and what is said of each sample."""
    fine = result.network.values[result.network_steps.values == most_steps(result)].tolist()
    networks = [(name, result.generated.sel(network=name), result.r2.sel(network=name, machine=asked.machine))
                for name in fine]
    machines = [(name, result.predicted.sel(machine=name), result.r2.sel(machine=name, network=asked.network))
                for name in result.machine.values.tolist()]
    return [{"name": name, "pictures": _sprite(images.values), "r2": _numbers(r2), **_said(result, name)}
            for name, images, r2 in networks + machines]


def _said(result: xr.Dataset, source: str) -> dict:
    """Flags, and the distance to the nearest training image, of those that the result has."""
    found = {name: result[name].sel(source=source).values.astype(int).tolist() for name in FLAGS if name in result}
    if "nearest_distance" in result:
        found["distance"] = _numbers(result.nearest_distance.sel(source=source))
    return found


def _numbers(values: xr.DataArray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values.values]


def _class(label: int, classes: Sequence[str] | None) -> str:
    return classes[label] if classes else str(label)


def _sprite(images: np.ndarray) -> str:
    """Images (S, C, H, W) below each other, as a data URI: WebP of high quality, small ones as PNG."""
    column = np.concatenate([np.round(255.0 * rgb(image)).astype(np.uint8) for image in images])
    form = "PNG" if images.shape[2] < 16 or len(column) > 16_000 else "WEBP"
    buffer = io.BytesIO()
    Image.fromarray(column).save(buffer, format=form, **({"quality": 85, "method": 6} if form == "WEBP" else {}))
    return f"data:image/{form.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _figures(files: Sequence[Path]) -> str:
    """As HTML, the first so many that MOST_FIGURES holds."""
    shown, spent = [], 0
    for file in files:
        content = base64.b64encode(file.read_bytes()).decode()
        spent += len(content)
        if spent <= MOST_FIGURES:
            shown.append(f'<figure><figcaption>{escape(file.stem)}</figcaption><img alt="figure {escape(file.stem)} of '
                         f'the run" src="data:image/png;base64,{content}"></figure>')
    return "\n".join(shown)


def _read(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
