"""The closed forms that are asked whether they predict a network with attention, each with one strength; 0 is ELS.

Every one has denoise(x, sigma, patch_size=, strength=) and denoise_strengths(x, sigma, strengths, patch_size=).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compare.result.identity import NETWORK_MAP, MachineIdentity
from compare.study.attention_config import BY_OWN_MAP, CLOSED_FORMS
from compare.study.cases import Case, Member
from compare.study.machines import StudyMachine
from compare.study.toy_machines import RECEPTIVE_FIELD
from theory import (
    AttentionScore,
    ConsensusScore,
    EquivariantLocalScore,
    IdealScore,
    InnovationScore,
    PairScore,
)

INNOVATION_DRAWS = 1
"""Noisy versions of each training image behind E[a | patch]; a training set is thousands of them."""

RULES = ("uniform", "identity", "top1", "overlap")

OWN_MAP = dict(zip(BY_OWN_MAP, (AttentionScore, PairScore)))

DERIVED = {"own map": 1.0 / RECEPTIVE_FIELD**2, "own pair": 1.0, "uniform": 1.0 / RECEPTIVE_FIELD**2, "pair": 1.0}
"""The strength that a closed form has before anything is fitted, with the networks' window: joint matching counts the
attended patch like the own one, evidence sharing counts a noisy pixel once for each of the k^2 windows that hold it."""


class Blend:
    """x0 = (1 - strength) ELS + strength ideal, strength in [0, 1]: as far towards the best possible answer as asked.

    No theory of attention, but what any has to beat: attention without limits gives the ideal score,
    docs/theory/attention.md.
    """

    def __init__(self, local: EquivariantLocalScore, ideal: IdealScore):
        self.local, self.ideal = local, ideal

    def denoise(self, x, sigma, *, patch_size, strength):
        return self.denoise_strengths(x, sigma, [strength], patch_size=patch_size)[0]

    def denoise_strengths(self, x, sigma, strengths, *, patch_size):
        local, ideal = self.local.denoise(x, sigma, patch_size=patch_size), self.ideal.denoise(x, sigma)
        return [local + strength * (ideal - local) for strength in strengths]


class Machines(NamedTuple):
    """shared: those that are the same for all networks of a case; by_own_map: names of those that are not."""

    images: np.ndarray
    boundary: str
    local: EquivariantLocalScore
    ideal: IdealScore
    shared: dict[str, object]
    by_own_map: tuple[str, ...]

    def derived(self, member: Member | None = None) -> dict[str, object]:
        """The forms of DERIVED, by name: those that attend as this network, or those that are the same for all."""
        forms = self.shared if member is None else self.attending_as(member)
        return {name: machine for name, machine in forms.items() if name in DERIVED}

    def attending_as(self, member: Member) -> dict[str, object]:
        """The closed forms that attend as this network does, by name; none for a network that does not attend."""
        if member.denoiser.network.attention is None:
            return {}
        given = self.images, RECEPTIVE_FIELD, self.boundary
        return {name: OWN_MAP[name](*given, attention=member.attention_map) for name in self.by_own_map}


def machines(case: Case, closed_forms: tuple[str, ...] = CLOSED_FORMS) -> Machines:
    """On the networks' training images."""
    images = case.dataset.images
    boundary = case.members[0].denoiser.network.config["padding"]
    given = images, RECEPTIVE_FIELD, boundary
    local, ideal = EquivariantLocalScore(*given), IdealScore(images)
    made = {rule: AttentionScore(*given, attention=rule) for rule in RULES} | {
        "pair": PairScore(*given),
        "consensus": ConsensusScore(*given),
        "innovation": InnovationScore(*given, draws=INNOVATION_DRAWS),
        "blend": Blend(local, ideal),
    }
    shared = {name: machine for name, machine in made.items() if name in closed_forms}
    return Machines(images, boundary, local, ideal, shared, tuple(name for name in OWN_MAP if name in closed_forms))


def as_derived(asked: dict[str, object], x: np.ndarray, sigma: float) -> dict[str, np.ndarray]:
    """What each closed form of DERIVED makes of x with the networks' window and the strength of its derivation."""
    return {name: applied(machine, x, sigma, RECEPTIVE_FIELD, DERIVED[name]) for name, machine in asked.items()}


def run_as_derived(asked: dict[str, object], steps: int, member: Member | None = None) -> list[StudyMachine]:
    """The same to the end: each with those settings at every step; member: the network as which they attend, if any."""
    whose = {} if member is None else {"map_of": member.variant, "map_of_seed": member.training_seed}
    return [StudyMachine(identity_of(name, setting="derived", **whose), machine,
                         np.full(steps, RECEPTIVE_FIELD), np.full(steps, DERIVED[name]))
            for name, machine in asked.items()]


def identity_of(form: str, **settings) -> MachineIdentity:
    """The closed form by its name in CLOSED_FORMS, with its settings."""
    kind, attention = {"own map": ("evidence_sharing", NETWORK_MAP), "own pair": ("joint_matching", NETWORK_MAP),
                       "pair": ("joint_matching", "uniform"), "blend": ("ideal_interpolation", ""),
                       "consensus": ("consensus", "uniform"), "innovation": ("innovation", "uniform"),
                       }.get(form, ("evidence_sharing", form))
    return MachineIdentity(kind, attention, **settings)


def applied(machine, x: np.ndarray, sigma: float, patch_size: int, strength: float) -> np.ndarray:
    """The closed form's posterior mean at one setting of a step."""
    return machine.denoise(x, sigma, patch_size=int(patch_size), strength=float(strength))
