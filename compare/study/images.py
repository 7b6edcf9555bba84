"""The comparison on images, stage by stage: the networks' samples, the fits, the machines' samples, the result.

Every stage keeps its parts in the run's folder, and takes them from there when it is run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from compare.measure.nearest import nearest
from compare.result.identity import NetworkIdentity
from compare.result.provenance import provenance
from compare.result.schema import Generation, build, described, round_mantissa
from compare.study.folder import RunFolder
from compare.study.image_calibration import calibrate, fit_variables
from compare.study.image_config import ImageConfig
from compare.study.image_diagnosis import path_variables, training_variables
from compare.study.image_machines import Machines
from compare.study.image_networks import ImageNetwork, TrainingSet, first_of_each
from compare.study.noise import calibration_samples, evaluation_samples, initial_noise, sample_labels
from compare.study.sampling import drawn

JUDGED = {"nearest_image": "training image nearest to the sample, by its place in the training set",
          "nearest_distance": "root mean squared difference a pixel from that image"}


def image_study(networks: Sequence[ImageNetwork], training: TrainingSet, config: ImageConfig, folder: RunFolder, *,
                command: str, record: Mapping,
                snapshots: Mapping[int, ImageNetwork] | None = None) -> xr.Dataset:
    """The dataset of the study: `results.build`'s, the fits, and the agreement at each point of the networks' own
    trajectories and along their training.

    training: what all the networks were trained on. folder: where parts that are done are found, and others kept.
    command, record: how the user asked for it and the resolved configuration, for the record.
    snapshots: the first network, by training step, on its way to what it is; sampled at its finest only.
    Images are rounded to half precision, and every number is that of the rounded images.
    """
    networks, shape = list(networks), training.images.shape[1:]
    samples = evaluation_samples(config.samples)
    noise = initial_noise(config.seed, samples, shape)
    labels = None if training.labels is None else sample_labels(config.seed, samples, training.classes)

    sampled = [(network, steps) for network in networks for steps in config.network_steps]
    generations = [_generation(folder, noise, labels, network, steps)
                   for network, steps in folder.progress(sampled, "network samples")]
    machines = Machines(training)
    fits = calibrate(networks, machines, config, folder)
    schedule = networks[0].denoiser.schedule
    fitted = machines.fitted(networks, fits, config.rules)
    predictions = []
    for machine in fitted:
        images = drawn(folder, f"predicted {machine.name}", machine.machine, noise, schedule, config.steps,
                       labels=labels, patch_sizes=machine.patch_sizes, strengths=machine.strengths)
        predictions.append(machine.prediction(round_mantissa(images), config.steps))
    some = slice(min(config.diagnosed, config.samples))
    diagnosis = path_variables(first_of_each(networks), fitted, noise[some],
                               None if labels is None else labels[some], config, folder)
    if snapshots:
        diagnosis |= training_variables(snapshots, predictions, noise, labels, config, folder)

    attrs = _attributes(networks, training, config, folder, command, record)
    judge = lambda images: dict(zip(JUDGED, nearest(images, training.images)))
    result = build(noise, predictions, generations, judge, JUDGED, attrs)
    if labels is not None:
        result = result.assign_coords(label=described("sample", labels, "class that the sample was drawn with"))
    return xr.merge([result, xr.Dataset(fit_variables(fits) | diagnosis)], combine_attrs="override",
                    join="exact", compat="no_conflicts")


def scales_study(networks: Sequence[ImageNetwork], training: TrainingSet, config: ImageConfig, folder: RunFolder, *,
                 command: str, record: Mapping) -> xr.Dataset:
    """The fits alone, as a dataset over (fitted_variant, rule, step); arguments as in `image_study`."""
    fits = calibrate(networks, Machines(training), config, folder)
    step = np.arange(config.steps)
    steps = {"step": described("step", step, "step of the sampler, 0 = least noise"),
             "t": described("step", (step + 1) / config.steps, "time of the step, (step + 1) / steps")}
    return xr.Dataset(fit_variables(fits), steps, _attributes(networks, training, config, folder, command, record))


def _attributes(networks: Sequence[ImageNetwork], training: TrainingSet, config: ImageConfig, folder: RunFolder,
                command: str, record: Mapping) -> dict:
    first = calibration_samples(config.calibration_samples)
    seeds = {"seed": config.seed, "evaluation_samples": [0, config.samples - 1],
             "calibration_samples": [first[0], first[-1]],
             "training_seeds": sorted({network.training_seed for network in networks})}
    attrs = provenance(command=command, config={**config.to_json(), **record}, seeds=seeds, device=config.device,
                       data_fingerprint=training.fingerprint, wall_seconds=folder.seconds)
    return attrs | {"training_images": len(training.images),
                    "validation_images": "none" if training.validation is None else training.validation.source}


def _generation(folder: RunFolder, noise: np.ndarray, labels, network: ImageNetwork, steps: int) -> Generation:
    images = drawn(folder, f"generated {network.name} {steps}", network.denoiser, noise, network.denoiser.schedule,
                   steps, labels=labels)
    return Generation(NetworkIdentity(network.variant, network.training_seed, steps), round_mantissa(images))
