"""Where agreement is lost: at each point of a network's own trajectory, and along the network's training."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from compare.measure.agreement import agreement
from compare.result.schema import round_mantissa, variable
from compare.study.machines import StudyMachine
from compare.study.networks import NetworkEntry, first_of_each
from compare.study.pipeline import Run
from compare.study.sampling import Trajectory, sample
from compare.study.windows import followed


def along_paths(run: Run) -> xr.Dataset:
    """Return Pearson r of the posterior means, machine's and network's, on the trajectory of each variant's first
    network."""
    networks, some = first_of_each(run.networks), slice(min(run.config.diagnosed, run.config.samples))
    noise, labels = run.noise[some], None if run.labels is None else run.labels[some]
    values = np.full((len(run.lineup), len(networks), len(noise), run.config.steps), np.nan)
    for v, network in enumerate(networks):
        path = followed(run, f"path {network.name}", network, noise, labels)
        for m, machine in enumerate(run.lineup):
            if machine.identity.fitted_to in ("", network.variant):
                values[m, v] = _along(run, path, machine, network, labels)
    return xr.Dataset({
        "path_pearson_r": variable(
            ("machine", "fitted_variant", "diagnosed_sample", "step"), values,
            "Pearson correlation of machine's and network's x0 at the points of the network's own trajectory; NaN for "
            "a machine that is fitted to another variant"),
    }, {"diagnosed_sample": variable("diagnosed_sample", np.arange(len(noise)), "sample whose path was followed")})


def _along(run: Run, path: Trajectory, machine: StudyMachine, network: NetworkEntry,
           labels: np.ndarray | None) -> np.ndarray:
    """(S, steps)"""
    def agree(i: int, _) -> dict[str, np.ndarray]:
        return {"pearson_r": agreement(machine.denoise(*path.query(i), i, labels), path.x0[i]).pearson_r}

    return run.folder.cached_steps(f"path {network.name} {machine.name}", len(path.t), agree)["pearson_r"]


def along_training(run: Run, snapshots: Mapping[int, NetworkEntry]) -> xr.Dataset:
    """Return the agreement of the machines' images with those of one network on its way, after so many training steps.

    snapshots: the network by training step; sampled at the networks' finest.
    """
    most = max(run.config.network_steps)

    def draw(kept: tuple[int, NetworkEntry]) -> np.ndarray:
        step, network = kept[0], run.place.network(kept[1])
        return sample(run.folder, f"snapshot {network.name} {step} {most}", network.denoiser, run.noise, run.schedule,
                      most, labels=run.labels, grouped=True)

    drawn = run.folder.each(draw, list(snapshots.items()), "snapshots")
    values = np.stack([[agreement(prediction.images, round_mantissa(images)).pearson_r for prediction in run.predicted]
                       for images in drawn], axis=1)
    return xr.Dataset({
        "snapshot_pearson_r": variable(
            ("machine", "snapshot_step", "sample"), values, "Pearson correlation of the machine's image and of the one "
            f"that the network, after so many training steps, draws in {most} steps"),
    }, {"snapshot_step": variable("snapshot_step", list(snapshots), "steps that the first network was trained")})
