"""One scan of the engine, and what else the same sums give: variance, and the exact gradient from a second scan.

With w_oc the posterior of output o over its candidates c, v_c the candidate's value and u_c(p) its window at pixel p,

    Var_o = sum_c w_oc v_c^2 - x0_o^2
    d x0_o / d x_p = Cov_w(v_c, u_c(p)) / sigma^2
    (J^T a)_p = sum_o sum_c w_oc a_o . (v_c - x0_o) u_c(p) / sigma^2

The centre of a window is its value, so the diagonal of the Jacobian J is Var_o / sigma^2. docs/theory/zoo.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from theory.engine.bank import Bank
from theory.engine.geometry import Axis
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior


@dataclass(frozen=True)
class WindowScan:
    """What is compared with what, and what is averaged."""

    x: np.ndarray  # (B, C, H, W) as the axes want it
    sigma: np.ndarray  # (B,)
    bank: Bank
    request: ScanOptions
    axes: tuple[Axis, Axis]
    values: np.ndarray | None = None  # by default the training pixels

    def posterior(self) -> tuple[Posterior, Nearest]:
        """Softmax sums and the nearest candidates asked for."""
        return self.request.engine.posterior(self.x, self.sigma, self.bank, self.request, *self.axes, self.values)

    def moments(self, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and variance (B, Cv, Y, X); centre, of that shape: near the candidates that count."""
        return self.request.engine.moments(self.x, self.sigma, self.bank, self.request, *self.axes, centre,
                                           self.values)

    def paste(self, sums: Posterior, constant: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """sum_o sum_c w_oc (constant_o + slope_o . (v_c - mean_o)) u_c(p), (B, C, H, W); sums: those of `posterior`."""
        return self.request.engine.paste(self.x, self.sigma, self.bank, self.request, *self.axes, sums, constant,
                                         slope, self.values)

    def with_pull_back(self) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """Posterior mean (B, Cv, Y, X), and the function from a cotangent a of that shape to J^T a, like x."""
        sums, _ = self.posterior()
        scale = self.sigma[:, None, None, None] ** 2
        return sums.mean, lambda a: self.paste(sums, np.zeros(sums.peak.shape), a) / scale
