"""What studies of several toy networks have in common, in a frozen record that can be read without torch or xarray."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class NetworksConfig:
    """Toy networks on one training set; the study's numbers are a function of its record and of their weights.

    networks: checkpoints, trained on one training set, by path or by the names of shipped ones
    samples: evaluation samples 0, ..., samples - 1 of `seed`, drawn to their end by networks and machines
    points: training images, noised to every t, at which denoisers are compared
    steps: noise levels t = 1 / steps, ..., 1 of those, and of the machines' sampler
    patch_sizes: of the equivariant local score
    """

    networks: tuple[str, ...]
    samples: int = 300
    seed: int = 0
    points: int = 256
    steps: int = 20
    patch_sizes: tuple[int, ...] = (3, 5)
    device: str = "cpu"

    def __post_init__(self):
        self._at_least_1("samples", "points", "steps")
        if self.seed < 0:
            raise ValueError(f"seed: got {self.seed}, want at least 0")
        if not self.networks or len(set(self.networks)) < len(self.networks):
            raise ValueError(f"networks: got {' '.join(self.networks) or 'none'}, want at least one, each once")
        if not self.patch_sizes or any(k < 1 or k % 2 == 0 for k in self.patch_sizes):
            raise ValueError(f"patch_sizes: got {self.patch_sizes}, want odd numbers of at least 1")

    def _at_least_1(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, want at least 1")

    def with_given(self, options: Mapping) -> Self:
        """The record with these of a command line's options: a None leaves what is there, a list becomes a tuple."""
        return replace(self, **{name: tuple(value) if isinstance(value, list) else value
                                for name, value in options.items() if value is not None})

    def resolved(self, stems: list[Path]) -> dict:
        """Everything that decides the numbers, as JSON: this record, and the SHA-256 of the networks' weights.

        stems: the networks' checkpoints, without suffix
        """
        weights = [stem.with_name(stem.name + ".safetensors") for stem in stems]
        return {**asdict(self), "weights": {name: hashlib.sha256(path.read_bytes()).hexdigest()
                                            for name, path in zip(self.networks, weights)}}
