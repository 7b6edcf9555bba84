"""What a training run on the toy set is, in one frozen record; nothing here needs torch.

The training loop asks a record for its data, its network, the times of a batch and the learning rate of a step;
`empirical.training.image_config` answers the same for images.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

import numpy as np

from empirical.datasets import Dataset, load
from empirical.toy import ToyLayout
from empirical.training.recipe import cosine_rate, stratified
from theory.errors import UserError

OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True)
class TrainConfig:
    """A run is a function of this record: batch s is drawn from (seed, s) alone.

    Data: the toy set of `layout`, `count` images drawn with `data_seed`, or, if None, every distinct image once.
    Network: ToyCNN with `width` features and `depth` per-pixel layers; `attention` None, "top1", "identity" or
    "learned"; `padding` "zeros" or "circular".
    Loss: the mean of |eps - network(phi_t, t)|^2; a share `window_share` of each batch has t uniform in
    `window` (where pixels must coordinate, see docs/toy-networks.md), the others t uniform in [0, 1].
    `optimizer` "adam" or "muon" (`optimizers`) at `lr`, linear warm-up over the first 5 % of the steps and a
    half cosine to 0, gradients clipped at norm 1, shipped weights the exponential moving average at `ema`. The schedule
    is CosineSchedule.
    """

    dataset: str = "toy"
    data_seed: int = 0
    count: int | None = 4096
    layout: ToyLayout = field(default_factory=ToyLayout)
    attention: str | None = None
    width: int = 96
    depth: int = 0
    padding: str = "zeros"
    steps: int = 7_000
    batch: int = 256
    optimizer: str = "adam"
    lr: float = 2e-3
    window: tuple[float, float] = (0.25, 0.65)
    window_share: float = 0.8
    ema: float = 0.999
    seed: int = 0

    def __post_init__(self):
        for name in ("count", "width", "steps", "batch"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}, want at least 1")
        for name in ("data_seed", "seed", "depth"):
            if getattr(self, name) < 0:
                raise UserError(f"{name}: got {getattr(self, name)}, want at least 0")
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"optimizer: got {self.optimizer!r}, want one of {', '.join(OPTIMIZERS)}")
        if not self.lr > 0:
            raise UserError(f"lr: got {self.lr}, want greater than 0")
        if not (len(self.window) == 2 and 0 <= self.window[0] < self.window[1] <= 1):
            raise UserError(f"window: got {self.window}, want two times 0 <= from < to <= 1")
        if not 0 <= self.window_share <= 1:
            raise UserError(f"window_share: got {self.window_share}, want a share in [0, 1]")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema: got {self.ema}, want a decay in [0, 1)")

    def load(self, data_dir=None) -> Dataset:
        """The training set."""
        return load(self.dataset, data_dir=data_dir, seed=self.data_seed, layout=self.layout, count=self.count)

    def architecture(self, dataset: Dataset) -> tuple[str, dict]:
        """The network's name among `empirical.networks.NETWORKS`, and its arguments."""
        return "toy-cnn", dict(channels=dataset.images.shape[1], width=self.width, depth=self.depth,
                               attention=self.attention, padding=self.padding)

    def times(self, rng: np.random.Generator) -> np.ndarray:
        """t of one batch, (batch,): first those in the window, then the others, each stratified."""
        in_window = round(self.window_share * self.batch)
        low, high = self.window
        inside = low + (high - low) * stratified(rng, in_window)
        return np.concatenate([inside, stratified(rng, self.batch - in_window)])

    def learning_rate(self, step: int) -> float:
        return cosine_rate(self.lr, step, self.steps)

    @property
    def prediction(self) -> str:
        """What the network's last layer gives, and whose error is the loss."""
        return "eps"

    def precision(self, device: str) -> str:
        """Of the forward pass: bfloat16 on a GPU, float32 on the CPU."""
        return "bfloat16" if device == "cuda" else "float32"

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict) -> TrainConfig:
        """The inverse of to_json, also after a trip through a JSON file."""
        unknown = set(record) - {f.name for f in fields(cls)}
        if unknown:
            raise UserError(f"config: got unknown entries {', '.join(sorted(unknown))}, want those of TrainConfig")
        return cls(**record | {"layout": ToyLayout(**record["layout"]), "window": tuple(record["window"])})
