"""Expected windows, pasted where their outputs lie, in tiles that fit in memory: see `theory/_kernels/paste.py`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import functional as F

from theory.engine._torch.regions import Region
from theory.engine._torch.scan import Training, _slices
from theory.engine._torch.softmax import Comparison, candidate_values, candidate_windows, logits, query_windows


class Weighing(NamedTuple):
    """For b queries, each value by output place: the weight w of a candidate becomes w (constant + slope . v)."""

    normaliser: torch.Tensor  # (b, Y * X) float64: log2 of the posterior's sum
    constant: torch.Tensor  # (b, Y * X)
    slope: torch.Tensor  # (b, Cv, Y * X)

    def of(self, outputs: torch.Tensor, missing: torch.Tensor) -> Weighing:
        """The same for a region, outputs (G, Q), as `logits` counts them: (G, b * Q), and slope (G, Cv, b * Q)."""
        by_set = lambda values: values[..., outputs].movedim(-2, 0)  # (G, b, .., Q)
        slope = by_set(self.slope).transpose(1, 2).flatten(2)
        return Weighing(by_set(self.normaliser).flatten(1) + missing, by_set(self.constant).flatten(1), slope)


def paste(x: torch.Tensor, precision: torch.Tensor, region: Region, training: Training, how: Comparison,
          images_at_once: int, weighing: Weighing) -> torch.Tensor:
    """The windows of queries x (b, C * H * W), float64, in a region, pasted: like x."""
    on_device = lambda table: torch.from_numpy(table).to(x.device)
    places = on_device(region.query_windows())
    windows, missing = query_windows(F.pad(x, (0, 1)), places, precision, how)
    table, centres = on_device(region.candidate_windows()), on_device(region.centres())
    normaliser, constant, slope = weighing.of(on_device(region.outputs()), missing)
    coefficients = torch.cat([slope, constant[:, None]], dim=1).to(how.dtype)  # those of the values, and of a one
    normaliser = normaliser[:, None].to(how.dtype)
    pasted = x.new_zeros((len(places), windows.shape[1], places.shape[2]))  # (G, b * Q, D + 1)
    for images in _slices(training.count, images_at_once, 1):
        candidates = candidate_windows(F.pad(training.pixels(images), (0, 1)), table, how)
        values = candidate_values(training.by_channel(images), centres, how.dtype)
        weights = logits(candidates, windows, precision, how).sub_(normaliser).clamp_(max=0.0).exp2_()
        weights.mul_(torch.bmm(values[..., -coefficients.shape[1] :], coefficients))
        pasted += torch.bmm(weights.mT, candidates)
    target = x.new_zeros((len(x), x.shape[1] + 1))
    pasted = pasted.unflatten(1, (len(x), -1)).transpose(0, 1)  # (b, G, Q, D + 1)
    target.index_add_(1, places[..., :-1].flatten(), pasted[..., :-1].flatten(1))
    return target[:, :-1]
