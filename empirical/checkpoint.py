"""Trained networks on disk: NAME.safetensors holds the weights, NAME.json everything else.

The JSON record: `architecture` (a name of `empirical.networks.NETWORKS`; "toy-cnn" where it is missing), `network` (its
arguments), `config` (the whole TrainConfig or ImageTrainConfig), `schedule`, `prediction` (what the network's answer
is, as `empirical.adapters.NetworkDenoiser` has it), `data_fingerprint`, `seed`, `step`, `losses` (means over equal
stretches of the run), `samples` (`empirical.training.sample_grid`), `command`, `versions`, `device`, `processes`,
`threads`, `seconds` on the clock and `cpu_seconds` of the processor, and `weights_sha256`, the digest of the other
file, which is checked when it is read. Both files are written to a temporary name and renamed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from torch import nn

from empirical.atomic import write_bytes, write_text
from empirical.networks import NETWORKS
from empirical.toy_networks import CHECKPOINTS, SHIPPED
from theory.errors import UserError

DIGEST = "weights_sha256"
REMEDY = "want it as it was written: copy it again, or delete it and train it again"
RENAMED = {"prediction": "parametrization"}  # arguments of networks in older records: name then -> name now


class Record(dict):
    """Hold an object of a JSON record, which says in a UserError's one line what it lacks."""

    def __init__(self, values: dict, name: str):
        super().__init__(values)
        self.name = name

    def __missing__(self, key):
        raise UserError(f"checkpoint: {self.name} has no {key!r}, {REMEDY}")


class Checkpoint(NamedTuple):
    """Hold a `network`, in evaluation mode, with its averaged weights, and its `metadata`, the JSON record."""

    network: nn.Module
    metadata: dict


def load(path_or_name: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Return a trained network and its record.

    Parameters
    ----------
    path_or_name : str or Path
        With or without suffix; or the name of a shipped network, as "cnn-learned-0" of the toy networks,
        "toy-gap/cnn-0" or "mnist/resnet".
    device : str or torch.device
        Where the network goes.

    Raises
    ------
    UserError
        No such checkpoint, a damaged one, or weights that do not fit their record.

    Examples
    --------
    >>> network, metadata = load("cnn-learned-0")
    >>> metadata["seed"], network.config["attention"]
    (0, 'learned')
    """
    stem = find(path_or_name)
    record = read_record(stem)
    return Checkpoint(_network(stem, record, _weights(stem, record)).to(device).eval(), record)


def _weights(stem: Path, record: Record) -> bytes:
    """Return the file of the weights, which is the one that the record is about, if that says which."""
    path = _file(stem, ".safetensors")
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if record.get(DIGEST, found) != found:
        raise UserError(f"checkpoint: {path} has the SHA-256 {found[:8]}, its record says {str(record[DIGEST])[:8]}, "
                        f"{REMEDY}")
    return content


def _network(stem: Path, record: Record, weights: bytes) -> nn.Module:
    architecture = record.get("architecture", "toy-cnn")
    if architecture not in tuple(NETWORKS):
        raise UserError(f"checkpoint: {stem.name}.json has architecture {architecture!r}, want {', '.join(NETWORKS)}")
    arguments = record["network"]
    try:
        network = NETWORKS[architecture](**{RENAMED.get(name, name): value for name, value in arguments.items()})
        network.load_state_dict(load_tensors(weights))
    except (RuntimeError, safetensors.SafetensorError, AttributeError, TypeError, ValueError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"checkpoint: {stem.name}.safetensors does not fit {stem.name}.json ({reason}), "
                        f"{REMEDY}") from error
    return network


def find(path_or_name: str | Path) -> Path:
    """Return the path of a checkpoint without its suffix; raise a UserError if either of its files is missing."""
    name = str(path_or_name).removesuffix(".safetensors").removesuffix(".json")
    for stem in (Path(name), SHIPPED / name, CHECKPOINTS / name):
        if stem.name and all(_file(stem, suffix).is_file() for suffix in (".safetensors", ".json")):
            return stem
    known = sorted(path.stem if path.parent == SHIPPED else f"{path.parent.name}/{path.stem}"
                   for path in CHECKPOINTS.glob("*/*.safetensors"))
    raise UserError(f"checkpoint: found no {name}.safetensors and .json, want a path or one of: {', '.join(known)}")


def digest(stem: str | Path) -> str:
    """Return the SHA-256 of a checkpoint's weights, in hexadecimal: that of the file STEM.safetensors."""
    weights = _file(Path(stem), ".safetensors")
    if not weights.is_file():
        raise UserError(f"checkpoint: found no {weights}, want the weights of a network there")
    with weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(stem: str | Path) -> Record:
    """Return the JSON record of a checkpoint; raise a UserError if it is not there or not an object in JSON."""
    path = _file(Path(stem), ".json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"), object_hook=lambda found: Record(found, path.name))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"checkpoint: {path} is no JSON that can be read ({type(error).__name__}), {REMEDY}") from error
    if not isinstance(record, Record):
        raise UserError(f"checkpoint: {path} holds a {type(record).__name__}, want an object; {REMEDY}")
    for part in ("config", "network"):
        if not isinstance(record.get(part, {}), dict):
            raise UserError(f"checkpoint: {path} has {part} {str(record[part])[:40]!r}, want an object; {REMEDY}")
    return record


def save_network(stem: Path, network: nn.Module, metadata: dict) -> None:
    """Write stem.safetensors, then stem.json with the digest of the weights."""
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
    write_bytes(_file(stem, ".safetensors"), content)
    record = metadata | {DIGEST: hashlib.sha256(content).hexdigest()}
    write_text(_file(stem, ".json"), json.dumps(record, indent=1) + "\n")


def save_state(path: Path, tensors: dict[str, torch.Tensor], record: dict) -> None:
    """Write a training state into one safetensors file: the tensors, and `record` as JSON in its header.

    The header also holds a digest of both.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(record)
    write_bytes(path, save(tensors, metadata={"record": text, "sha256": _state_digest(tensors, text)}))


def load_state(path: Path) -> tuple[dict[str, torch.Tensor], dict]:
    """Return the inverse of save_state; raise a UserError for a file that is not one, or is not as it was written."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors, header = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
        if header["sha256"] != _state_digest(tensors, header["record"]):
            raise ValueError("its digest is another")
        return tensors, json.loads(header["record"])
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"out: {path.name} is not a training state, or was changed since it was written "
                        f"({type(error).__name__}), delete it to start again") from error


def _state_digest(tensors: dict[str, torch.Tensor], text: str) -> str:
    sha = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        sha.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return sha.hexdigest()


def _file(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)
