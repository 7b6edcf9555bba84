"""What a pixel makes of the pixels that it attends to: the type of a coupling, and what it may ask of the queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from theory.engine.bank import Bank
from theory.engine.evidence import Evidence
from theory.engine.geometry import Axis
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior
from theory.machines.attention.maps import AttentionRule


@dataclass(frozen=True)
class AttendingQueries:
    """Queries x (B, C, H, W) of one class at noise sigma (B,), and where and by which rule they attend."""

    x: np.ndarray
    sigma: np.ndarray
    bank: Bank
    request: ScanOptions
    axes: tuple[Axis, Axis]
    rule: AttentionRule

    def local(self, values: np.ndarray | None = None) -> tuple[Posterior, Nearest]:
        """ELS itself, of the pixels or of other values; in float64 where attention compares its outputs: top1 has
        jumps, and the others multiply the evidence of many pixels."""
        request = replace(self.request, float64=self.request.float64 or self.rule.by_output)
        return request.engine.posterior(self.x, self.sigma, self.bank, request, *self.axes, values)

    def attended(self, local: np.ndarray | None = None) -> Iterator[tuple[Evidence, np.ndarray]]:
        """The evidence of each query, and its alpha (P, P); local (B, C, H, W), ELS outputs that are known already."""
        rule = self.rule.at(self.x, self.sigma)
        if rule.by_output and local is None:
            local = replace(self, request=replace(self.request, top=0)).local()[0].mean
        for b in range(len(self.x)):
            evidence = self.evidence(b)
            yield evidence, rule.alpha(b, None if local is None else local[b], evidence)

    def exactly(self) -> AttendingQueries:
        """The same, everything in float64."""
        return replace(self, request=replace(self.request, float64=True))

    def evidence(self, query: int) -> Evidence:
        """What each training image says of one query."""
        return Evidence(self.x[query], self.sigma[query], self.bank, self.request, self.axes)

    def some(self, chosen: np.ndarray) -> AttendingQueries:
        """Some of the queries (mask)."""
        return replace(self, x=self.x[chosen], sigma=self.sigma[chosen], rule=self.rule.for_some(chosen))


class Coupling(ABC):
    """How the pixels that x attends to change its answer."""

    max_strength: ClassVar[float] = np.inf
    """The largest strength that has a meaning; 0 is ELS."""

    @abstractmethod
    def by_strength(self, queries: AttendingQueries, strengths: list[float]) -> list[np.ndarray]:
        """x0 (B, C, H, W) for each strength."""
