"""The toy set: the CNN with and without attention, held against every closed form, and judged by its own rule."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from compare.measure.consistency import flag_measure
from compare.result.identity import MachineIdentity
from compare.study.config import ToyConfig
from compare.study.folder import Parts
from compare.study.lineup import ATTENTION_FITTED, WHOLE_IMAGE, WINDOW, els_fixed, fitted
from compare.study.networks import NetworkEntry, load_network, toy_networks
from compare.study.pipeline import Study
from compare.study.place import Place
from compare.study.windows import fit
from empirical import checkpoint
from empirical.toy_networks import shipped, shipped_config
from empirical.training.toy_config import TrainConfig

FIXED_ATTENTIONS = ("uniform", "identity", "top1")


def toy_study(config: ToyConfig, folder: Parts, place: Place) -> Study:
    """Return the study. UserError: a network that is missing, or networks that were not trained on one training set."""
    found = folder.each(lambda which: _network(config, folder, place, *which), _wanted(config), "networks")
    networks, training = toy_networks(found)
    rules = {network.variant: ATTENTION_FITTED.get(network.attention, "uniform") for network in networks}
    return Study(config, training, networks, _machines(config, rules),
                 flag_measure(training.images, training.layout), folder.config, fit=partial(fit, attention=rules))


def resolved(config: ToyConfig) -> dict:
    """Return everything that decides the numbers, as JSON: the record, and the networks' weights or their recipe."""
    if config.training_steps is None:
        networks = {f"{variant}-{seed}": checkpoint.digest(shipped(variant, seed))
                    for variant, seed in _wanted(config)}
    else:
        networks = {f"{variant}-{seed}": _recipe(config, variant, seed).to_json() for variant, seed in _wanted(config)}
    return {"dataset": "toy", **config.to_json(), "networks": networks}


def _wanted(config: ToyConfig) -> list[tuple[str, int]]:
    """(variant, training seed) of every network."""
    return [(variant, seed) for variant in config.variants for seed in config.training_seeds]


def _recipe(config: ToyConfig, variant: str, seed: int) -> TrainConfig:
    return replace(shipped_config(variant, seed), steps=config.training_steps)


def _network(config: ToyConfig, folder: Parts, place: Place, variant: str, seed: int) -> tuple[NetworkEntry, str]:
    """The shipped network, or the one that is trained in the folder."""
    if config.training_steps is None:
        return load_network(shipped(variant, seed), config.device)
    stem = folder.path / "networks" / f"{variant}-{seed}"
    with folder.alone(f"training {stem.name}"), folder.working(f"training {stem.name}"):
        return place.trained(_recipe(config, variant, seed), stem, config.device)


def _machines(config: ToyConfig, rules: dict[str, str]) -> list[MachineIdentity]:
    """Those without a fit first, then ELS and the attention machine fitted to each variant."""
    k, strength = config.fixed_patch_size, config.fixed_strength
    machines = [*WHOLE_IMAGE, MachineIdentity("local", patch_size=WINDOW)]
    machines += [els_fixed(size) for size in dict.fromkeys((k, WINDOW))]
    machines += [MachineIdentity("evidence_sharing", rule, patch_size=k, strength=strength)
                 for rule in FIXED_ATTENTIONS]
    for variant, rule in rules.items():
        machines += [fitted("equivariant_local", variant), fitted("evidence_sharing", variant, rule)]
    return machines
