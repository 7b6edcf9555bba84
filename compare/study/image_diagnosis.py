"""Where agreement is lost: at each point of a network's own trajectory, and along the network's training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from compare.measure.agreement import agreement
from compare.result.names import machines_for
from compare.result.schema import Prediction, described, round_mantissa
from compare.study.calibration import Trajectory, trajectory
from compare.study.folder import RunFolder
from compare.study.image_config import ImageConfig
from compare.study.image_networks import ImageNetwork
from compare.study.machines import StudyMachine
from compare.study.sampling import drawn


def path_variables(networks: Sequence[ImageNetwork], machines: Sequence[StudyMachine], noise: np.ndarray,
                   labels: np.ndarray | None, config: ImageConfig, folder: RunFolder) -> dict[str, tuple]:
    """Pearson r of the posterior means, machine's and network's, at each point of the network's own trajectory.

    networks: one of each variant. noise (S, C, H, W), labels (S,) or None: the samples whose trajectory is followed.
    """
    names = [machine.name for machine in machines]
    values = np.full((len(machines), len(networks), len(noise), config.steps), np.nan)
    for v, network in enumerate(networks):
        path = Trajectory(**folder.part(f"path {network.name}", lambda n=network: trajectory(
            n.denoiser, noise, n.denoiser.schedule, config.steps, labels)._asdict()))
        for name in machines_for(network.variant, names):
            m = names.index(name)
            values[m, v] = _along(path, machines[m], network.name, labels, folder)
    return {
        "diagnosed_sample": described("diagnosed_sample", np.arange(len(noise)), "sample whose path was followed"),
        "path_pearson_r": described(
            ("machine", "fitted_variant", "diagnosed_sample", "step"), values,
            "Pearson correlation of machine's and network's x0 at the points of the network's own trajectory; NaN for "
            "a machine that is fitted to another variant"),
    }


def _along(path: Trajectory, machine: StudyMachine, network: str, labels: np.ndarray | None,
           folder: RunFolder) -> np.ndarray:
    """(S, steps)"""
    def agree(i: int, _) -> dict[str, np.ndarray]:
        options = machine.at(i) if labels is None else {**machine.at(i), "labels": labels}
        return {"pearson_r": agreement(machine.machine.denoise(*path.query(i), **options), path.x0[i]).pearson_r}

    return folder.steps(f"path {network} {machine.name}", len(path.t), agree)["pearson_r"]


def training_variables(snapshots: Mapping[int, ImageNetwork], predictions: Sequence[Prediction], noise: np.ndarray,
                       labels: np.ndarray | None, config: ImageConfig, folder: RunFolder) -> dict[str, tuple]:
    """Agreement of the machines' images with those of one network on its way, after so many training steps.

    snapshots: the network by training step; sampled at the networks' finest. predictions: what the machines drew.
    """
    most = max(config.network_steps)
    values = np.empty((len(predictions), len(snapshots), len(noise)))
    for s, (step, network) in enumerate(folder.progress(list(snapshots.items()), "snapshots")):
        images = drawn(folder, f"snapshot {network.name} {step} {most}", network.denoiser, noise,
                       network.denoiser.schedule, most, labels=labels)
        values[:, s] = [agreement(prediction.images, round_mantissa(images)).pearson_r for prediction in predictions]
    return {
        "snapshot_step": described("snapshot_step", list(snapshots), "steps that the first network was trained"),
        "snapshot_pearson_r": described(
            ("machine", "snapshot_step", "sample"), values, "Pearson correlation of the machine's image and of the one "
            f"that the network, after so many training steps, draws in {most} steps"),
    }
