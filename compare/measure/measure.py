"""What a measure is: variables with their meaning, and the function of images that computes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Measure(NamedTuple):
    """variables: long_name by variable name; compute: images -> an array for each variable.

    A measure of pairs takes predicted and generated images, whose leading axes broadcast; one of sources takes the
    images (S, C, H, W) of one machine or network.
    """

    variables: Mapping[str, str]
    compute: Callable[..., Mapping[str, np.ndarray]]
