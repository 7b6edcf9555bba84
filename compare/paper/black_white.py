"""KG figure 3: of two training images, all black and all white, ELS makes locally consistent mosaics (Theorem 4.1)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter

from compare.report.grid import Row, grid
from compare.study.sampling import initial_noise
from theory import CosineSchedule, EquivariantLocalScore, ddim


def data(source) -> xr.Dataset:
    """Samples by window side k; value: share of pixels that are the majority of their own k x k window, circular."""
    side, steps = (16, 20) if source.quick else (32, 40)
    images = np.stack([np.full((1, side, side), colour, dtype=np.float32) for colour in (-1.0, 1.0)])
    phi_1 = initial_noise(0, range(4 if source.quick else 6), images.shape[1:])
    rows = []
    for k in (3, 5, 9, 15):
        machine = EquivariantLocalScore(images, k, boundary="circular")
        drawn = ddim(machine, phi_1, CosineSchedule(), steps)
        rows.append(Row(f"k = {k}", drawn, locally_consistent(drawn, k)))
    return grid(rows, "share of pixels like the majority of their window")


def locally_consistent(images: np.ndarray, k: int) -> np.ndarray:
    """Share of pixels within 0.1 of the majority colour of their k x k circular window, (B,); images (B, 1, H, W)."""
    signs = np.where(images > 0.0, 1.0, -1.0)
    majority = np.sign(uniform_filter(signs, (0, 0, k, k), mode="wrap"))
    return (np.abs(images - majority) < 0.1).mean(axis=(1, 2, 3))
