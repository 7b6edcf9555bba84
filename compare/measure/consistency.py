"""What is said of each sample of a made set, toy or pairs, and how often it holds by chance."""

from __future__ import annotations

import numpy as np

from compare.measure.measure import Measure
from empirical import consistency
from empirical.pairs import PairedImages
from empirical.toy import ToyLayout

FLAGS = {"consistent": "the sample's key-value pairs fit one map of the family",
         "clean": "every cell's mean lies near a palette colour",
         "novel": "the sample's colours are those of no training image"}
HELD_OUT_FLAGS = {
    "by_held_out_map": "the sample's key-value pairs fit one map of the family, but none that training draws"}


PAIRS_FLAGS = {"consistent": "all images of the row have one hue, or one brightness",
               "clean": "each image of the row is near a picture of one hue, or near an image of the pool",
               "novel": "no training row has the images and values that the sample is taken for"}


def flag_names(layout: ToyLayout | PairedImages) -> dict[str, str]:
    """Return name and meaning of the flags of a layout: of pairs PAIRS_FLAGS; of the toy set FLAGS, and HELD_OUT_FLAGS
    where it holds maps out."""
    if isinstance(layout, PairedImages):
        return PAIRS_FLAGS
    return FLAGS | (HELD_OUT_FLAGS if layout.held_out_maps else {})


def flag_measure(training: np.ndarray, layout: ToyLayout | PairedImages) -> Measure:
    """Return the measure of what is said of a sample of a made set."""
    return Measure(flag_names(layout), lambda images: consistency.flags(images, training, layout))


def chance_rates(training: np.ndarray, layout: ToyLayout, count: int = 65_536) -> dict[str, float]:
    """Return the share of each flag, and of "consistent and novel", among images of uniformly random cell colours.

    It is what a sampler reaches that knows the cells and nothing else; `count` images.
    """
    colours = np.random.default_rng(0).integers(4, size=(2, count, layout.pairs))
    found = consistency.flags(layout.render(*colours), training, layout)
    found["consistent and novel"] = found["consistent"] & found["novel"]
    return {name: float(flag.mean()) for name, flag in found.items()}
