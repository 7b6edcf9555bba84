"""Trained networks on disk: NAME.safetensors holds the weights, NAME.json everything else.

The JSON record: `architecture` (a name of `empirical.networks.NETWORKS`; "toy-cnn" where it is missing), `network` (its
arguments), `config` (the whole TrainConfig or ImageTrainConfig), `schedule`, `prediction`, `data_fingerprint`, `seed`,
`step`, `losses` (means over equal stretches of the run), `samples` (`sample_grid`), `command`, `versions`,
`device`, `processes`, `threads`, `seconds` on the clock and `cpu_seconds` of the processor. Both files are written to a
temporary name and renamed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import nn

from empirical.atomic import write_bytes
from empirical.networks import NETWORKS
from empirical.toy_networks import CHECKPOINTS, SHIPPED
from theory.errors import UserError


class Checkpoint(NamedTuple):
    """network: in evaluation mode, with its averaged weights; metadata: the JSON record."""

    network: nn.Module
    metadata: dict


def load(path_or_name, device: str = "cpu") -> Checkpoint:
    """A trained network by path (with or without its suffix) or by the name of a shipped one, as "cnn-learned-0" of the
    toy networks, "toy-gap/cnn-0" or "mnist/resnet".

    UserError: no such checkpoint, or one that does not fit its record.
    """
    stem = find(path_or_name)
    metadata = json.loads(stem.with_name(stem.name + ".json").read_text())
    architecture = metadata.get("architecture", "toy-cnn")
    if architecture not in NETWORKS:
        raise UserError(f"checkpoint: {stem.name}.json has architecture {architecture!r}, want {', '.join(NETWORKS)}")
    network = NETWORKS[architecture](**metadata["network"])
    try:
        network.load_state_dict(load_file(stem.with_name(stem.name + ".safetensors"), device="cpu"))
    except (RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"checkpoint: {stem.name}.safetensors does not fit {stem.name}.json ({reason})") from error
    return Checkpoint(network.to(device).eval(), metadata)


def find(path_or_name) -> Path:
    """The path of a checkpoint without its suffix. UserError if either of its two files is missing."""
    name = str(path_or_name).removesuffix(".safetensors").removesuffix(".json")
    for stem in (Path(name), SHIPPED / name, CHECKPOINTS / name):
        if all(stem.with_name(stem.name + suffix).is_file() for suffix in (".safetensors", ".json")):
            return stem
    known = sorted(path.stem if path.parent == SHIPPED else f"{path.parent.name}/{path.stem}"
                   for path in CHECKPOINTS.glob("*/*.safetensors"))
    raise UserError(f"checkpoint: found no {name}.safetensors and .json, want a path or one of: {', '.join(known)}")


def save_network(stem: Path, network: nn.Module, metadata: dict) -> None:
    """Write stem.safetensors, then stem.json."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(stem.with_name(stem.name + ".safetensors"), save(weights))
    write_bytes(stem.with_name(stem.name + ".json"), (json.dumps(metadata, indent=1) + "\n").encode())


def save_state(path: Path, tensors: dict[str, torch.Tensor], record: dict) -> None:
    """A training state in one safetensors file: the tensors, and `record` as JSON in its header."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(tensors, metadata={"record": json.dumps(record)}))


def load_state(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """The inverse of save_state. UserError for a file that is not one."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["record"])
    except (safetensors.SafetensorError, KeyError, TypeError) as error:
        raise UserError(f"out: {path.name} is not a training state, delete it to start again") from error
