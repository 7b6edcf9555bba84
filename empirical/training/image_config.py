"""What a training run on images is, in one frozen record, and the presets; nothing here needs torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import numpy as np

from empirical.datasets import Dataset, load
from empirical.training.recipe import cosine_rate, stratified
from theory.errors import UserError

NETWORKS = ("resnet", "unet")
PREDICTIONS = ("eps", "v")
DTYPES = ("float32", "bfloat16")
EPOCHS = 300  # Kamb & Ganguli's
IMAGES = {"mnist": 60_000, "fashion-mnist": 60_000, "cifar10": 50_000, "celeba": 162_770}  # of the training splits
CONDITIONAL = ("fashion-mnist", "cifar10")  # where Kamb & Ganguli's networks know the class

PRESETS = {
    "tiny": dict(steps=200, batch=16, lr=3e-3, ema=0.98),
    "small": dict(steps=6_000, batch=16, lr=3e-3, ema=0.998),
    "paper": dict(batch=128, lr=1e-4, decay=0.999965, ema=0.999, prediction="eps"),
}
SIZES = {  # width and depth
    ("tiny", "resnet"): (8, 4), ("small", "resnet"): (32, 8), ("paper", "resnet"): (256, 8),
    ("tiny", "unet"): (8, 2), ("small", "unet"): (24, 3), ("paper", "unet"): (64, 3),
}


@dataclass(frozen=True)
class ImageTrainConfig:
    """A run is a function of this record and of the files of the data set: batch s is drawn from (seed, s) alone.

    Data: `dataset` as in `empirical.datasets.load`, `subset` of its images drawn with `data_seed`, size x size pixels.
    Network: "resnet" with `depth` convolutions of `width` features, or "unet" with `depth` scales of width,
    2 width, 4 width, ...; `attention` None, "top1", "identity" or "learned"; `conditional` on the class labels.
    `prediction` "v" or "eps" is what the last layer gives, and the loss is its mean squared error, t uniform in [0, 1]
    and stratified in the batch (`empirical.networks.prediction` says why v; Kamb & Ganguli have eps).
    Adam at `lr`: with `decay` None a linear warm-up over the first 5 % of the steps and a half cosine to 0, else
    lr decay^step (Kamb & Ganguli: 1e-4 and 0.999965). Gradients clipped at norm 1; the network that is kept is the
    exponential moving average at `ema`. `dtype` "bfloat16": the forward pass in autocast. CosineSchedule.
    """

    dataset: str
    subset: int | None = None
    data_seed: int = 0
    split: str = "train"
    size: int = 32
    network: str = "resnet"
    attention: str | None = None
    padding: str = "zeros"
    conditional: bool = False
    width: int = 32
    depth: int = 8
    prediction: str = "v"
    steps: int = 6_000
    batch: int = 16
    lr: float = 3e-3
    decay: float | None = None
    ema: float = 0.998
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self):
        for name in ("size", "width", "depth", "steps", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: got {getattr(self, name)}, want at least 1")
        if self.subset is not None and self.subset < 1:
            raise UserError(f"subset: got {self.subset}, want at least 1")
        for name in ("data_seed", "seed"):
            if getattr(self, name) < 0:
                raise UserError(f"{name}: got {getattr(self, name)}, want at least 0")
        for name, known in (("network", NETWORKS), ("prediction", PREDICTIONS), ("dtype", DTYPES)):
            if getattr(self, name) not in known:
                raise UserError(f"{name}: got {getattr(self, name)!r}, want one of {', '.join(known)}")
        if not self.lr > 0:
            raise UserError(f"lr: got {self.lr}, want greater than 0")
        if self.decay is not None and not 0 < self.decay <= 1:
            raise UserError(f"decay: got {self.decay}, want a factor in (0, 1], or None")
        if not 0 <= self.ema < 1:
            raise UserError(f"ema: got {self.ema}, want a decay in [0, 1)")

    @classmethod
    def preset(cls, name: str, *, dataset: str, network: str = "resnet", **overrides) -> ImageTrainConfig:
        """One of PRESETS for a data set and a network, with any field overridden.

        "tiny": seconds, to see that everything runs. "small": worth comparing after about 40 minutes on two CPU cores.
        "paper": Kamb & Ganguli's recipe, 300 epochs, for a GPU.
        """
        if name not in PRESETS:
            raise UserError(f"preset: got {name!r}, want one of {', '.join(PRESETS)}")
        if network not in NETWORKS:
            raise UserError(f"network: got {network!r}, want one of {', '.join(NETWORKS)}")
        width, depth = SIZES[name, network]
        chosen = PRESETS[name] | dict(width=width, depth=depth, conditional=dataset in CONDITIONAL) | overrides
        if "steps" not in chosen:
            images = chosen.get("subset") or IMAGES.get(dataset)
            if images is None:
                raise UserError(f"steps: got none, want them for {dataset!r}, whose size is not known beforehand")
            chosen["steps"] = max(1, EPOCHS * images // chosen["batch"])
        return cls(dataset=dataset, network=network, **chosen)

    def load(self, data_dir=None) -> Dataset:
        """The training set. UserError if it has no labels and the network is to be conditional."""
        dataset = load(self.dataset, data_dir=data_dir, split=self.split, subset=self.subset, seed=self.data_seed,
                       size=self.size)
        if self.conditional and dataset.labels is None:
            raise UserError(f"conditional: got True, but {self.dataset} has no labels")
        return dataset

    def architecture(self, dataset: Dataset) -> tuple[str, dict]:
        """The network's name among `empirical.networks.NETWORKS`, and its arguments."""
        classes = None
        if self.conditional:
            classes = int(dataset.labels.max()) + 1 if dataset.classes is None else len(dataset.classes)
        arguments = dict(channels=dataset.images.shape[1], classes=classes, padding=self.padding,
                         attention=self.attention, prediction=self.prediction)
        if self.network == "resnet":
            return "resnet", arguments | dict(width=self.width, depth=self.depth)
        return "unet", arguments | dict(widths=[self.width * 2**scale for scale in range(self.depth)])

    def times(self, rng: np.random.Generator) -> np.ndarray:
        """t of one batch, (batch,)."""
        return stratified(rng, self.batch)

    def learning_rate(self, step: int) -> float:
        return cosine_rate(self.lr, step, self.steps) if self.decay is None else self.lr * self.decay**step

    @property
    def optimizer(self) -> str:
        """How the weights follow their gradients."""
        return "adam"

    def precision(self, device: str) -> str:
        """Of the forward pass."""
        return self.dtype

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict) -> ImageTrainConfig:
        """The inverse of to_json, also after a trip through a JSON file."""
        unknown = set(record) - {f.name for f in fields(cls)}
        if unknown:
            raise UserError(f"config: got unknown entries {', '.join(sorted(unknown))}, want ImageTrainConfig's")
        return cls(**record)
