"""A machine in a notebook: its settings, and the first of its training images as a picture."""

from __future__ import annotations

import base64
import struct
import zlib
from html import escape

import numpy as np

SHOWN = 8
"""Training images that are shown."""

HIGH = 64
"""Height of a picture on the page, in pixels."""


def as_html(machine: str, settings: dict[str, str], images: np.ndarray) -> str:
    """Return a table of the settings below the images.

    machine: its repr; images (N, C, H, W) in [-1, 1]
    """
    rows = "".join(f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{escape(value)}"
                   "</td></tr>" for name, value in settings.items())
    picture = base64.b64encode(png(_side_by_side(images))).decode()
    return (f"<div><code>{escape(machine)}</code><br><img alt='the first training images' style='image-rendering:"
            f"pixelated;height:{HIGH}px' src='data:image/png;base64,{picture}'><table>{rows}</table></div>")


def png(pixels: np.ndarray) -> bytes:
    """Return (H, W, 3) uint8 as a PNG file."""
    H, W, _ = pixels.shape
    rows = np.concatenate([np.zeros((H, 1), dtype=np.uint8), pixels.reshape(H, 3 * W)], axis=1)  # filter 0, none
    header = struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts)


def _side_by_side(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (H, W', 3) uint8, a white column between two; gray unless there are three channels."""
    C = images.shape[1]
    colour = images if C == 3 else np.repeat(images[:, :1], 3, axis=1)
    padded = np.pad(colour, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=1.0)
    flat = padded.transpose(2, 0, 3, 1).reshape(images.shape[2], -1, 3)[:, :-1]
    return np.round(np.clip(0.5 * (flat + 1.0), 0.0, 1.0) * 255.0).astype(np.uint8)
