"""What a study of capacity and training is, in one frozen record that can be read without torch, numba or xarray."""

from __future__ import annotations

from dataclasses import dataclass

from compare.study.networks_config import NetworksConfig

FIXED_FORMS = ("pair", "uniform")
"""Closed forms of attention that hold for every network and need no fit: joint matching, evidence sharing."""


@dataclass(frozen=True)
class ApproachConfig(NetworksConfig):
    """The study of toy networks of any capacity, training steps and seed.

    network_steps: of the networks' sampler
    patch_sizes: the largest is the window that the networks see
    closed_forms: some of FIXED_FORMS, or none
    Everything else as in NetworksConfig.
    """

    network_steps: int = 150
    closed_forms: tuple[str, ...] = FIXED_FORMS

    def __post_init__(self):
        super().__post_init__()
        self._at_least_1("network_steps")
        if set(self.closed_forms) - set(FIXED_FORMS) or len(set(self.closed_forms)) < len(self.closed_forms):
            raise ValueError(f"closed_forms: got {', '.join(self.closed_forms)}, want some of "
                             f"{', '.join(FIXED_FORMS)}, each once")
