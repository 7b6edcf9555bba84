"""The comparison on the toy set, stage by stage: networks, their samples, the fits, the machines' samples, the result.

Every stage keeps its parts in the run's folder, and takes them from there when it is run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.result.identity import NetworkIdentity
from compare.result.provenance import provenance
from compare.result.schema import Generation, Prediction, build, described
from compare.result.toy_names import ATTENTION_FITTED
from compare.study.calibration import Calibration
from compare.study.folder import RunFolder
from compare.study.machines import StudyMachine
from compare.study.noise import calibration_samples, evaluation_samples, initial_noise
from compare.study.sampling import drawn_together
from compare.study.toy_config import ToyConfig
from compare.study.toy_machines import Fit, fit, toy_machines
from empirical import checkpoint, consistency
from empirical.adapters import NetworkDenoiser
from empirical.datasets import Dataset, load
from empirical.toy import ToyLayout
from empirical.toy_networks import shipped
from empirical.training.loop import train
from empirical.training.toy_config import TrainConfig
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()

JUDGED = {"consistent": "the sample's key-value pairs fit one map of the family",
          "clean": "every cell's mean lies near a palette colour",
          "novel": "the sample's colours are those of no training image"}
HELD_OUT = {"by_held_out_map": "the sample's key-value pairs fit one map of the family, but none that training draws"}


class ToyNetwork(NamedTuple):
    """A trained network with the face of a machine, and the data it was trained on."""

    variant: str
    training_seed: int
    denoiser: NetworkDenoiser
    dataset: Dataset


def toy_study(config: ToyConfig, folder: RunFolder, *, command: str) -> xr.Dataset:
    """The dataset of the study: `results.build`'s, and the fits to each network variant, seed by seed.

    folder: where parts that are done are found, and others kept. command: how the user asked for it, for the record.
    ValueError: a network that is missing, or networks that were not trained on one training set.
    """
    networks = [_network(config, folder, *which) for which in folder.progress(config.networks, "networks")]
    dataset = networks[0].dataset
    if len({network.dataset.fingerprint for network in networks}) > 1:
        raise ValueError("networks: got networks that were trained on different data, want one training set")
    noise = initial_noise(config.seed, evaluation_samples(config.samples), dataset.images.shape[1:])

    sampled = [(network, steps) for network in networks for steps in config.network_steps]
    generations = [_generation(folder, noise, *which) for which in folder.progress(sampled, "network samples")]
    fitted_on = [network for network in networks if network.training_seed == config.training_seeds[0]]
    fits = {network.variant: _fit(config, folder, network) for network in folder.progress(fitted_on, "calibration")}
    machines = toy_machines(dataset.images, fits, config)
    predictions = [_prediction(config, folder, noise, machine)
                   for machine in folder.progress(machines, "machine samples")]

    first = calibration_samples(config.calibration_samples)
    seeds = {"seed": config.seed, "evaluation_samples": [0, config.samples - 1],
             "calibration_samples": [first[0], first[-1]], "training_seeds": list(config.training_seeds),
             "calibrated_on_training_seed": config.training_seeds[0]}
    attrs = provenance(command=command, config=config.resolved(), seeds=seeds, device=config.device,
                       data_fingerprint=dataset.fingerprint, wall_seconds=folder.seconds)
    attrs["training_images"] = len(dataset.images)
    result = build(noise, predictions, generations, partial(judge, dataset), JUDGED, attrs)
    return result.assign(_fit_variables(fits)).assign_coords(_fit_coordinates(fits))


def _network(config: ToyConfig, folder: RunFolder, variant: str, training_seed: int) -> ToyNetwork:
    """The shipped network, or the one that is trained in the folder."""
    stem = shipped(variant, training_seed)
    if config.training_steps is not None:
        stem = folder.path / "networks" / stem.name
        stem.parent.mkdir(exist_ok=True)
        train(config.recipe(variant, training_seed), stem, device=config.device)
    network, record = checkpoint.load(stem, config.device)
    made = TrainConfig.from_json(record["config"])
    dataset = load(made.dataset, seed=made.data_seed, layout=made.layout, count=made.count)
    if dataset.fingerprint != record["data_fingerprint"]:
        raise ValueError(f"networks: the data of {stem.name} cannot be made again from its record, want another one")
    return ToyNetwork(variant, training_seed, NetworkDenoiser(network, SCHEDULE), dataset)


def _generation(folder: RunFolder, noise: np.ndarray, network: ToyNetwork, steps: int) -> Generation:
    images = drawn_together(folder, f"generated {network.variant} seed{network.training_seed} {steps}",
                            network.denoiser, noise, SCHEDULE, steps)
    return Generation(NetworkIdentity(network.variant, network.training_seed, steps), images)


def _fit(config: ToyConfig, folder: RunFolder, network: ToyNetwork) -> Fit:
    """k(t) and lambda(t) of the variant, from calibration samples, which are never evaluation samples."""
    samples = calibration_samples(config.calibration_samples)
    if not set(samples).isdisjoint(evaluation_samples(config.samples)):
        raise AssertionError("calibration and evaluation share samples")

    def make():
        images = network.dataset.images
        fitted = fit(images, network.denoiser, ATTENTION_FITTED[network.variant],
                     initial_noise(config.seed, samples, images.shape[1:]), SCHEDULE, config)
        return {f"{name}.{field}": values for name, calibration in fitted._asdict().items()
                for field, values in calibration._asdict().items()}

    arrays = folder.part(f"calibration {network.variant}", make)
    return Fit(*(Calibration(*(arrays[f"{name}.{field}"] for field in Calibration._fields)) for name in Fit._fields))


def _prediction(config: ToyConfig, folder: RunFolder, noise: np.ndarray, machine: StudyMachine) -> Prediction:
    images = drawn_together(folder, f"predicted {machine.name}", machine.machine, noise, SCHEDULE, config.steps,
                            patch_sizes=machine.patch_sizes, strengths=machine.strengths)
    return machine.prediction(images, config.steps)


def judged(layout: ToyLayout) -> dict[str, str]:
    """What is said of each sample, and what that means: JUDGED, and HELD_OUT where the layout holds maps out."""
    return JUDGED | (HELD_OUT if layout.held_out_maps else {})


def judge(dataset: Dataset, images: np.ndarray) -> dict[str, np.ndarray]:
    """Of each image (S, C, H, W): the flags of `judged`, (S,)."""
    layout = dataset.layout
    flags = {"consistent": consistency.consistent, "clean": consistency.clean,
             "novel": lambda images, layout: consistency.novel(images, dataset.images, layout),
             "by_held_out_map": consistency.by_held_out_map}
    return {name: flags[name](images, layout) for name in judged(layout)}


def by_chance(dataset: Dataset, count: int = 65_536, seed: int = 0) -> dict[str, float]:
    """The shares that `count` images of uniformly random cell colours have of each flag of `judge`, and of
    "consistent and novel": what a sampler would reach that knows the cells and nothing else."""
    layout = dataset.layout
    colours = np.random.default_rng(seed).integers(4, size=(2, count, layout.pairs))
    flags = judge(dataset, layout.render(*colours))
    flags["consistent and novel"] = flags["consistent"] & flags["novel"]
    return {name: float(flag.mean()) for name, flag in flags.items()}


FITTED = {"patch_size": "window side k", "strength": "attention strength lambda"}


def _fit_variables(fits: Mapping[str, Fit]) -> dict[str, tuple]:
    """Each calibration sample's own choice, and the cosine similarities behind it."""
    variables = {}
    for name, long_name in FITTED.items():
        calibrations = [getattr(fitted, name) for fitted in fits.values()]
        variables[f"fitted_{name}"] = described(
            ("fitted_variant", "calibration_sample", "step"), np.stack([c.by_draw for c in calibrations]),
            f"{long_name} that the calibration sample alone would choose")
        variables[f"{name}_cosine"] = described(
            ("fitted_variant", f"candidate_{name}", "calibration_sample", "step"),
            np.stack([1.0 - c.loss for c in calibrations]),
            f"cosine similarity of the network's eps and the machine's, by {long_name}")
    return variables


def _fit_coordinates(fits: Mapping[str, Fit]) -> dict[str, tuple]:
    some = next(iter(fits.values()))
    labels = {
        "fitted_variant": (list(fits), "variant to which k(t) and lambda(t) are fitted"),
        "calibration_sample": (calibration_samples(len(some.strength.by_draw)), "index of the calibration sample"),
        **{f"candidate_{name}": (getattr(some, name).candidates, f"candidate {long_name}")
           for name, long_name in FITTED.items()},
    }
    return {name: described(name, list(values), long_name) for name, (values, long_name) in labels.items()}
