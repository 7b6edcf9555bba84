"""An inspected sample as one self-contained HTML page: no server, nothing fetched, no library.

page.html is the frame, page.css and page.js what it looks like and does. The numbers travel as zlib-compressed arrays
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
from PIL import Image

from compare.attribution.page.subject import Subject
from compare.measure.agreement import agreement
from compare.report.plots import GREYS, PALETTE
from compare.result.schema import round_mantissa

FILES = Path(__file__).parent

PAGE_BYTES = 2_900_000
"""What a page may weigh; the training images with the least weight go without a picture where it would weigh more."""

LEAST_ATLAS_BYTES = 400_000
"""Room for pictures of training images even if the numbers alone fill the page."""


def page(subject: Subject) -> str:
    """The page, as text."""
    order, arrays = _arrays(subject)
    packed = {name: _packed(array) for name, array in arrays.items()}
    spent = sum(len(entry["data"]) for entry in packed.values())
    atlas, pictured = _atlas(subject.images[order], max(LEAST_ATLAS_BYTES, PAGE_BYTES - spent - 100_000))
    found = subject.found
    view = {
        "title": subject.title, "machine": subject.machine, "network": subject.network, "notes": list(subject.notes),
        "drawnBy": subject.drawn_by, "agreement": _agreement(subject),
        "channels": found.sizes["channel"], "height": found.sizes["y"], "width": found.sizes["x"],
        "top": found.sizes["rank"], "others": found.sizes.get("other", 0),
        "wraps": subject.wraps, "palette": PALETTE, "greys": GREYS,
        "t": found.t.values.tolist(), "sigma": found.sigma.values.tolist(),
        "patchSize": found.patch_size.values.tolist(),
        "strength": [None if np.isnan(value) else float(value) for value in found.strength.values],
        "meanEntropy": found.entropy.mean(("y", "x")).values.tolist(), "distinct": subject.distinct.tolist(),
        "images": [{"id": int(i), "class": subject.class_of(i)} for i in order],
        "atlas": atlas, "pictured": pictured, "atlasColumns": _columns(pictured),
        "contributors": _contributors(subject), "arrays": packed,
    }
    text = json.dumps(view, separators=(",", ":")).replace("<", "\\u003c")  # no tag, no comment, whatever a name holds
    parts = {"title": escape(subject.title), "css": _read("page.css"), "js": _read("page.js"), "view": text}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _read("page.html"))


def _arrays(subject: Subject) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The training images named anywhere, heaviest first, and the arrays that the page shows; `image` indexes them."""
    found = subject.found
    image, weight = found.image.values, found.weight.values
    named = image >= 0
    total = np.bincount(image[named], weights=weight[named], minlength=len(subject.images))
    order = np.unique(image[named])
    order = order[np.argsort(-total[order], kind="stable")]
    position = np.full(len(subject.images) + 1, len(order), dtype=np.uint32)  # image -1, none, is past the last
    position[order] = np.arange(len(order))
    number = lambda values: round_mantissa(values, 10)  # three digits, of whatever size
    arrays = {
        "image": position[image], "sourceY": _place(found.source_y.values), "sourceX": _place(found.source_x.values),
        "weight": number(weight), "entropy": number(found.entropy.values), "mass": number(found.mass.values),
        "effective": number(found.n_eff.values), "effectiveImages": number(found.n_eff_images.values),
        "phi": _shown(found.phi.values), "x0": _shown(found.x0.values), "mosaic": _shown(subject.mosaic),
        "drawn": _shown(found.drawn.values),
    }
    if subject.generated is not None:
        arrays["generated"] = _shown(subject.generated)
    if "attention" in found:
        arrays |= {"otherY": _place(found.other_y.values), "otherX": _place(found.other_x.values),
                   "attention": number(found.attention.values)}
    return order, arrays


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


def _contributors(subject: Subject) -> list[dict]:
    """Images by share, with what the sample would lose without them where that is known."""
    changes = {}
    if subject.left_out is not None:
        changes = dict(zip(subject.left_out.left_out.values.tolist(), subject.left_out.total.values.tolist()))
    made = subject.shares
    return [{"id": image, "class": subject.class_of(image), "share": share, "change": changes.get(image)}
            for image, share in zip(made.image.values.tolist(), made.share.values.tolist()) if image >= 0]


def _read(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")
