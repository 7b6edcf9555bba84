"""An inspected sample as one self-contained HTML page: no server, nothing fetched, no library.

page.html is the frame, page.css what it looks like, script/ what it does. The numbers travel as zlib-compressed arrays
in base64, the training images as one PNG; the browser unpacks both.
"""

from __future__ import annotations

import base64
import io
import json
import re
import zlib
from html import escape
from pathlib import Path

import numpy as np
import xarray as xr
from PIL import Image

from compare.attribution.page.subject import Subject
from compare.measure.agreement import agreement
from compare.report.plots import GREYS, PALETTE
from compare.result.schema import round_mantissa

FILES = Path(__file__).parent

PAGE_BYTES = 2_900_000
"""What a page may weigh; where it would weigh more, fewer patches of a pixel are named, and the training images with
the least weight go without a picture."""

SCRIPTS = ("data", "draw", "stage", "pixel", "strip", "images", "sure", "main")
"""In the order in which they stand in the page."""

WITHOUT = ("Each is left out of the training set, and the sample drawn again from the same noise: every step of the "
           "trajectory is the exact posterior mean of the machine that never had the image.")
NOT_TRIED = "Not computed for this page: --left-out says for how many images it is, on a machine's own trajectory."
"""What the page says of leaving images out."""

LEAST_ATLAS_BYTES = 400_000
"""Room for pictures of training images: fewer patches of a pixel are named where numbers would leave less."""

FRAME_BYTES = 150_000
"""Of a page without arrays and pictures, at most."""


def page(subject: Subject, links: str = "", key: str = "") -> str:
    """Return the page, as text.

    links: HTML above the title, to other pages; key: by which a page that is there already is known.
    """
    order, ranks, packed, spent = _fitting(subject)
    atlas, pictured = _atlas(subject.images[order], max(LEAST_ATLAS_BYTES, PAGE_BYTES - spent - FRAME_BYTES))
    found, place = subject.found, {int(image): i for i, image in enumerate(order)}
    view = {
        "title": subject.title, "about": subject.about, "machine": subject.machine, "network": subject.network,
        "notes": list(subject.notes), "drawnBy": subject.drawn_by, "agreement": _agreement(subject),
        "channels": found.sizes["channel"], "height": found.sizes["y"], "width": found.sizes["x"],
        "top": ranks, "others": found.sizes.get("other", 0), "count": len(subject.images),
        "wraps": subject.wraps, "palette": PALETTE, "greys": GREYS, "opening": subject.opening,
        "t": found.t.values.tolist(), "sigma": found.sigma.values.tolist(),
        "patchSize": found.patch_size.values.tolist(),
        "strength": [None if np.isnan(value) else float(value) for value in found.strength.values],
        "coloured": [[place.get(image, -1) for image in step] for step in subject.coloured.tolist()],
        "images": [{"id": int(i), "class": subject.class_of(i), "file": subject.files[i] if subject.files else None}
                   for i in order],
        "without": _without(subject, place), "withoutNote": WITHOUT if subject.without is not None else NOT_TRIED,
        "atlas": atlas, "pictured": pictured, "atlasColumns": _columns(pictured), "arrays": packed,
    }
    text = json.dumps(view, separators=(",", ":")).replace("<", "\\u003c")  # no tag, no comment, whatever a name holds
    script = "".join(_read(f"script/{name}.js") for name in SCRIPTS)
    parts = {"title": escape(subject.title), "css": _read("page.css"), "js": script, "view": text, "links": links,
             "key": escape(key)}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _read("page.html"))


def _fitting(subject: Subject) -> tuple[np.ndarray, int, dict[str, dict], int]:
    """The training images named, ranks, packed arrays, and their size: as many ranks of a pixel as leave the page room.
    """
    ranks = subject.found.sizes["rank"]
    while True:
        order, arrays = _arrays(subject, subject.found.isel(rank=slice(ranks)))
        packed = {name: _packed(array) for name, array in arrays.items()}
        spent = sum(len(entry["data"]) for entry in packed.values())
        if ranks == 1 or spent <= PAGE_BYTES - LEAST_ATLAS_BYTES - FRAME_BYTES:
            return order, ranks, packed, spent
        ranks = -(-ranks // 2)


def _arrays(subject: Subject, found: xr.Dataset) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The training images named anywhere, heaviest first, and the arrays that the page shows; `image` indexes them."""
    image, weight = found.image.values, found.weight.values
    named = image >= 0
    total = np.bincount(image[named], weights=weight[named], minlength=len(subject.images))
    left_out = np.array([], dtype=int) if subject.without is None else subject.without.left_out.values
    order = np.unique(np.concatenate([image[named], left_out]))
    order = order[np.lexsort((order, -total[order], ~np.isin(order, left_out)))]  # those left out are always pictured
    position = np.full(len(subject.images) + 1, len(order),
                       dtype=np.uint16 if len(order) < 2**16 else np.uint32)  # -1: past the last
    position[order] = np.arange(len(order))
    arrays = {
        "image": position[image], "sourceY": _place(found.source_y.values), "sourceX": _place(found.source_x.values),
        "weight": round_mantissa(weight, 10), "entropy": round_mantissa(found.entropy.values, 14),
        "entropyImages": round_mantissa(found.entropy_images.values, 14),
        "phi": _shown(found.phi.values), "x0": _shown(found.x0.values), "mosaic": _shown(subject.mosaic),
        "drawn": _shown(found.drawn.values),
    }
    if "deviation" in found:
        arrays["deviation"] = round_mantissa(found.deviation.values, 8)
    if subject.generated is not None:
        arrays["generated"] = _shown(subject.generated)
    if subject.without is not None:
        arrays |= {"without": _shown(subject.without.without.values),
                   "change": round_mantissa(subject.without.change.values, 8)}
    if "attention" in found:
        arrays |= {"otherY": _place(found.other_y.values), "otherX": _place(found.other_x.values),
                   "attention": round_mantissa(found.attention.values, 10)}
    return order, arrays


def _without(subject: Subject, place: dict[int, int]) -> list[dict]:
    """The images that were left out, by their place among the named ones, and how far the sample moves."""
    if subject.without is None:
        return []
    pairs = zip(subject.without.left_out.values.tolist(), subject.without.total.values.tolist())
    return [{"image": place[image], "total": total} for image, total in pairs]


def _place(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, 0).astype(np.uint16 if values.max() > 255 else np.uint8)


def _shown(values: np.ndarray) -> np.ndarray:
    """[-1, 1], clipped, to 0 ... 255."""
    return np.round(np.clip(0.5 * (values + 1.0), 0.0, 1.0) * 255.0).astype(np.uint8)


def _packed(array: np.ndarray) -> dict:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {"type": array.dtype.name, "data": base64.b64encode(zlib.compress(little.tobytes(), 9)).decode()}


def _columns(count: int) -> int:
    return max(1, int(np.ceil(count**0.5)))


def _atlas(images: np.ndarray, most: int) -> tuple[str, int]:
    """As many of the images (N, C, H, W) as fit into `most` base64 characters of one PNG, and how many they are."""
    count = len(images)
    while True:
        png = _png(images[:count])
        if len(png) <= most or count <= 1:
            return "data:image/png;base64," + png, count
        count = max(1, min(count - 1, int(0.97 * count * most / len(png))))


def _png(images: np.ndarray) -> str:
    N, C, H, W = images.shape
    columns = _columns(N)
    rows = -(-N // columns)
    sheet = np.zeros((rows * columns, C, H, W), dtype=np.uint8)
    sheet[:N] = _shown(images)
    sheet = sheet.reshape(rows, columns, C, H, W).transpose(0, 3, 1, 4, 2).reshape(rows * H, columns * W, C)
    buffer = io.BytesIO()
    Image.fromarray(sheet[..., 0] if C != 3 else sheet).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _agreement(subject: Subject) -> dict | None:
    if subject.generated is None:
        return None
    metrics = agreement(subject.found.drawn.values[None], subject.generated[None])
    return {name: None if np.isnan(values[0]) else float(values[0]) for name, values in metrics._asdict().items()}


def _read(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
