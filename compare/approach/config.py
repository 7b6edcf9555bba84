"""What a study of capacity and training is, in one frozen record that can be read without torch, numba or xarray."""

from __future__ import annotations

from dataclasses import dataclass

from compare.networks_config import NetworksConfig


@dataclass(frozen=True)
class ApproachConfig(NetworksConfig):
    """The study of toy networks of any capacity, training steps and seed.

    network_steps: of the networks' sampler
    patch_sizes: the largest is the window that the networks see
    Everything else as in NetworksConfig.
    """

    network_steps: int = 150

    def __post_init__(self):
        super().__post_init__()
        self._at_least_1("network_steps")
