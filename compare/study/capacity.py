"""Toy networks of any width, depth, optimiser and training steps: which closed form does training approach?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import xarray as xr

from compare.measure.consistency import chance_rates, flag_measure
from compare.result.identity import MachineIdentity
from compare.result.schema import variable
from compare.study.config import CapacityConfig
from compare.study.folder import RunFolder
from compare.study.lineup import derived_form, els_fixed
from compare.study.networks import NetworkEntry, load_toy
from compare.study.pipeline import Run, Study
from compare.study.same_points import losses_at_noised_images
from theory.errors import UserError


def capacity_study(config: CapacityConfig, stems: list[Path], folder: RunFolder) -> Study:
    """Return the study. UserError: networks of several training sets, or two of one training and seed."""
    networks, training = load_toy(stems, config.device)
    networks.sort(key=lambda one: (capacity(one), one.recipe.steps, one.training_step, one.training_seed))
    labelled = [replace(network, variant=label(network)) for network in networks]
    if len({network.name for network in labelled}) < len(labelled):
        raise UserError("networks: got two of one capacity, training and seed, want each once")
    machines = [MachineIdentity("ideal"), *map(els_fixed, config.patch_sizes), *map(derived_form, config.closed_forms)]
    return Study(config, training, labelled, machines, flag_measure(training.images, training.layout), folder.config,
                 probes=(losses_at_noised_images, lambda run: _training_of(run, networks)),
                 attributes={"chance_json": json.dumps(chance_rates(training.images, training.layout))})


def capacity(network: NetworkEntry) -> str:
    """Return which networks are of one kind: attention, width and depth, and the optimiser where it is not Adam."""
    recipe = network.recipe
    return (f"{network.variant}, width {recipe.width}" + (f", depth {recipe.depth}" if recipe.depth else "")
            + (f", {recipe.optimizer}" if recipe.optimizer != "adam" else ""))


def label(network: NetworkEntry) -> str:
    """Return what a network is called: its capacity and how long it was trained."""
    step, steps = network.training_step, network.recipe.steps
    return f"{capacity(network)}, {step:,}{'' if step == steps else f' of {steps:,}'} steps"


def _training_of(run: Run, networks: Sequence[NetworkEntry]) -> xr.Dataset:
    """What each network's training was."""
    each = [network for network in networks for _ in run.config.network_steps]
    found = {"capacity": ([capacity(network) for network in each], "attention, width, depth, optimiser"),
             "planned_steps": ([network.recipe.steps for network in each], "training steps of the whole run")}
    return xr.Dataset(coords={name: variable("network", values, long_name)
                              for name, (values, long_name) in found.items()})
