"""What a study of capacity and training is, in one frozen record that can be read without torch, numba or xarray."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from compare.digests import digests


@dataclass(frozen=True)
class ApproachConfig:
    """The study of toy networks on one training set; its numbers are a function of this record and of their weights.

    networks: checkpoints of any capacity, training steps and seed, by path or by the names of shipped ones
    samples: evaluation samples 0, ..., samples - 1 of `seed`, drawn to their end
    points: training images, noised to every t, at which the denoising loss is measured
    steps: noise levels t = 1 / steps, ..., 1 of the loss, and of the machines' sampler
    network_steps: of the networks' sampler
    patch_sizes: of the equivariant local score; the largest is the window that the networks see
    """

    networks: tuple[str, ...]
    samples: int = 300
    seed: int = 0
    points: int = 256
    steps: int = 20
    network_steps: int = 150
    patch_sizes: tuple[int, ...] = (3, 5)
    device: str = "cpu"

    def __post_init__(self):
        for name in ("samples", "points", "steps", "network_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, want at least 1")
        if self.seed < 0:
            raise ValueError(f"seed: got {self.seed}, want at least 0")
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError(f"networks: got {' '.join(self.networks) or 'none'}, want at least one, each once")
        if not self.patch_sizes or any(k < 1 or k % 2 == 0 for k in self.patch_sizes):
            raise ValueError(f"patch_sizes: got {self.patch_sizes}, want odd numbers of at least 1")

    def resolved(self, stems: list[Path]) -> dict:
        """Everything that decides the numbers, as JSON: this record, and the digests of the networks' weights."""
        return {**asdict(self), "weights": digests(self.networks, stems)}
