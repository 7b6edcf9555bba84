"""What a training run is, in one frozen record; nothing here needs torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from empirical.toy import ToyLayout


@dataclass(frozen=True)
class TrainConfig:
    """A run is a function of this record: batch s is drawn from (seed, s) alone.

    Data: the toy set of `layout`, `count` images drawn with `data_seed`.
    Network: ToyCNN with `attention` None, "top1", "identity" or "learned"; `padding` "zeros" or "circular".
    Loss: the mean of |eps - network(phi_t, t)|^2; a share `window_share` of each batch has t uniform in
    `window` (where pixels must coordinate, see docs/toy-networks.md), the others t uniform in [0, 1].
    Adam at `lr`, linear warm-up over the first 5 % of the steps and a half cosine to 0, gradients clipped at norm 1,
    shipped weights the exponential moving average at `ema`. The schedule is CosineSchedule.
    """

    dataset: str = "toy"
    data_seed: int = 0
    count: int = 4096
    layout: ToyLayout = field(default_factory=ToyLayout)
    attention: str | None = None
    width: int = 96
    padding: str = "zeros"
    steps: int = 7_000
    batch: int = 256
    lr: float = 2e-3
    window: tuple[float, float] = (0.25, 0.65)
    window_share: float = 0.8
    ema: float = 0.999
    seed: int = 0

    def __post_init__(self):
        for name in ("count", "width", "steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, want at least 1")
        for name in ("data_seed", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: got {getattr(self, name)}, want at least 0")
        if not self.lr > 0:
            raise ValueError(f"lr: got {self.lr}, want greater than 0")
        if not (len(self.window) == 2 and 0 <= self.window[0] < self.window[1] <= 1):
            raise ValueError(f"window: got {self.window}, want two times 0 <= from < to <= 1")
        if not 0 <= self.window_share <= 1:
            raise ValueError(f"window_share: got {self.window_share}, want a share in [0, 1]")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema: got {self.ema}, want a decay in [0, 1)")

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict) -> TrainConfig:
        """The inverse of to_json, also after a trip through a JSON file."""
        unknown = set(record) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"config: got unknown entries {', '.join(sorted(unknown))}, want those of TrainConfig")
        return cls(**record | {"layout": ToyLayout(**record["layout"]), "window": tuple(record["window"])})
