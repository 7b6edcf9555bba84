"""What each study is, in frozen records that can be read without torch, numba or xarray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import ClassVar, Self

from compare.result.words import CLOSED_FORMS, FIXED_FORMS, NETWORK_MAP_FORMS, WINDOW_RULES
from empirical.toy_networks import SEEDS, VARIANTS
from theory.errors import UserError

STRENGTHS = "0 first, then numbers greater than 0"
"""What strengths are wanted."""


def _check(holds: bool, name: str, got: object, want: str) -> None:
    if not holds:
        raise UserError(f"{name}: got {got}, want {want}")


@dataclass(frozen=True)
class StudyConfig:
    """What all studies ask for; a study's numbers are a function of its record, its networks and their training set.

    samples: evaluation samples 0, ..., samples - 1 of `seed`, drawn to their end by networks and machines
    steps, network_steps: of the machines' sampler, and of the networks'
    calibration_samples: how many other samples of `seed` k(t) and lambda(t) are fitted on
    patch_sizes: candidates for k(t), all tried; None for 3, 5, ... up to the networks' receptive field, at most the
        image's side, tried from the choice of the step before outwards
    strengths: candidates for lambda(t), 0 first
    device: of the networks; the machines run on the CPU
    """

    samples: int = 100
    seed: int = 0
    steps: int = 20
    network_steps: tuple[int, ...] = (20, 150)
    calibration_samples: int = 10
    patch_sizes: tuple[int, ...] | None = None
    strengths: tuple[float, ...] = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03)
    device: str = "cpu"

    AT_LEAST_1: ClassVar[tuple[str, ...]] = ("samples", "steps", "calibration_samples")
    AT_LEAST_ONE: ClassVar[tuple[str, ...]] = ("network_steps", "strengths")

    def __post_init__(self):
        for name in self.AT_LEAST_1:
            value = getattr(self, name)
            _check(value is None or value >= 1, name, value, "at least 1")
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, tuple):
                _check(len(set(values)) == len(values), field.name, " ".join(map(str, values)), "each once")
        for name in self.AT_LEAST_ONE:
            _check(bool(getattr(self, name)), name, "none", "at least one")
        _check(min(self.network_steps) >= 1, "network_steps", min(self.network_steps), "at least 1")
        sizes = self.patch_sizes
        _check(sizes is None or sizes != () and all(k >= 1 and k % 2 == 1 for k in sizes), "patch_sizes",
               " ".join(map(str, sizes or ())) or "none", "odd numbers of at least 1")
        _check(self.strengths[0] == 0.0 <= min(self.strengths), "strengths", self.strengths, STRENGTHS)
        _check(self.seed >= 0, "seed", self.seed, "at least 0")

    def with_given(self, options: Mapping) -> Self:
        """Return the record with these of a command line's options: a None leaves what is there."""
        known = {field.name for field in fields(self)}
        return replace(self, **{name: tuple(value) if isinstance(value, list) else value
                                for name, value in options.items() if value is not None and name in known})

    def to_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class ToyConfig(StudyConfig):
    """The comparison on the toy set.

    variants, training_seeds: the networks, every variant with every seed
    patch_sizes: 3 x 4 x 2 images: 7 sees the whole image from every pixel
    strengths: up to 1 = 1 / k^2 at k = 1
    fixed_patch_size, fixed_strength: of the attention machines that are stated beforehand, not fitted: the window that
        reaches the neighbouring cells, and a round number near 1 / k^2
    training_steps: None for the shipped networks; else they are trained in the run's folder for so many steps
    """

    samples: int = 64
    patch_sizes: tuple[int, ...] = (1, 3, 5, 7)
    strengths: tuple[float, ...] = (0.0, 0.03, 0.1, 0.3, 1.0)
    variants: tuple[str, ...] = tuple(VARIANTS)
    training_seeds: tuple[int, ...] = SEEDS
    fixed_patch_size: int = 3
    fixed_strength: float = 0.1
    training_steps: int | None = None

    AT_LEAST_1 = (*StudyConfig.AT_LEAST_1, "training_steps")
    AT_LEAST_ONE = (*StudyConfig.AT_LEAST_ONE, "variants", "training_seeds")

    def __post_init__(self):
        super().__post_init__()
        for variant in self.variants:
            _check(variant in VARIANTS, "variants", repr(variant), f"some of: {', '.join(VARIANTS)}")

    def quick(self) -> ToyConfig:
        """Return the study of a minute: one training seed, coarse calibration, networks at the machines' steps."""
        return replace(self, samples=8, training_seeds=SEEDS[:1], network_steps=(self.steps,), calibration_samples=2,
                       patch_sizes=(3, 5), strengths=(0.0, 0.03, 0.1))


@dataclass(frozen=True)
class ImageConfig(StudyConfig):
    """The comparison on images.

    validation_images: how many the rules without a network go by
    rules: those of WINDOW_RULES beside cosine that get a machine of their own; the k(t) of all is computed and kept
    entropy_share: of ln N, that the posterior's entropy is to fall to by the rule "entropy"
    diagnosed: of how many samples the machines are held against the network at each point of its own trajectory
    """

    validation_images: int = 4
    rules: tuple[str, ...] = ()
    entropy_share: float = 0.8
    diagnosed: int = 8

    AT_LEAST_1 = (*StudyConfig.AT_LEAST_1, "validation_images", "diagnosed")

    def __post_init__(self):
        super().__post_init__()
        for rule in self.rules:
            _check(rule in WINDOW_RULES[1:], "rules", repr(rule), f"some of: {', '.join(WINDOW_RULES[1:])}")
        _check(0 < self.entropy_share < 1, "entropy_share", self.entropy_share, "a share between 0 and 1")

    def quick(self) -> ImageConfig:
        """Return the coarser study: a look at whether everything runs."""
        return replace(self, samples=8, network_steps=(self.steps,), calibration_samples=2, validation_images=2,
                       diagnosed=2, strengths=(0.0, 0.003))


@dataclass(frozen=True)
class NetworksConfig(StudyConfig):
    """Studies of given toy networks on one training set.

    networks: checkpoints, trained on one training set, by path or by the names of shipped ones
    points: training images, noised to every t = 1 / steps, ..., 1, at which denoisers are compared
    """

    networks: tuple[str, ...] = ("toy",)
    samples: int = 300
    points: int = 256

    AT_LEAST_1 = (*StudyConfig.AT_LEAST_1, "points")
    AT_LEAST_ONE = (*StudyConfig.AT_LEAST_ONE, "networks")


@dataclass(frozen=True)
class AttentionConfig(NetworksConfig):
    """Does a closed form predict networks with attention?

    path_samples: evaluation samples whose trajectories are followed, point by point
    closed_forms: some of CLOSED_FORMS
    patch_sizes, strengths: candidates for k(t) and lambda(t), chosen together
    """

    calibration_samples: int = 16
    patch_sizes: tuple[int, ...] = (1, 3, 5)
    strengths: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
    path_samples: int = 64
    closed_forms: tuple[str, ...] = tuple(CLOSED_FORMS)

    AT_LEAST_1 = (*NetworksConfig.AT_LEAST_1, "path_samples")

    def __post_init__(self):
        super().__post_init__()
        _check(len(self.strengths) > 1, "strengths", self.strengths, STRENGTHS)
        forms = set(self.closed_forms)
        _check(forms <= set(CLOSED_FORMS) and bool(forms - set(NETWORK_MAP_FORMS)), "closed_forms",
               ", ".join(self.closed_forms) or "none",
               f"some of {', '.join(CLOSED_FORMS)}, one at least beside {' and '.join(NETWORK_MAP_FORMS)}")
        _check(self.path_samples <= self.samples, "path_samples", f"{self.path_samples} of {self.samples} samples",
               "at most all")

    def quick(self) -> AttentionConfig:
        """Return the study of about a minute: a look, not a result."""
        return replace(self, samples=16, points=24, path_samples=4, calibration_samples=3, steps=10,
                       network_steps=(10,), patch_sizes=(3, 5), strengths=(0.0, 0.03, 0.3))


@dataclass(frozen=True)
class CapacityConfig(NetworksConfig):
    """Toy networks of any capacity, training steps and seed.

    patch_sizes: of the equivariant local score; the largest is the window that the networks see
    closed_forms: of attention, some of FIXED_FORMS, or none
    """

    network_steps: tuple[int, ...] = (150,)
    patch_sizes: tuple[int, ...] = (3, 5)
    closed_forms: tuple[str, ...] = FIXED_FORMS

    def __post_init__(self):
        super().__post_init__()
        _check(set(self.closed_forms) <= set(FIXED_FORMS), "closed_forms", ", ".join(self.closed_forms),
               f"some of {', '.join(FIXED_FORMS)}")


@dataclass(frozen=True)
class PairsConfig(StudyConfig):
    """The comparison on rows of real images that share a property.

    points: held-out images, noised to each t of `stretch`, at which differences are asked, and by whose denoising the
        strength is set
    path_samples: of the evaluation noises, on whose path each network with attention is asked
    stretch, every: from and to which t differences are asked, and at every how many of the sampler's steps
    strengths: candidates for the strength of evidence sharing, in units of 1 / k^2
    """

    samples: int = 64
    network_steps: tuple[int, ...] = (100,)
    strengths: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0)
    points: int = 24
    path_samples: int = 16
    stretch: tuple[float, float] = (0.4, 0.9)
    every: int = 2

    AT_LEAST_1 = (*StudyConfig.AT_LEAST_1, "points", "path_samples", "every")

    def __post_init__(self):
        super().__post_init__()
        _check(self.path_samples <= self.samples, "path_samples", self.path_samples,
               f"at most the {self.samples} samples")
        _check(0 < self.stretch[0] < self.stretch[1] <= 1, "stretch", self.stretch, "two times 0 < from < to <= 1")

    def quick(self) -> PairsConfig:
        """Return the coarser study: a look at whether everything runs."""
        return replace(self, samples=8, network_steps=(self.steps,), calibration_samples=2, points=4, path_samples=2,
                       strengths=(0.0, 0.3, 1.0), every=5)
