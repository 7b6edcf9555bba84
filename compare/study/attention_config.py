"""What an attention study is, in one frozen record that can be read without torch, numba or xarray."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compare.study.networks_config import NetworksConfig

BY_OWN_MAP = ("own map", "own pair")
"""Evidence sharing and joint matching along the network's own attention map: for networks that attend."""

CLOSED_FORMS = (*BY_OWN_MAP, "uniform", "identity", "top1", "overlap", "pair", "consensus", "innovation", "blend")
"""Every closed form that can be asked, see `candidates`."""


@dataclass(frozen=True)
class AttentionConfig(NetworksConfig):
    """The study on one set of toy networks, variants and training seeds of one architecture.

    path_samples: evaluation samples whose trajectories are followed, point by point
    calibration_samples: other samples of `seed`, on whose trajectories k(t) and lambda(t) are fitted
    network_steps: of the networks' sampler
    closed_forms: some of CLOSED_FORMS
    patch_sizes, strengths: candidates for k(t) and lambda(t); 0, ELS itself, is the first strength
    Everything else as in NetworksConfig.
    """

    path_samples: int = 64
    calibration_samples: int = 16
    network_steps: tuple[int, ...] = (20, 150)
    closed_forms: tuple[str, ...] = CLOSED_FORMS
    patch_sizes: tuple[int, ...] = (1, 3, 5)
    strengths: tuple[float, ...] = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)

    def __post_init__(self):
        super().__post_init__()
        self._at_least_1("path_samples", "calibration_samples")
        if not self.network_steps or min(self.network_steps) < 1:
            raise ValueError(f"network_steps: got {self.network_steps}, want numbers of at least 1")
        if len(self.strengths) < 2 or self.strengths[0] != 0.0 or min(self.strengths[1:]) <= 0.0:
            raise ValueError(f"strengths: got {self.strengths}, want 0 first, then numbers greater than 0")
        unknown = set(self.closed_forms) - set(CLOSED_FORMS)
        if unknown or set(self.closed_forms) <= set(BY_OWN_MAP) or len(set(self.closed_forms)) < len(self.closed_forms):
            raise ValueError(f"closed_forms: got {', '.join(self.closed_forms) or 'none'}, want some of "
                             f"{', '.join(CLOSED_FORMS)}, each once, one at least beside {' and '.join(BY_OWN_MAP)}")
        if self.path_samples > self.samples:
            raise ValueError(f"path_samples: got {self.path_samples} of {self.samples} samples, want at most all")

    def quick(self) -> AttentionConfig:
        """The same study in about a minute: a look, not a result."""
        return replace(self, samples=16, points=24, path_samples=4, calibration_samples=3, steps=10,
                       network_steps=(10,), patch_sizes=(3, 5), strengths=(0.0, 0.03, 0.3))
