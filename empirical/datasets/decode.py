"""Image files decoded, in one place: turned as their EXIF data say, in 8 bits, grey or in colour, without alpha.

What is transparent is laid on white, as a page shows it; 16 bits of grey become 8; of an animation the first picture is
taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from empirical.datasets.raw import Size, resize
from theory.errors import UserError

GREY = ("1", "L", "LA", "La")
SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N", "I")
WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def decode(files: Sequence[Path], size: Size, skip_bad: bool = False) -> tuple[np.ndarray, list[int]]:
    """Read images.

    Parameters
    ----------
    files : sequence of Path
        Their files.
    size : int, (int, int) or None
        What they are resized to; None: all must be of one size.
    skip_bad : bool
        Whether to leave out files that cannot be read; else they are an error.

    Returns
    -------
    images : numpy.ndarray, uint8 (N, H, W, C)
        C is 1 if every image is grey, else 3.
    skipped : list of int
        The places in `files` of those that were left out.

    Raises
    ------
    UserError
        A file cannot be read, and is named; none can; or sizes differ.
    """
    from tqdm import tqdm  # not at the top: it slows down --help

    images, skipped = [], []
    for i, file in enumerate(tqdm(files, desc="images", disable=None, leave=False)):
        try:
            images.append(read_image(file, size))
        except UserError:
            if not skip_bad:
                raise
            skipped.append(i)
    if not images:
        raise UserError(f"{files[0].parent if files else 'folder'}: found no image that can be read, want some")
    channels = max(image.shape[-1] for image in images)
    shapes = {image.shape[:2] for image in images}
    if len(shapes) > 1:
        raise UserError(f"size: got None for images of {len(shapes)} sizes, want one to resize them to")
    return np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images]), skipped


def read_image(file: Path, size: Size) -> np.ndarray:
    """Return one image, uint8 (H, W, 1 or 3); raise a UserError that names the file if it cannot be read."""
    try:
        with Image.open(file) as image:
            return resize(_eight_bits(ImageOps.exif_transpose(image)), size)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UserError(f"{file}: got more pixels than an image here may have ({error})") from error
    except MemoryError as error:
        raise UserError(f"{file}: got an image that does not fit into memory") from error
    except Exception as error:  # decoders raise whatever they like on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{file}: got no image that can be read ({reason})") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image in mode "L" or "RGB"."""
    mode = "L" if image.mode in GREY else "RGB"
    if image.mode in SIXTEEN:
        return Image.fromarray(_from_sixteen(np.asarray(image)))
    if image.mode == "F":
        raise UserError("got mode F, want 8 or 16 bits a channel")
    if image.mode in WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)


def _from_sixteen(values: np.ndarray) -> np.ndarray:
    """0..65535 as uint8."""
    if values.min() < 0 or values.max() > 65_535:
        raise UserError(f"got grey values from {values.min()} to {values.max()}, want 8 or 16 bits")
    return np.rint(values / 257.0).astype(np.uint8)
