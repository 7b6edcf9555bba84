"""A sample of a result, inspected: the machine made again from the record, its trajectory drawn and attributed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.attribution.influence import redrawn
from compare.attribution.page.subject import Subject, most_winning
from compare.attribution.page.words import describe
from compare.attribution.trace import inspect_machine, inspect_path
from compare.result.choose import choose_network, machine_beside
from compare.study.machines import StudyMachine, reconstruct
from empirical.datasets import Dataset
from theory import CosineSchedule


class Inspection(NamedTuple):
    """What is asked of a result.

    network, machine: labels, or None for the first, and for the machine that is held beside it
    along: a checkpoint whose own trajectory is gone along, or None for the machine's
    top: patches named for each pixel; left_out: images without which the sample is drawn again, those that win most
    """

    network: str | None = None
    machine: str | None = None
    along: str | None = None
    top: int = 8
    left_out: int = 5

    def of(self, result: xr.Dataset) -> Inspection:
        """Return the same with the labels that a result has for them."""
        network = choose_network(result, self.network)
        return self._replace(network=network, machine=self.machine or machine_beside(result, network))


DEFAULT = Inspection()
"""The page that is made if no more is asked."""


def subject_of(result: xr.Dataset, sample: int, training: Dataset, asked: Inspection = DEFAULT, *, source: str = "",
               callback: Callable[[], None] | None = None) -> Subject:
    """Return a sample of a result as a `Subject`.

    training: the images that the result was made with; source: where the result lies, for the notes; callback: called
    after each step, of which there are `steps_of`.
    """
    asked, one = asked.of(result), result.sel(sample=sample)
    made = reconstruct(result, asked.machine, training)
    label = int(one.label) if made.machine.conditional else None
    found, drawn_by, without = _found(asked, made, one.noise.values[None], result.sizes["step"], label, callback)
    if asked.along is None:
        apart = float(np.abs(found.drawn.values - one.predicted.sel(machine=asked.machine).values).max())
        note = f"Drawn again for this page; the largest difference of a pixel from the result's image is {apart:.1e}."
    else:
        note = f"Along the trajectory of {asked.along}: predictions are the machine's at the network's noisy images."
    return Subject(
        found, training.images, title=f"What sample {sample} is made of", machine=asked.machine,
        about=describe(made, training, label, asked.along), labels=training.labels, classes=training.classes,
        files=training.files, network=asked.network, generated=one.generated.sel(network=asked.network).values,
        drawn_by=drawn_by, wraps=getattr(made.machine, "boundary", "zeros") == "circular", without=without,
        notes=(f"Machine: {asked.machine}. Network: {asked.network}.",
               f"Result: {source or 'in memory'}, made by {result.attrs['command']}",
               f"Training set: {training.name}, {len(training.images):,} images, sha256 {training.fingerprint[:16]}",
               note))


def steps_of(result: xr.Dataset, asked: Inspection) -> int:
    """Return how many steps one sample takes: of its trajectory, and of each without an image."""
    return result.sizes["step"] * (1 if asked.along else 1 + asked.left_out)


def _found(asked: Inspection, made: StudyMachine, noise: np.ndarray, steps: int, label: int | None, callback):
    """The attribution at every step, who drew the sample, and the sample without each of some images."""
    schedule = CosineSchedule()
    settings = {"patch_sizes": made.patch_sizes, "strengths": made.strengths, "labels": label}
    options = settings | {"top": asked.top, "deviation": True, "callback": callback}
    if asked.along is None:
        found = inspect_machine(made.machine, noise, schedule, steps, **options)
        chosen = most_winning(found.isel(sample=0), min(asked.left_out, made.machine.count - 1))
        without = redrawn(made.machine, noise, schedule, chosen, drawn=found.drawn.values, steps=steps,
                          callback=callback, **settings).isel(sample=0) if chosen else None
        return found.isel(sample=0), "theory", without
    from compare.study.networks import load_network
    from compare.study.sampling import trajectory
    from empirical import checkpoint

    denoiser = load_network(checkpoint.find(asked.along), "cpu")[0].denoiser
    path = trajectory(denoiser, noise, schedule, steps, None if label is None else [label])
    return inspect_path(made.machine, path, path.x0[0], schedule, **options).isel(sample=0), "the network", None
