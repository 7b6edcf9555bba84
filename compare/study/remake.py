"""What a result was made with, made again from its record: the training set and the machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from empirical.datasets import Dataset, load
from empirical.toy_networks import shipped_config
from empirical.training.toy_config import TrainConfig
from theory import AttentionScore, EquivariantLocalScore, IdealScore, LocalScore
from theory.machines.attention.maps import ATTENTIONS
from theory.machines.machine import ScoreMachine

MACHINES = {
    "ideal": lambda images, size, boundary, labels: IdealScore(images, labels),
    "local": LocalScore,
    "els": EquivariantLocalScore,
    **{attention: (lambda images, size, boundary, labels, attention=attention:
                   AttentionScore(images, size, boundary, attention, labels=labels)) for attention in ATTENTIONS},
}
"""By the first word of a machine's name in a result."""

WITH_ATTENTION = ("-top1", "-identity", "-learned")
"""How the names of network variants with attention end."""


class Remade(NamedTuple):
    """A machine of a result, with its setting of each step (index 0 = least noise; None where it has none)."""

    machine: ScoreMachine
    patch_sizes: list[int] | None
    strengths: list[float] | None

    def at(self, step: int, label: int | None = None) -> dict:
        """The options of `denoise` at a step."""
        given = {"patch_size": self.patch_sizes and self.patch_sizes[step],
                 "strength": self.strengths and self.strengths[step], "labels": label}
        return {name: value for name, value in given.items() if value is not None}


def training_set(result: xr.Dataset, data_dir: Path | None = None) -> Dataset:
    """The images that the result's networks and machines were made from. ValueError: other data than the result's."""
    config = json.loads(result.attrs["config_json"])
    if config["dataset"] == "toy":
        made = next((network for network in config["networks"].values() if isinstance(network, dict)), None)
        made = shipped_config("cnn") if made is None else TrainConfig.from_json(made)
        training = load("toy", seed=made.data_seed, layout=made.layout, count=made.count)
    else:
        training = load(config["dataset"], data_dir=data_dir, split=config["split"], subset=config["subset"],
                        seed=config["data_seed"], size=config["size"])
    if training.fingerprint != result.attrs["data_fingerprint"]:
        raise ValueError(f"result: its training data was another {config['dataset']} than is found now, "
                         "want the data that it was made with")
    return training


def machine(result: xr.Dataset, name: str, training: Dataset) -> Remade:
    """The machine of that name. ValueError: a name that the result does not have, or a kind without patches."""
    if name not in result.machine.values:
        raise ValueError(f"machine: got {name!r}, want one of: {', '.join(result.machine.values.tolist())}")
    kind = name.split()[0]
    if kind not in MACHINES:
        raise ValueError(f"machine: got {name!r}, which names no training patches, want one of: " + ", ".join(
            other for other in result.machine.values.tolist() if other.split()[0] in MACHINES))
    config = json.loads(result.attrs["config_json"])
    sizes, strengths = (result[which].sel(machine=name).values for which in ("patch_size", "strength"))
    labels = training.labels if config.get("conditional") else None
    made = MACHINES[kind](training.images, int(max(1, sizes.max())), config.get("boundary", "zeros"), labels)
    return Remade(made, sizes.tolist() if sizes.any() else None, strengths.tolist() if kind in ATTENTIONS else None)


def default_machine(result: xr.Dataset, network: str) -> str:
    """The machine to hold beside a network: the attention machine that is fitted to it if it has attention, else ELS
    fitted to it; where there is neither, the one whose images agree best with it (median r2)."""
    names, variant = result.machine.values.tolist(), result.variant.sel(network=network).item()
    kinds = (*ATTENTIONS, "els") if variant.endswith(WITH_ATTENTION) else ("els",)
    fitted = [name for kind in kinds if (name := f"{kind} fitted to {variant}") in names]
    if fitted:
        return fitted[0]
    local = [name for name in names if name.split()[0] in MACHINES and name != "ideal"]
    return max(local or ["ideal"], key=lambda name: np.nanmedian(result.r2.sel(machine=name, network=network)))


def network(result: xr.Dataset, name: str | None) -> str:
    """A network of the result by its full name or its variant (first training seed, most steps); None: the first.

    ValueError: a name that the result does not have.
    """
    names, variants = result.network.values.tolist(), result.variant.values.tolist()
    if name in names:
        return name
    variant = variants[0] if name is None else name
    if variant not in variants:
        raise ValueError(f"network: got {name!r}, want one of: {', '.join(dict.fromkeys(variants))}; "
                         f"or {', '.join(names)}")
    of_variant = result.isel(network=[i for i, other in enumerate(variants) if other == variant])
    first = of_variant.training_seed.values == of_variant.training_seed.values[0]
    return str(of_variant.network.values[np.argmax(np.where(first, of_variant.network_steps.values, -1))])
