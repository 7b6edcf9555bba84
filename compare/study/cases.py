"""The networks of a study: variants of one architecture, several training seeds each, on one training set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from compare.study.attention_config import AttentionConfig
from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.datasets import Dataset
from empirical.toy_networks import SHIPPED, VARIANTS
from empirical.training.toy_config import TrainConfig
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()


class Member(NamedTuple):
    """A trained network: its variant ("cnn", "cnn-learned", ...), training seed, and face of a machine."""

    variant: str
    training_seed: int
    denoiser: NetworkDenoiser

    @property
    def name(self) -> str:
        return f"{self.variant}/seed{self.training_seed}"

    def attention_map(self, x: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        """The network's own alpha (B, P, P) at x = x0 + sigma n (B, C, H, W), sigma (B,); float64, rows sum to 1."""
        weight = next(self.denoiser.network.parameters())
        on_device = lambda values: torch.as_tensor(values, dtype=weight.dtype, device=weight.device)
        phi = on_device(x / np.sqrt(1.0 + sigma**2)[:, None, None, None])
        t = on_device(SCHEDULE.time(sigma))
        alpha = self.denoiser.network.attention_map(phi, t).double()
        return (alpha / alpha.sum(-1, keepdim=True)).cpu().numpy()


class Case(NamedTuple):
    """members: by variant, then training seed; dataset: what all of them were trained on."""

    members: list[Member]
    dataset: Dataset

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(member.variant for member in self.members))

    def of(self, variant: str) -> list[Member]:
        """The variant's networks, one a training seed."""
        return [member for member in self.members if member.variant == variant]


def named(networks: Sequence[str]) -> tuple[str, ...]:
    """Checkpoints by name or path; the name of a shipped set stands for all of it."""
    members = {path.name: sorted(file.stem for file in path.glob("*.safetensors")) for path in SHIPPED.parent.iterdir()
               if path.name == "toy" or path.name.startswith("toy-")}
    return tuple(name for given in networks
                 for name in ([f"{given}/{member}" for member in members[given]] if given in members else [given]))


def stems(networks: Sequence[str]) -> list[Path]:
    """Where the networks are, without suffix. ValueError: one that is not there."""
    return [checkpoint.find(name) for name in networks]


class Trained(NamedTuple):
    """A network, what its training was to be, and the step that it is from."""

    member: Member
    config: TrainConfig
    step: int


def loaded(networks: Sequence[str], device: str) -> tuple[list[Trained], Dataset]:
    """The networks and the training set of all of them. ValueError: not toy networks, or on different data."""
    found, fingerprints, dataset = [], set(), None
    names = {attention: variant for variant, attention in VARIANTS.items()}
    for name, stem in zip(networks, stems(networks)):
        network, record = checkpoint.load(stem, device)
        if record["config"]["dataset"] != "toy":
            raise ValueError(f"networks: got {name}, trained on {record['config']['dataset']}, want toy networks")
        made = TrainConfig.from_json(record["config"])
        member = Member(names[made.attention], made.seed, NetworkDenoiser(network, SCHEDULE))
        found.append(Trained(member, made, record["step"]))
        fingerprints.add(record["data_fingerprint"])
        dataset = made.load() if dataset is None else dataset
    if fingerprints != {dataset.fingerprint}:
        raise ValueError("networks: got networks that were trained on different data, want one training set")
    return found, dataset


def case(config: AttentionConfig) -> Case:
    """The networks, loaded. ValueError: what `loaded` says, or two of one variant and seed."""
    found, dataset = loaded(config.networks, config.device)
    members = [trained.member for trained in found]
    members.sort(key=lambda member: (list(VARIANTS).index(member.variant), member.training_seed))
    if len({member.name for member in members}) < len(members):
        raise ValueError("networks: got two of one variant and training seed, want each once")
    return Case(members, dataset)
