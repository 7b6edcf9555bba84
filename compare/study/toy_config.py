"""What a toy run is, in one frozen record that can be read without torch, numba or xarray."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace

from empirical.toy_networks import SEEDS, VARIANTS, shipped, shipped_config
from empirical.training.toy_config import TrainConfig


@dataclass(frozen=True)
class ToyConfig:
    """The comparison on the toy set; a run's numbers are a function of this record.

    samples: evaluation samples 0, ..., samples - 1 of `seed`
    steps, network_steps: of the machines' sampler, and of the networks'
    variants, training_seeds: the networks, every variant with every seed
    calibration_samples: how many other samples of `seed` k(t) and lambda(t) are fitted on
    patch_sizes: candidates for k(t). 3 x 4 x 2 images: 7 sees the whole image from every pixel.
    strengths: candidates for lambda(t), 0 first; up to 1 = 1 / k^2 at k = 1
    fixed_patch_size, fixed_strength: of the attention machines that are stated beforehand, not fitted: the window that
        reaches the neighbouring cells, and a round number near 1 / k^2 (docs/theory/attention.md)
    training_steps: None for the shipped networks; else they are trained in the run's folder for so many steps
    device: of the networks; the machines run on the CPU
    """

    samples: int = 64
    seed: int = 0
    steps: int = 20
    network_steps: tuple[int, ...] = (20, 150)
    variants: tuple[str, ...] = tuple(VARIANTS)
    training_seeds: tuple[int, ...] = SEEDS
    calibration_samples: int = 10
    patch_sizes: tuple[int, ...] = (1, 3, 5, 7)
    strengths: tuple[float, ...] = (0.0, 0.03, 0.1, 0.3, 1.0)
    fixed_patch_size: int = 3
    fixed_strength: float = 0.1
    training_steps: int | None = None
    device: str = "cpu"

    def __post_init__(self):
        for name in ("samples", "steps", "calibration_samples", "training_steps"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, want at least 1")
        for name in ("network_steps", "variants", "training_seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}: got {' '.join(map(str, values)) or 'none'}, want at least one, each once")
        if min(self.network_steps) < 1:
            raise ValueError(f"network_steps: got {min(self.network_steps)}, want at least 1")
        if self.seed < 0:
            raise ValueError(f"seed: got {self.seed}, want at least 0")

    def quick(self) -> ToyConfig:
        """The same study in under a minute: one training seed, coarse calibration, networks at the machines' steps."""
        return replace(self, samples=8, training_seeds=SEEDS[:1], network_steps=(self.steps,), calibration_samples=2,
                       patch_sizes=(3, 5), strengths=(0.0, 0.03, 0.1))

    @property
    def networks(self) -> list[tuple[str, int]]:
        """(variant, training seed) of every network."""
        return [(variant, seed) for variant in self.variants for seed in self.training_seeds]

    def recipe(self, variant: str, training_seed: int) -> TrainConfig:
        """How a network is trained, where `training_steps` is given."""
        return replace(shipped_config(variant, training_seed), steps=self.training_steps)

    def resolved(self) -> dict:
        """Everything that decides the numbers, as JSON: this record, and the networks' weights or their recipe.

        ValueError: a shipped network that is not there.
        """
        if self.training_steps is None:
            networks = {f"{variant}-{seed}": _digest(shipped(variant, seed)) for variant, seed in self.networks}
        else:
            networks = {f"{variant}-{seed}": self.recipe(variant, seed).to_json() for variant, seed in self.networks}
        return {"dataset": "toy", **asdict(self), "networks": networks}


def _digest(stem) -> str:
    """SHA-256 of a checkpoint's weights."""
    weights = stem.with_name(stem.name + ".safetensors")
    if not weights.is_file():
        raise ValueError(f"networks: found no shipped {stem.name}, want it at {weights.parent} (or --retrain)")
    return hashlib.sha256(weights.read_bytes()).hexdigest()
