"""What a training run on the toy set is, in one frozen record; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from empirical.datasets import Dataset, load
from empirical.toy import ToyLayout
from empirical.training.recipe import Recipe


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
    time_window: tuple[float, float] | None = (0.25, 0.65)
    ema: float = 0.999

    def load(self, data_dir=None) -> Dataset:
        """Return the training set, which is made, not read."""
        return load(self.dataset, data_dir=data_dir, seed=self.data_seed, layout=self.layout, count=self.count)

    def architecture(self, dataset: Dataset) -> tuple[str, dict]:
        """Return "toy-cnn" and the arguments of `ToyCNN`."""
        return "toy-cnn", dict(channels=dataset.images.shape[1], width=self.width, depth=self.depth,
                               attention=self.attention, padding=self.padding)

    def precision(self, device: str) -> str:
        """Return bfloat16 on a GPU, float32 on the CPU."""
        return "bfloat16" if device == "cuda" else "float32"

    @classmethod
    def _decoded(cls, record: dict) -> dict:
        record = super()._decoded(record)
        return record | {"layout": ToyLayout(**record["layout"])} if "layout" in record else record
