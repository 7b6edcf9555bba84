"""The machines of the toy study, and the calibration of those that are fitted to a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from compare.result.identity import MachineIdentity
from compare.result.toy_names import ATTENTION_FITTED, ATTENTIONS
from compare.study.calibration import Calibration, calibrate_patch_size, calibrate_strength, trajectory
from compare.study.machines import StudyMachine
from compare.study.toy_config import ToyConfig
from empirical.adapters import NetworkDenoiser
from theory import AttentionScore, EquivariantLocalScore, IdealScore, LocalScore, WienerScore
from theory.schedules import Schedule

RECEPTIVE_FIELD = 5
"""Side of the window that ToyCNN's two 3 x 3 convolutions see."""


class Fit(NamedTuple):
    """What was fitted to one variant: k(t) of ELS, and lambda(t) of its attention machine given k(t)."""

    patch_size: Calibration
    strength: Calibration


def fit(images: np.ndarray, network: NetworkDenoiser, attention: str, phi_1: np.ndarray, schedule: Schedule,
        config: ToyConfig) -> Fit:
    """k(t), then lambda(t) for the attention rule, along the network's own trajectories from phi_1 (B, C, H, W)."""
    path = trajectory(network, phi_1, schedule, config.steps)
    els = EquivariantLocalScore(images, RECEPTIVE_FIELD)
    patch_size = calibrate_patch_size(els, path, config.patch_sizes)
    attend = AttentionScore(images, RECEPTIVE_FIELD, attention=attention)
    return Fit(patch_size, calibrate_strength(attend, path, config.strengths, patch_size.chosen))


def toy_machines(images: np.ndarray, fits: Mapping[str, Fit], config: ToyConfig) -> list[StudyMachine]:
    """Every machine of the study, on the training images: those without a fit first."""
    els = EquivariantLocalScore(images, RECEPTIVE_FIELD)
    attend = {attention: AttentionScore(images, RECEPTIVE_FIELD, attention=attention) for attention in ATTENTIONS}
    always = lambda value: np.full(config.steps, value)

    machines = [
        StudyMachine(MachineIdentity("ideal"), IdealScore(images)),
        StudyMachine(MachineIdentity("wiener"), WienerScore(images)),
        StudyMachine(MachineIdentity("local", patch_size=RECEPTIVE_FIELD), LocalScore(images, RECEPTIVE_FIELD),
                     always(RECEPTIVE_FIELD)),
    ]
    for k in dict.fromkeys((config.fixed_patch_size, RECEPTIVE_FIELD)):
        machines.append(StudyMachine(MachineIdentity("equivariant_local", patch_size=k), els, always(k)))
    for attention in ATTENTIONS:
        identity = MachineIdentity("evidence_sharing", attention, patch_size=config.fixed_patch_size,
                                   strength=config.fixed_strength)
        machines.append(StudyMachine(identity, attend[attention], always(config.fixed_patch_size),
                                   always(config.fixed_strength)))
    for variant, fitted in fits.items():
        k = fitted.patch_size.chosen
        machines.append(StudyMachine(MachineIdentity("equivariant_local", setting="fitted", fitted_to=variant,
                                                     window_rule="cosine"), els, k))
        machines.append(StudyMachine(
            MachineIdentity("evidence_sharing", ATTENTION_FITTED[variant], "fitted", variant, window_rule="cosine"),
            attend[ATTENTION_FITTED[variant]], k,
                                   fitted.strength.chosen))
    return machines
