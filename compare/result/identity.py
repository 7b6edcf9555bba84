"""Who is who in a result: coordinates over machine and network that code selects by, and the label that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compare.result.words import MACHINE_KINDS, NETWORK_MAP, SETTINGS
from theory.errors import UserError

ATTENTION_KINDS = ("evidence_sharing", "joint_matching", "consensus", "innovation")
"""Those whose pixels attend to each other."""

SHORT = {"equivariant_local": "els", "joint_matching": "pair", "ideal_interpolation": "blend"}
"""Short words for labels."""


@dataclass(frozen=True)
class MachineIdentity:
    """One machine of a result.

    kind: one of MACHINE_KINDS
    attention: "uniform", "identity", "top1", "overlap", NETWORK_MAP, or "" for none
    setting: one of SETTINGS
    fitted_to: variant that window and strength are fitted to, or ""
    map_of, map_of_seed: variant and training seed of the network along whose map it attends, or "" and -1
    window_rule: one of WINDOW_RULES, or "" where k(t) is not chosen so
    patch_size, strength: where one number holds for every step, for the label; else None
    """

    kind: str
    attention: str = ""
    setting: str = "fixed"
    fitted_to: str = ""
    map_of: str = ""
    map_of_seed: int = -1
    window_rule: str = ""
    patch_size: int | None = None
    strength: float | None = None

    def __post_init__(self):
        for name, value, allowed in (("kind", self.kind, MACHINE_KINDS), ("setting", self.setting, SETTINGS)):
            if value not in allowed:
                raise UserError(f"{name}: got {value!r}, want one of {', '.join(allowed)}")

    @property
    def label(self) -> str:
        """Name for people: kind, attention, fixed numbers, whose map, whose fit. Nothing reads it back."""
        form = SHORT.get(self.kind, self.kind.replace("_", " "))
        if self.attention == NETWORK_MAP:
            form = "own pair" if self.kind == "joint_matching" else "own map"
        elif self.kind == "evidence_sharing":
            form = self.attention
        whose = f"of seed {self.map_of_seed}" if self.fitted_to else f"of {self.map_of} seed {self.map_of_seed}"
        fixed = self.setting == "fixed" and not self._counted
        words = [form, f"k={self.patch_size}" if fixed and self.patch_size else "",
                 f"lambda={self.strength:g}" if fixed and self.strength is not None else "",
                 f"lambda={self.strength:g}/k^2" if self._counted else "",
                 whose if self.map_of else "",
                 "" if self.window_rule in ("", "cosine") else f"by {self.window_rule}",
                 f"fitted to {self.fitted_to}" if self.fitted_to else "",
                 "as derived" if self.setting == "derived" else ""]
        return " ".join(filter(None, words))


    @property
    def _counted(self) -> bool:
        """Whether the strength is stated as a share of 1 / k^2, with a window that is fitted."""
        return (self.kind, self.setting) == ("evidence_sharing", "fixed") and self.fitted_to != ""


@dataclass(frozen=True)
class NetworkIdentity:
    """One trained network at so many sampling steps.

    variant: architecture and attention, "cnn", "cnn-learned", "resnet", ...
    training_seed: of its training      network_steps: of its sampler      training_step: behind its weights, -1 unknown
    """

    variant: str
    training_seed: int
    network_steps: int
    training_step: int = -1

    @property
    def label(self) -> str:
        """Name for people."""
        return f"{self.variant}/seed{self.training_seed}/{self.network_steps}"


MACHINE_COORDINATES = {
    "machine_kind": "kind of closed form", "attention": "rule of attention, or empty",
    "setting": "where window and strength come from: fixed, fitted or derived",
    "fitted_to": "variant that window and strength are fitted to, or empty",
    "map_of": "variant along whose attention map the machine attends, or empty",
    "map_of_seed": "training seed of that network, or -1",
    "window_rule": "how k(t) is chosen, or empty",
}
NETWORK_COORDINATES = {
    "variant": "architecture of the network", "training_seed": "seed of the network's training",
    "network_steps": "DDIM steps of the network", "training_step": "training steps behind the weights, or -1",
}


def coordinates(identities: Sequence[MachineIdentity | NetworkIdentity], dim: str) -> dict[str, tuple]:
    """Coordinates over `dim` that say who they are, for `xarray.Dataset.assign_coords`."""
    long_names = MACHINE_COORDINATES if isinstance(identities[0], MachineIdentity) else NETWORK_COORDINATES
    values = lambda name: [getattr(one, "kind" if name == "machine_kind" else name) for one in identities]
    return {name: (dim, np.array(values(name)), {"long_name": long_name, "units": "1"})
            for name, long_name in long_names.items()}


def machine_identities(dataset: xr.Dataset) -> list[MachineIdentity]:
    """Read the machines of a result from its coordinates."""
    names = {"kind": "machine_kind"} | {name: name for name in MACHINE_COORDINATES if name != "machine_kind"}
    columns = {field: dataset[name].values.tolist() for field, name in names.items()}
    return [MachineIdentity(**dict(zip(columns, row))) for row in zip(*columns.values())]


def machines(dataset: xr.Dataset, *, kind=None, patch_size: int | None = None, strength: float | None = None,
             **wanted) -> list[str]:
    """Return the labels of the machines of a result that are as wanted, in its order.

    Parameters
    ----------
    dataset
        A result.
    kind, **wanted
        Values of machine_kind and of any of MACHINE_COORDINATES, each one value or several of which one is to hold.
    patch_size, strength
        That hold at every step.
    """
    chosen = np.ones(dataset.sizes["machine"], dtype=bool)
    for name, value in (wanted | ({} if kind is None else {"machine_kind": kind})).items():
        chosen &= np.isin(dataset[name].values, value)
    for name, value in (("patch_size", patch_size), ("strength", strength)):
        if value is not None:
            chosen &= np.isclose(dataset[name].transpose("machine", "step").values, value).all(axis=1)
    return dataset.machine.values[chosen].tolist()


def machine(dataset: xr.Dataset, **wanted) -> str:
    """Return the label of the one machine that is as wanted, see `machines`. ValueError: there is none, or several."""
    found = machines(dataset, **wanted)
    if len(found) != 1:
        what = ", ".join(f"{name} {value!r}" for name, value in wanted.items())
        raise UserError(f"result: got {len(found)} machines of {what}, want one")
    return found[0]


def for_variant(dataset: xr.Dataset, variant: str) -> list[str]:
    """Return the machines to hold against a variant: neither fitted to another nor attending as another."""
    return machines(dataset, fitted_to=("", variant), map_of=("", variant))


def variant_name(network: str, attention: str | None) -> str:
    """Return what a network with or without attention is called as a variant: "resnet", "unet-identity"."""
    return network if attention is None else f"{network}-{attention}"


def variant_parts(variant: str) -> tuple[str, str | None]:
    """Return network and attention (or None) of a variant: the inverse of `variant_name`."""
    network, _, attention = variant.partition("-")
    return network, attention or None
