"""What a comparison on images is, in one frozen record that can be read without torch, numba or xarray."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

RULES = ("mse", "validation", "entropy")
"""How the window k(t) of an equivariant local machine can be chosen other than by cosine; what each is:
`compare.study.image_calibration`."""


@dataclass(frozen=True)
class ImageConfig:
    """How networks are held against machines; this record, the networks and their training set decide the numbers.

    samples: evaluation samples 0, ..., samples - 1 of `seed`
    steps, network_steps: of the machines' sampler, and of the networks'
    calibration_samples: how many other samples of `seed` k(t) and lambda(t) are fitted on
    validation_images: how many the rules without a network go by
    patch_sizes: candidates for k(t); None for 3, 5, ... up to the networks' receptive field, at most the image's side
    strengths: candidates for lambda(t) of attention machines, 0 first
    rules: those of RULES that get a machine of their own; the k(t) of all of them is computed and kept
    entropy_share: of ln N, that the posterior's entropy is to fall to by the rule "entropy"
    diagnosed: of how many samples the machines are held against the network at each point of its own trajectory
    device: of the networks; the machines run on the CPU
    """

    samples: int = 100
    seed: int = 0
    steps: int = 20
    network_steps: tuple[int, ...] = (20, 150)
    calibration_samples: int = 10
    validation_images: int = 4
    patch_sizes: tuple[int, ...] | None = None
    strengths: tuple[float, ...] = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03)
    rules: tuple[str, ...] = ()
    entropy_share: float = 0.8
    diagnosed: int = 8
    device: str = "cpu"

    def __post_init__(self):
        for name in ("samples", "steps", "calibration_samples", "validation_images", "diagnosed"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, want at least 1")
        for name in ("network_steps", "patch_sizes", "strengths"):
            if getattr(self, name) == ():
                raise ValueError(f"{name}: got none, want at least one")
        for name in ("network_steps", "patch_sizes", "strengths", "rules"):
            values = getattr(self, name) or ()
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: got {' '.join(map(str, values))}, want each once")
        if min(self.network_steps) < 1:
            raise ValueError(f"network_steps: got {min(self.network_steps)}, want at least 1")
        for k in self.patch_sizes or ():
            if k < 1 or k % 2 == 0:
                raise ValueError(f"patch_sizes: got {k}, want odd numbers of at least 1")
        if min(self.strengths) < 0:
            raise ValueError(f"strengths: got {min(self.strengths)}, want at least 0")
        for rule in self.rules:
            if rule not in RULES:
                raise ValueError(f"rules: got {rule!r}, want some of: {', '.join(RULES)}")
        if not 0 < self.entropy_share < 1:
            raise ValueError(f"entropy_share: got {self.entropy_share}, want a share between 0 and 1")
        if self.seed < 0:
            raise ValueError(f"seed: got {self.seed}, want at least 0")

    def quick(self) -> ImageConfig:
        """The same study, coarser: a look at whether everything runs."""
        return replace(self, samples=8, network_steps=(self.steps,), calibration_samples=2, validation_images=2,
                       diagnosed=2, strengths=(0.0, 0.003))

    def to_json(self) -> dict:
        return asdict(self)
