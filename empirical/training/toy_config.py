"""What a training run on the toy set is, in one frozen record; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from empirical.datasets import Dataset, load
from empirical.toy import ToyLayout
from empirical.training.recipe import Recipe, stratified
from theory.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Recipe):
    """Train `empirical.networks.ToyCNN` on the toy set: the recipe of the shipped toy networks is the default.

    Parameters
    ----------
    count : int or None
        Training images drawn with `data_seed`; None: every distinct image once.
    layout : ToyLayout
        Of the images.
    depth : int
        Per-pixel layers, at least 0.
    time_window, window_share : (float, float), float
        A share `window_share` of each batch has t uniform in `time_window`, where pixels must coordinate (see
        docs/use/toy-networks.md), the others t uniform in [0, 1].
    **recipe
        The fields of `Recipe`.

    Notes
    -----
    The loss is the mean of (eps - network(phi_t, t))^2 on `CosineSchedule`.
    """

    RENAMED: ClassVar[dict[str, str]] = {"window": "time_window"}
    LEAST: ClassVar[dict[str, int]] = {"count": 1, "depth": 0} | Recipe.LEAST

    dataset: str = "toy"
    count: int | None = 4096
    layout: ToyLayout = field(default_factory=ToyLayout)
    width: int = 96
    depth: int = 0
    steps: int = 7_000
    batch: int = 256
    lr: float = 2e-3
    time_window: tuple[float, float] = (0.25, 0.65)
    window_share: float = 0.8
    ema: float = 0.999

    def __post_init__(self):
        super().__post_init__()
        low, high = self.time_window if len(self.time_window) == 2 else (1.0, 0.0)
        if not 0 <= low < high <= 1:
            raise UserError(f"time_window: got {self.time_window}, want two times 0 <= from < to <= 1")
        if not 0 <= self.window_share <= 1:
            raise UserError(f"window_share: got {self.window_share}, want a share in [0, 1]")

    def load(self, data_dir=None) -> Dataset:
        """Return the training set, which is made, not read."""
        return load(self.dataset, data_dir=data_dir, seed=self.data_seed, layout=self.layout, count=self.count)

    def architecture(self, dataset: Dataset) -> tuple[str, dict]:
        """Return "toy-cnn" and the arguments of `ToyCNN`."""
        return "toy-cnn", dict(channels=dataset.images.shape[1], width=self.width, depth=self.depth,
                               attention=self.attention, padding=self.padding)

    def times(self, rng: np.random.Generator) -> np.ndarray:
        """Return t of one batch, (batch,): first those in the time window, then the others, each stratified."""
        in_window = round(self.window_share * self.batch)
        low, high = self.time_window
        inside = low + (high - low) * stratified(rng, in_window)
        return np.concatenate([inside, stratified(rng, self.batch - in_window)])

    def precision(self, device: str) -> str:
        """Return bfloat16 on a GPU, float32 on the CPU."""
        return "bfloat16" if device == "cuda" else "float32"

    @classmethod
    def _decoded(cls, record: dict) -> dict:
        made = {"layout": lambda layout: ToyLayout(**layout), "time_window": tuple}
        return {name: made[name](value) if name in made else value for name, value in record.items()}
