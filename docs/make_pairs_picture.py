"""Draw rows of pairs:mnist and pairs:fashion-mnist, docs/images/pairs.png:

    python docs/make_pairs_picture.py FOLDER_WITH_MNIST
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from empirical.datasets import load

DOCS = Path(__file__).parent
ROWS, COLUMNS, ZOOM, MARGIN = 3, 6, 4, 3


def sheet(name: str, data_dir: str | None) -> np.ndarray:
    """Return the set's first rows, (H, W, 3) bytes."""
    images = load(name, data_dir=data_dir, count=ROWS * COLUMNS).images
    _, C, H, W = images.shape
    framed = np.full((ROWS, COLUMNS, C, H + MARGIN, W + MARGIN), 1.0)
    framed[..., :H, :W] = images.reshape(ROWS, COLUMNS, C, H, W)
    return np.rint((framed.transpose(0, 3, 1, 4, 2) + 1) * 127.5).astype(np.uint8).reshape(
        ROWS * (H + MARGIN), COLUMNS * (W + MARGIN), C)


if __name__ == "__main__":
    pictures = [sheet("pairs:mnist", sys.argv[1]), sheet("pairs:fashion-mnist", None)]
    image = Image.fromarray(np.concatenate(pictures)).quantize(256, dither=Image.Dither.NONE)
    image.resize((image.width * ZOOM, image.height * ZOOM), Image.Resampling.NEAREST).save(
        DOCS / "images" / "pairs.png", optimize=True)
