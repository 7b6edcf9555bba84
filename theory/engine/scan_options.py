"""What a call asks of an engine: which part of D, what to know of it, and how exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory._kernels.numerics import NEGLIGIBLE
from theory.engine.engine import Engine


@dataclass(frozen=True)
class ScanOptions:
    """The options of one scan, for queries of one class."""

    order: np.ndarray  # the bank's blocks to draw on
    engine: Engine
    left_out: int = -1  # a training image to do without, or -1
    top: int = 0  # how many of the nearest candidates to name; with top > 0 the entropies are kept too
    log2_cutoff: float = NEGLIGIBLE  # powers of two below the best one from which candidates may be left out
    float64: bool = False  # everything in float64, whatever the size of the call
