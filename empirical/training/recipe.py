"""What every training run is made of, in one frozen record, and the checks that go with it; nothing here needs torch.

`toy_config.TrainConfig` and `image_config.ImageTrainConfig` add what is the toy set's or the images' own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import ClassVar, Self

import numpy as np

from empirical.datasets import Dataset
from theory.errors import UserError

WARM_UP = 0.05  # share of the steps
OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True, kw_only=True)
class Recipe(ABC):
    """Hold all that decides a training run: batch s is drawn from (seed, s) alone.

    Parameters
    ----------
    dataset : str
        A name of `empirical.datasets.load`.
    data_seed : int
        Of the draw of its images, at least 0.
    attention : {None, "top1", "identity", "learned"}
        Rule of the network's attention.
    padding : {"zeros", "circular"}
        Of its convolutions.
    width, depth : int
        Features a pixel, and how many layers; what a layer is, is the leaf's.
    steps, batch : int
        Training steps, and images a step.
    optimizer : {"adam", "muon"}
        See `empirical.training.optimizers`; gradients are clipped at norm 1.
    lr : float
        Peak learning rate, greater than 0.
    ema : float
        Decay in [0, 1) of the exponential moving average of the weights, which is the network that is kept.
    seed : int
        Of the initial weights and the batches, at least 0.
    time_window, window_share : (float, float) or None, float
        A share `window_share` of each batch has t uniform in `time_window`, where pixels must coordinate (see
        docs/use/toy-networks.md), the others t uniform in [0, 1]; None for all.

    Raises
    ------
    UserError
        A value is out of its range.
    """

    RENAMED: ClassVar[dict[str, str]] = {}  # entries of older JSON records: name then -> name now
    LEAST: ClassVar[dict[str, int]] = {"width": 1, "steps": 1, "batch": 1, "data_seed": 0, "seed": 0}

    dataset: str
    data_seed: int = 0
    attention: str | None = None
    padding: str = "zeros"
    width: int
    depth: int
    steps: int
    batch: int
    optimizer: str = "adam"
    lr: float
    ema: float
    seed: int = 0
    time_window: tuple[float, float] | None = None
    window_share: float = 0.8

    def __post_init__(self):
        for name, least in self.LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"{name}: got {value}, want at least {least}")
        self.check_one_of("optimizer", OPTIMIZERS)
        if not self.lr > 0:
            raise UserError(f"lr: got {self.lr}, want greater than 0")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema: got {self.ema}, want a decay in [0, 1)")
        if self.time_window is not None:
            low, high = self.time_window if len(self.time_window) == 2 else (1.0, 0.0)
            if not 0 <= low < high <= 1:
                raise UserError(f"time_window: got {self.time_window}, want two times 0 <= from < to <= 1")
        if not 0 <= self.window_share <= 1:
            raise UserError(f"window_share: got {self.window_share}, want a share in [0, 1]")

    def check_one_of(self, name: str, known: Iterable[str]) -> None:
        """Raise a UserError unless the field is one of the known words."""
        if getattr(self, name) not in known:
            raise UserError(f"{name}: got {getattr(self, name)!r}, want one of {', '.join(map(str, known))}")

    @abstractmethod
    def load(self, data_dir=None) -> Dataset:
        """Return the training set; its files are looked for in `data_dir` first."""

    @abstractmethod
    def architecture(self, dataset: Dataset) -> tuple[str, dict]:
        """Return the network's name among `empirical.networks.NETWORKS`, and its arguments."""

    @abstractmethod
    def precision(self, device: str) -> str:
        """Return the dtype of the forward pass on "cpu" or "cuda": "float32" or "bfloat16"."""

    def times(self, rng: np.random.Generator) -> np.ndarray:
        """Return t of one batch, (batch,) in [0, 1]: those in the time window, then the others, each stratified."""
        if self.time_window is None:
            return stratified(rng, self.batch)
        in_window = round(self.window_share * self.batch)
        low, high = self.time_window
        inside = low + (high - low) * stratified(rng, in_window)
        return np.concatenate([inside, stratified(rng, self.batch - in_window)])

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of step 1, ..., steps."""
        return cosine_rate(self.lr, step, self.steps)

    def to_json(self) -> dict:
        """Return the record as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict) -> Self:
        """Return the inverse of to_json, also after a trip through a JSON file, also of older records.

        Raises
        ------
        UserError
            Entries are unknown, missing, of another type or out of range.
        """
        if not isinstance(record, dict):
            raise UserError(f"config: got {type(record).__name__}, want an object with the entries of {cls.__name__}")
        record = {cls.RENAMED.get(name, name): value for name, value in record.items()}
        unknown = set(record) - {field.name for field in fields(cls)}
        if unknown:
            raise UserError(f"config: got unknown entries {', '.join(sorted(unknown))}, want those of {cls.__name__}")
        try:
            return cls(**cls._decoded(record))
        except TypeError as error:  # an entry is missing, or a word stands where a number should
            raise UserError(f"config: got entries that do not make a {cls.__name__} ({error}), want all of them, "
                            "each of its type") from error

    @classmethod
    def _decoded(cls, record: dict) -> dict:
        """Return the entries with what JSON has no types for restored."""
        window = record.get("time_window")
        return record if window is None else record | {"time_window": tuple(window)}


def stratified(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return n draws from [0, 1), the k-th from the k-th of n equal parts: a mean's variance falls, its value stays."""
    return (np.arange(n) + rng.random(n)) / max(n, 1)


def cosine_rate(peak: float, step: int, steps: int) -> float:
    """Return the learning rate at step 1, ..., steps: linear warm-up to `peak`, then half a cosine down to nearly 0.

    Written out rather than taken from torch: it is a function of the step, so a resumed run needs no state of it.
    """
    warm_up = max(1, round(WARM_UP * steps))
    if step <= warm_up:
        return peak * step / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up + 1)))
