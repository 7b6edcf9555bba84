"""The closed forms of one training set, and each as a study runs it: with its window and strength at every step."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

import theory
from compare.result.identity import ATTENTION_KINDS, MachineIdentity, machine_identities
from compare.result.schema import Prediction
from compare.result.words import MACHINE_KINDS, NETWORK_MAP
from compare.study.networks import NetworkEntry, TrainingSet, of_record
from empirical.datasets import Dataset
from theory.errors import UserError

ANY_SIZE = 3
"""Window of a patch machine at construction; every call gives its own."""

OPTIONS = {"innovation": {"draws": 1}}
"""What a kind is built with besides: one noisy version of each training image behind E[a | patch], for a training set
is thousands of them."""

NAME_PATCHES = ("ideal", "local", "equivariant_local", "evidence_sharing", "joint_matching", "consensus")
"""Kinds of machine whose answer is a mean over training patches, which `attribute` can name."""


class IdealInterpolation:
    """x0 = (1 - strength) ELS + strength ideal, strength in [0, 1]: as far towards the ideal score as asked.

    No theory of attention, but what any has to beat: attention without limits gives the ideal score.
    """

    def __init__(self, local: theory.EquivariantLocalScore, ideal: theory.IdealScore):
        self.local, self.ideal = local, ideal

    def cost(self, batch: int, sigma: float, **options) -> theory.Cost:
        """Return that of both machines."""
        options.pop("strength", None)
        local, ideal = self.local.cost(batch, sigma, **options), self.ideal.cost(batch, sigma)
        return theory.Cost(local.pairs + ideal.pairs, local.bytes + ideal.bytes, local.seconds + ideal.seconds)

    def denoise(self, x, sigma, *, patch_size, strength):
        return self.denoise_strengths(x, sigma, [strength], patch_size=patch_size)[0]

    def denoise_strengths(self, x, sigma, strengths, *, patch_size):
        local, ideal = self.local.denoise(x, sigma, patch_size=patch_size), self.ideal.denoise(x, sigma)
        return [local + strength * (ideal - local) for strength in strengths]


class Machines:
    """The machines of one training set, each built when it is first asked for."""

    def __init__(self, training: TrainingSet):
        self.training = training
        self._built: dict[tuple[str, str, str], object] = {}

    def __call__(self, kind: str, attention: str = "", along: NetworkEntry | None = None):
        """Return the machine of a kind of `result.words.MACHINE_KINDS`, with an attention rule where it attends.

        along: the network whose map it attends along, with attention NETWORK_MAP.
        """
        key = kind, attention, along.name if attention == NETWORK_MAP else ""
        if key not in self._built:
            self._built[key] = self._build(kind, along.attention_map if attention == NETWORK_MAP else attention)
        return self._built[key]

    def attending(self, kind: str, alpha: np.ndarray):
        """Return a machine that attends along a given map, (P, P) or (B, P, P)."""
        return self._build(kind, alpha)

    def _build(self, kind: str, attention):
        if kind == "ideal_interpolation":
            return IdealInterpolation(self("equivariant_local"), self("ideal"))
        machine, training = getattr(theory, MACHINE_KINDS[kind]), self.training
        settings = {"patch_size": ANY_SIZE, "boundary": training.boundary, "labels": training.labels,
                    "attention": attention}
        taken = signature(machine).parameters
        return machine(training.images, **{name: value for name, value in settings.items() if name in taken},
                       **OPTIONS.get(kind, {}))


class StudyMachine(NamedTuple):
    """A machine with its setting of each step (index 0 = least noise); None for a setting that it does not have."""

    identity: MachineIdentity
    machine: Any
    patch_sizes: np.ndarray | None = None
    strengths: np.ndarray | None = None

    @property
    def name(self) -> str:
        return self.identity.label

    def prediction(self, images: np.ndarray, steps: int) -> Prediction:
        """Return for the result: the images that it drew, with 0 for settings that it does not have."""
        nothing = np.zeros(steps)
        return Prediction(self.identity, images, nothing if self.patch_sizes is None else self.patch_sizes,
                          nothing if self.strengths is None else self.strengths)

    def at(self, step: int, labels=None) -> dict:
        """Return the options of `denoise` at a step, for queries of these labels."""
        given = {"patch_size": None if self.patch_sizes is None else int(self.patch_sizes[step]),
                 "strength": None if self.strengths is None else float(self.strengths[step]), "labels": labels}
        return {name: value for name, value in given.items() if value is not None}

    def denoise(self, x: np.ndarray, sigma: float, step: int, labels=None) -> np.ndarray:
        """Return the posterior mean at a step's setting."""
        return self.machine.denoise(x, sigma, **self.at(step, labels))


# Of a result that is there


def training_set_of(result: xr.Dataset, data_dir: Path | None = None) -> Dataset:
    """Return the images that a result's networks and machines were made from. UserError: they are others now."""
    config = json.loads(result.attrs["config_json"])
    training = of_record(config, data_dir)
    if training.fingerprint != result.attrs["data_fingerprint"]:
        raise UserError(f"result: its training data was another {config['dataset']} than is found now, "
                        "want the data that it was made with")
    return training


def reconstruct(result: xr.Dataset, name: str, training: Dataset) -> StudyMachine:
    """Return the machine of that label as the result ran it.

    UserError: a label that the result does not have, or a machine that names no training patches.
    """
    labels = result.machine.values.tolist()
    if name not in labels:
        raise UserError(f"machine: got {name!r}, want one of: {', '.join(labels)}")
    identity = machine_identities(result)[labels.index(name)]
    if not _names_patches(identity):
        patched = [label for label, one in zip(labels, machine_identities(result)) if _names_patches(one)]
        raise UserError(f"machine: got {name!r}, which names no training patches, want one of: {', '.join(patched)}")
    config = json.loads(result.attrs["config_json"])
    ours = TrainingSet(training.images, training.labels if config.get("conditional") else None,
                       config.get("boundary", "zeros"), training.fingerprint)
    sizes, strengths = (result[which].sel(machine=name).values for which in ("patch_size", "strength"))
    attends = identity.kind in ATTENTION_KINDS
    return StudyMachine(identity, Machines(ours)(identity.kind, identity.attention), sizes if sizes.any() else None,
                        strengths if attends else None)


def _names_patches(identity: MachineIdentity) -> bool:
    """Whether `attribute` has an answer, from the result alone: no network has to be asked for its map."""
    return identity.kind in NAME_PATCHES and identity.attention != NETWORK_MAP
