"""One pipeline carries every study out: networks -> noise -> generated -> fits -> predicted -> measures -> dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.measure import Measure
from compare.result.identity import MachineIdentity
from compare.result.provenance import provenance
from compare.result.schema import Generation, Prediction, build, round_mantissa, variable
from compare.study.config import StudyConfig
from compare.study.folder import Elsewhere, Parts, RunFolder
from compare.study.machines import StudyMachine
from compare.study.networks import NetworkEntry, TrainingSet
from compare.study.place import Here, Place
from compare.study.sampling import calibration_samples, evaluation_samples, initial_noise, sample, sample_labels


@dataclass(frozen=True)
class Fitted:
    """What calibration chose: the settings of each fitted machine, and the variables that say how."""

    settings: Mapping[MachineIdentity, tuple[np.ndarray | None, np.ndarray | None]] = field(default_factory=dict)
    variables: xr.Dataset = field(default_factory=xr.Dataset)
    fits: object = None


@dataclass(frozen=True, eq=False)
class Study:
    """What is asked; each study file makes one of these.

    networks: trained on `training`, each drawn at every one of config.network_steps
    machines: closed forms that are drawn from the same noise, in order
    fit: the calibration of those whose setting is "fitted", or None
    judged: what is said of each image alone
    probes: what else is asked of networks and machines, each making variables of its own
    record: the resolved configuration, for the result; chosen: further entries of its attributes
    grouped: samples take minutes, so that they are drawn in groups that a kill does not lose
    rounded: images are kept to half precision, and every number is that of the rounded images
    """

    config: StudyConfig
    training: TrainingSet
    networks: Sequence[NetworkEntry]
    machines: Sequence[MachineIdentity]
    judged: Measure
    record: Mapping
    fit: Callable[[Run], Fitted] | None = None
    probes: Sequence[Callable[[Run], xr.Dataset]] = ()
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)
    grouped: bool = False
    rounded: bool = False


class Run:
    """A study as it is carried out in a folder: every stage is made once, when it is first asked for."""

    def __init__(self, study: Study, folder: Parts, place: Place | None = None):
        self.study, self.folder, self.config, self.place = study, folder, study.config, place or Here()
        self.training, self.schedule = study.training, study.networks[0].denoiser.schedule
        self.networks = [self.place.network(network) for network in study.networks]
        self.machines = self.place.machines(study.training)
        self.noise, self.labels = self.start(evaluation_samples(self.config.samples))

    def start(self, samples: Sequence[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the noise that samples start from, and their classes where the networks know them."""
        seed, classes = self.config.seed, self.training.classes
        return (initial_noise(seed, samples, self.training.images.shape[1:]),
                None if classes is None else sample_labels(seed, samples, classes))

    @cached_property
    def generated(self) -> list[Generation]:
        """What every network draws, at each number of steps."""
        def draw(wanted: tuple[NetworkEntry, int]) -> Generation:
            network, steps = wanted
            return Generation(network.identity(steps),
                              self.draw(f"generated {network.name} {steps}", network.denoiser, steps))

        wanted = [(network, steps) for network in self.networks for steps in self.config.network_steps]
        return self.folder.each(draw, wanted, "network samples", dealt=not self.study.grouped)

    @cached_property
    def fitted(self) -> Fitted:
        """What calibration chose."""
        return Fitted() if self.study.fit is None else self.study.fit(self)

    @cached_property
    def lineup(self) -> list[StudyMachine]:
        """Every machine with its settings."""
        by_name = {(network.variant, network.training_seed): network for network in self.networks}
        return [StudyMachine(identity, self.machines(identity.kind, identity.attention,
                                                     by_name.get((identity.map_of, identity.map_of_seed))),
                             *self._settings(identity)) for identity in self.study.machines]

    @cached_property
    def predicted(self) -> list[Prediction]:
        """What every machine draws."""
        steps = self.config.steps

        def draw(machine: StudyMachine) -> Prediction:
            images = self.draw(f"predicted {machine.name}", machine.machine, steps, patch_sizes=machine.patch_sizes,
                               strengths=machine.strengths)
            return machine.prediction(images, steps)

        return self.folder.each(draw, self.lineup, "machine samples", dealt=not self.study.grouped)

    @cached_property
    def probed(self) -> list[xr.Dataset]:
        """What the study's probes found."""
        return self.folder.each(lambda probe: probe(self), self.study.probes, "questions")

    def draw(self, name: str, denoiser, steps: int, **settings) -> np.ndarray:
        """Return the images that a denoiser draws from the run's noise."""
        images = sample(self.folder, name, denoiser, self.noise, self.schedule, steps, labels=self.labels,
                        grouped=self.study.grouped, **settings)
        return round_mantissa(images) if self.study.rounded else images

    def _settings(self, identity: MachineIdentity) -> tuple[np.ndarray | None, np.ndarray | None]:
        """k(t) and lambda(t): fitted, or the same at every step."""
        if identity in self.fitted.settings:
            return self.fitted.settings[identity]
        always = lambda value: None if value is None else np.full(self.config.steps, value)
        return always(identity.patch_size), always(identity.strength)


ALL = slice(None)

BLOCK = 16
"""Samples of a dataset that are put together at once, where it is written some at a time."""


class Stages(NamedTuple):
    """Which stages of a run are made, the dataset of run, command and some samples, and whether these are drawn."""

    make: Callable[[Run], object]
    dataset: Callable[[Run, str, slice], xr.Dataset]
    samples: bool


def carry_out(study: Study, folder: RunFolder, command: str, place: Place | None = None,
              stages: Stages | None = None) -> xr.Dataset:
    """Return the study's dataset. command: how the user asked for it, for the record. place: where denoisers answer.

    Parts that are done are found in the folder, and others kept there. UserError: what networks and data do not allow.
    """
    run, stages = Run(study, folder, place), stages or WHOLE
    stages.make(run)
    return stages.dataset(run, command, ALL)


def in_blocks(study: Study, folder: RunFolder, command: str, place: Place, stages: Stages) -> Iterator[xr.Dataset]:
    """Yield the dataset of `carry_out` some samples at a time."""
    run = Run(study, folder, place)
    stages.make(run)
    for start in range(0, run.config.samples, BLOCK) if stages.samples else [0]:
        yield stages.dataset(run, command, slice(start, start + BLOCK))


def _make_all(run: Run) -> None:
    elsewhere = None
    for stages in (["generated", "fitted"], ["predicted"], ["probed"]):
        try:
            run.folder.each(lambda stage: getattr(run, stage), stages, "stages")
        except Elsewhere as parts:
            elsewhere = parts
    if elsewhere:
        raise elsewhere


def _whole(run: Run, command: str, some: slice) -> xr.Dataset:
    drawn = ([one._replace(images=one.images[some]) for one in which] for which in (run.predicted, run.generated))
    result = build(run.noise[some], *drawn, run.study.judged, _attributes(run, command))
    result["sample"] = result.sample + (some.start or 0)
    if run.labels is not None:
        labels = variable("sample", run.labels[some], "class that the sample was drawn with")
        result = result.assign_coords(label=labels)
    found = [own.isel(sample=some) if "sample" in own.dims else own for own in (run.fitted.variables, *run.probed)]
    return xr.merge([result, *found], combine_attrs="override", join="exact", compat="no_conflicts")


def _fits(run: Run, command: str, _: slice) -> xr.Dataset:
    """The fits, over (fitted_variant, rule, step)."""
    step = np.arange(run.config.steps)
    steps = {"step": variable("step", step, "step of the sampler, 0 = least noise"),
             "t": variable("step", (step + 1) / run.config.steps, "time of the step, (step + 1) / steps")}
    return run.fitted.variables.assign_coords(steps).assign_attrs(_attributes(run, command))


WHOLE, FITS_ALONE = Stages(_make_all, _whole, True), Stages(lambda run: run.fitted, _fits, False)
"""All of a study, and its fits alone."""


def _attributes(run: Run, command: str) -> dict:
    """Where the result came from."""
    config, training = run.config, run.training
    calibration = calibration_samples(config.calibration_samples)
    seeds = {"seed": config.seed, "evaluation_samples": [0, config.samples - 1],
             "calibration_samples": [calibration[0], calibration[-1]],
             "training_seeds": sorted({network.training_seed for network in run.networks})}
    attrs = provenance(command=command, config={**config.to_json(), **run.study.record}, seeds=seeds,
                       device=config.device, data_fingerprint=training.fingerprint, wall_seconds=run.folder.seconds)
    return attrs | {"training_images": len(training.images)} | run.study.attributes
