"""What an engine computes under every machine: numba's (`theory.engine.numba_backend`) and torch's are of this type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from theory.engine.bank import Bank
    from theory.engine.geometry import Axis
    from theory.engine.image_evidence import ImageEvidence
    from theory.engine.scan_options import ScanOptions
    from theory.engine.softmax import Nearest, Posterior


class Engine(Protocol):
    """Five scans over a bank, for queries x (B, C, H, W) at noise sigma (B,), float64: arrays in, arrays out."""

    def posterior(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
                  values: np.ndarray | None = None) -> tuple[Posterior, Nearest]:
        """Softmax sums of `values`, the training pixels by default, and the nearest candidates asked for."""
        ...

    def moments(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
                centre: np.ndarray, values: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and variance of `values`; `centre`: near the candidates that count, to sum about."""
        ...

    def paste(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
              sums: Posterior, constant: np.ndarray, slope: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """Expected windows under signed weights w_oc (constant_o + slope_o . (v_c - mean_o)), where each lies."""
        ...

    def posterior_scales(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions,
                         axes: Sequence[tuple[Axis, Axis]]) -> list[Posterior]:
        """Softmax sums of the training pixels for each of several local windows, the smallest first."""
        ...

    def image_evidence(self, x: np.ndarray, sigma: float, bank: Bank, request: ScanOptions, rows: Axis,
                       cols: Axis) -> ImageEvidence:
        """What each training image by itself says of one query x (C, H, W)."""
        ...
