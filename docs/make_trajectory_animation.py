"""Draw docs/images/trajectory.gif, how a sample comes out of noise: python docs/make_trajectory_animation.py

Sample 3 of the shipped result on Fashion-MNIST, which needs that data set; some minutes.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from compare.attribution.inspected import Inspection, subject_of
from compare.attribution.page.figure import sources
from compare.attribution.page.subject import Subject
from compare.report.plots import rgb
from compare.result.schema import load
from compare.study.machines import training_set_of
from empirical.atomic import atomic_file

DOCS = Path(__file__).parent
SIDE, GAP, ABOVE, BELOW = 128, 10, 22, 22  # pixels
MILLISECONDS, HOLD = 220, 2600
COLOURS = 48


def frames(subject: Subject) -> list[Image.Image]:
    """One a step, from the noise to the sample: noisy image, prediction, sources in colour, and the network's image."""
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 11)
    found, drawn = subject.found, []
    for step in reversed(range(found.sizes["step"])):
        pictures = {"noisy image": rgb(found.phi.values[step]), "the theory predicts": rgb(found.x0.values[step]),
                    "its patches' images": sources(subject, step), "a network draws": rgb(subject.generated)}
        frame = Image.new("RGB", (len(pictures) * (SIDE + GAP) + GAP, ABOVE + SIDE + BELOW), "white")
        pen = ImageDraw.Draw(frame)
        for i, (title, picture) in enumerate(pictures.items()):
            left = GAP + i * (SIDE + GAP)
            small = Image.fromarray(np.round(255.0 * picture).astype(np.uint8))
            frame.paste(small.resize((SIDE, SIDE), Image.Resampling.NEAREST), (left, ABOVE))
            pen.text((left + SIDE / 2, ABOVE / 2), title, fill="black", font=font, anchor="mm")
        words = f"time t = {found.t.values[step]:.2f}, {int(subject.distinct[step])} training images win a pixel"
        pen.text((GAP, ABOVE + SIDE + BELOW / 2), words, fill="black", font=font, anchor="lm")
        drawn.append(frame)
    return drawn


def as_gif(drawn: list[Image.Image]) -> bytes:
    """The frames as an animation that stays on the last one for a while."""
    tall = Image.new("RGB", (drawn[0].width, drawn[0].height * len(drawn)))
    for i, frame in enumerate(drawn):
        tall.paste(frame, (0, i * frame.height))
    palette = tall.quantize(COLOURS, dither=Image.Dither.NONE)
    few = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in drawn]
    buffer = io.BytesIO()
    few[0].save(buffer, format="GIF", save_all=True, append_images=few[1:], loop=0, optimize=True,
                duration=[MILLISECONDS] * (len(few) - 1) + [HOLD])
    return buffer.getvalue()


def main() -> None:
    result = load(DOCS / "results" / "fashion-mnist-resnet" / "result.nc")
    subject = subject_of(result, 3, training_set_of(result), Inspection(left_out=0))
    with atomic_file(DOCS / "images" / "trajectory.gif") as file:
        file.write(as_gif(frames(subject)))


if __name__ == "__main__":
    main()
