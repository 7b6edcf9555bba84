"""What a training run on images is, in one frozen record, and the presets; nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from empirical.datasets import AUGMENTATIONS, PAIRS, Dataset, load, say_skipped
from empirical.datasets.raw import shape_of
from empirical.pairs import PairsLayout
from empirical.training.recipe import Recipe
from theory.errors import UserError

NETWORKS = ("resnet", "unet")
PARAMETRIZATIONS = ("eps", "v")
DTYPES = ("float32", "bfloat16")
EPOCHS = 300  # Kamb & Ganguli's
IMAGES = {"mnist": 60_000, "fashion-mnist": 60_000, "cifar10": 50_000, "celeba": 162_770}  # of the training splits
CONDITIONAL = ("fashion-mnist", "cifar10")  # where Kamb & Ganguli's networks know the class

PRESETS = {
    "tiny": dict(steps=200, batch=16, lr=3e-3, ema=0.98),
    "small": dict(steps=6_000, batch=16, lr=3e-3, ema=0.998),
    "pairs": dict(steps=3_000, batch=64, lr=3e-3, ema=0.999, optimizer="muon", time_window=(0.4, 0.9)),
    "paper": dict(batch=128, lr=1e-4, decay=0.999965, ema=0.999, parametrization="eps"),
}
SIZES = {  # width and depth
    ("tiny", "resnet"): (8, 4), ("small", "resnet"): (32, 8), ("pairs", "resnet"): (48, 4),
    ("paper", "resnet"): (256, 8),
    ("tiny", "unet"): (8, 2), ("small", "unet"): (24, 3), ("pairs", "unet"): (24, 2),
    ("paper", "unet"): (64, 3),
}


@dataclass(frozen=True, kw_only=True)
class ImageTrainConfig(Recipe):
    """Train a network for images; a run is a function of this record and of the files of the data set.

    Parameters
    ----------
    subset : int or None
        Images drawn with `data_seed`; None: all; of pairs 4,096.
    split : {"train", "test"}
        Of the data set.
    size : int or (int, int)
        Side of the square images, or height and width, in pixels; pairs have that of their layout.
    skip_bad : bool
        Whether files of a folder that cannot be read are left out, and named on stderr; else they are an error.
    augment : {None, "flip"}
        "flip": the training set has every image's mirror image too, after the `subset` images.
    layout : PairsLayout or None
        Of the rows of images, for "pairs:NAME" only; None: PairsLayout().
    network : {"resnet", "unet"}
        "resnet": `depth` convolutions of `width` features; "unet": `depth` scales of width, 2 width, 4 width, ...
    conditional : bool
        Whether the network is told the class labels.
    parametrization : {"v", "eps"}
        What the last layer gives; the loss is its mean squared error, t uniform in [0, 1] and stratified in the batch.
        `empirical.networks.parametrization` says why v; Kamb & Ganguli have eps. The network's answer is eps in any
        case.
    decay : float or None
        None: the learning rate warms up over the first 5 % of the steps and falls by half a cosine; else it is
        lr decay^step (Kamb & Ganguli: 1e-4 and 0.999965).
    dtype : {"float32", "bfloat16"}
        Of the forward pass; "bfloat16" is autocast.
    **recipe
        The fields of `Recipe`.
    """

    RENAMED: ClassVar[dict[str, str]] = {"prediction": "parametrization"}
    LEAST: ClassVar[dict[str, int]] = {"depth": 1, "subset": 1} | Recipe.LEAST

    subset: int | None = None
    split: str = "train"
    size: int | tuple[int, int] = 32
    skip_bad: bool = False
    augment: str | None = None
    layout: PairsLayout | None = None
    network: str = "resnet"
    conditional: bool = False
    width: int = 32
    depth: int = 8
    parametrization: str = "v"
    steps: int = 6_000
    batch: int = 16
    lr: float = 3e-3
    decay: float | None = None
    ema: float = 0.998
    dtype: str = "float32"

    def __post_init__(self):
        super().__post_init__()
        height, width = shape_of(self.size)
        object.__setattr__(self, "size", height if height == width else (height, width))  # of JSON too, a list
        self.check_one_of("augment", (None, *AUGMENTATIONS))
        if self._of_pairs and (self.augment or self.skip_bad):
            raise UserError(f"augment, skip_bad: got one for {self.dataset!r}, want neither for {PAIRS}:NAME")
        for name, known in (("network", NETWORKS), ("parametrization", PARAMETRIZATIONS), ("dtype", DTYPES)):
            self.check_one_of(name, known)
        if self.decay is not None and not 0 < self.decay <= 1:
            raise UserError(f"decay: got {self.decay}, want a factor in (0, 1], or None")
        if self.layout is not None and not self._of_pairs:
            raise UserError(f"layout: got one for {self.dataset!r}, want it for {PAIRS}:NAME only")
        if self._of_pairs and self.conditional:
            raise UserError(f"conditional: got True, but {self.dataset} has no labels")
        if self._of_pairs and self.layout is None:
            object.__setattr__(self, "layout", PairsLayout())

    @property
    def _of_pairs(self) -> bool:
        return self.dataset.partition(":")[0] == PAIRS

    @classmethod
    def preset(cls, name: str | None = None, *, dataset: str, network: str = "resnet", **overrides) -> ImageTrainConfig:
        """Return one of PRESETS for a data set and a network, with any field overridden; None: "small", or "pairs".

        "tiny": seconds, to see that everything runs. "small": worth comparing after about 40 minutes on two CPU cores.
        "pairs": rows of images, in seven minutes of one core. "paper": Kamb & Ganguli's recipe, 300 epochs, for a GPU.
        Raises a UserError for words that are none.
        """
        if name is None:
            name = PAIRS if dataset.partition(":")[0] == PAIRS else "small"
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
        """Return the training set; raise a UserError if it has no labels and the network is to be conditional."""
        if self._of_pairs:
            return load(self.dataset, data_dir=data_dir, split=self.split, seed=self.data_seed, layout=self.layout,
                        **({} if self.subset is None else {"count": self.subset}))
        dataset = load(self.dataset, data_dir=data_dir, split=self.split, subset=self.subset, seed=self.data_seed,
                       size=self.size, skip_bad=self.skip_bad, augment=self.augment)
        say_skipped(dataset)
        if self.conditional and dataset.labels is None:
            raise UserError(f"conditional: got True, but {self.dataset} has no labels")
        return dataset

    def architecture(self, dataset: Dataset) -> tuple[str, dict]:
        """Return "resnet" or "unet", and the network's arguments."""
        classes = None
        if self.conditional:
            classes = int(dataset.labels.max()) + 1 if dataset.classes is None else len(dataset.classes)
        arguments = dict(channels=dataset.images.shape[1], classes=classes, padding=self.padding,
                         attention=self.attention, parametrization=self.parametrization)
        if self.network == "resnet":
            return "resnet", arguments | dict(width=self.width, depth=self.depth)
        return "unet", arguments | dict(widths=[self.width * 2**scale for scale in range(self.depth)])

    @classmethod
    def _decoded(cls, record: dict) -> dict:
        record, layout = super()._decoded(record), record.get("layout")
        return record if layout is None else record | {"layout": PairsLayout(**layout)}

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of step 1, ..., steps."""
        return super().learning_rate(step) if self.decay is None else self.lr * self.decay**step

    def precision(self, device: str) -> str:
        """Return `dtype`, whatever the device."""
        return self.dtype
