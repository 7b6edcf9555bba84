"""Where the denoisers of a study answer: in this process, or somewhere else with the same face."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from compare.study.machines import Machines
from compare.study.networks import NetworkEntry, TrainingSet, load_network
from empirical.training.loop import train
from empirical.training.recipe import Recipe


class Place(Protocol):
    """Machines, networks and trainings of one study; count: of how many workers."""

    count: int

    def machines(self, training: TrainingSet) -> Machines:
        """Return the machines of a training set."""
        ...

    def network(self, entry: NetworkEntry) -> NetworkEntry:
        """Return a network with its denoiser as it answers there."""
        ...

    def trained(self, recipe: Recipe, stem: Path, device: str, **options) -> tuple[NetworkEntry, str]:
        """Return the network of a recipe, trained at `stem` if it is not there, and the fingerprint of its data."""
        ...


class Here:
    """In this process; the machines are built once."""

    count = 1

    def __init__(self):
        self._machines: Machines | None = None

    def machines(self, training: TrainingSet) -> Machines:
        if self._machines is None or self._machines.training.fingerprint != training.fingerprint:
            self._machines = Machines(training)
        return self._machines

    def network(self, entry: NetworkEntry) -> NetworkEntry:
        return entry

    def trained(self, recipe: Recipe, stem: Path, device: str, **options) -> tuple[NetworkEntry, str]:
        stem.parent.mkdir(exist_ok=True)
        return load_network(train(recipe, stem, device=device, **options), device)
