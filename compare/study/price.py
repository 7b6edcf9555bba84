"""What a study will take: it is gone through with denoisers that say what they would take, and answer at once.

So every call is counted that the study will make, whatever the study is; only the number of windows that the search for
k(t) tries is a guess, from answers that are made to agree best at a window that grows with t. Calls of machines are
priced by `machine.cost`, those of networks by a trial of one call, trainings by a trial of some steps.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from compare.study.folder import Parts, Share, check_folder, part_arrays
from compare.study.machines import Machines
from compare.study.networks import NetworkEntry, TrainingSet, load_network, untrained_network
from compare.study.pipeline import Run
from compare.study.place import Here
from empirical.progress import Forecast, used_memory
from empirical.training.forecast import foretell as foretell_training
from empirical.training.loop import is_finished
from empirical.training.recipe import Recipe
from theory.engine.posterior import QUERIES_AT_ONCE
from theory.machines.local import LocalScore

LEVEL = 1.0
"""The noise that machines are priced at; what they take hardly depends on it."""

MADE_FOR_EACH_LEVEL = ("innovation",)
"""Kinds of machine that first make tables for each window and noise level, which takes most of their time."""

ONE_PASS = 2.7
"""How much faster the local score answers for all windows at once than one by one (docs/theory/speed.md)."""

NAMED = 1.35
"""What `attribute` takes of the time of `denoise` (docs/theory/speed.md)."""

PER_STRENGTH = 0.1
"""What a further strength takes of the time of `denoise` with one."""

LONG = 0.5
"""Seconds of a network's call beyond which it is not made again."""


class Price(NamedTuple):
    """Seconds of a call, and how much longer the first one takes, whose tables are made with it."""

    seconds: float
    first: float


class Meter:
    """Seconds that were asked for so far."""

    seconds = 0.0


class PricedParts(Parts):
    """The parts of a run's folder, which is not touched: `prices` of all by name, and `done` of those that are there.

    UserError: what `check_folder` says.
    """

    def __init__(self, path: Path, config: Mapping, meter: Meter, share: Share | None = None):
        super().__init__(path, config, share=share)
        check_folder(self.path, config)
        self.meter, self.prices, self.done, self.seconds = meter, {}, 0.0, 0.0

    @contextmanager
    def working(self, name: str):
        before = self.meter.seconds
        yield
        self.prices[name] = float(self.meter.seconds - before)

    def cached(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        with self.working(name):
            made = dict(make())
        kept, _ = part_arrays(self.part_file(name))
        if kept is not None:
            self.done += self.prices[name]
        arrays = made if kept is None else kept
        arrays.pop("seconds", None)
        return arrays

    def each(self, function, things, what, dealt=False):
        return [self._dealt_out(function, thing) if dealt else function(thing) for thing in things]

    def _dealt_out(self, function: Callable, thing):
        """function(thing), for nothing where another share does it."""
        ours, before = self.is_ours(), (self.meter.seconds, self.done)
        made = function(thing)
        if not ours:
            self.meter.seconds, self.done = before
        return made

    def keep_answers(self, denoiser, name: str):
        return denoiser


class Priced:
    """Denoisers that add what they would take to a meter; everything else as `here`."""

    def __init__(self, here: Here, meter: Meter):
        self.here, self.meter, self.done, self.count = here, meter, 0.0, here.count
        self._calls: dict[tuple[str, int], float] = {}

    def machines(self, training: TrainingSet) -> PricedMachines:
        return PricedMachines(self.here.machines(training), self.meter)

    def network(self, entry: NetworkEntry) -> NetworkEntry:
        return replace(entry, denoiser=PricedNetwork(entry, self.meter, self._calls))

    def trained(self, recipe: Recipe, stem: Path, device: str, **options) -> tuple[NetworkEntry, str]:
        if is_finished(stem, recipe):
            return load_network(stem, device)
        dataset = recipe.load(options.get("data_dir"))
        forecast = foretell_training(recipe, stem, dataset, device)
        self.meter.seconds += forecast.seconds
        self.done += forecast.done
        return untrained_network(recipe, dataset, device), dataset.fingerprint


class PricedMachines:
    """`Machines` whose members are priced; what is alike in kind and attention has one price."""

    def __init__(self, machines: Machines, meter: Meter):
        self.machines, self.meter, self.training = machines, meter, machines.training
        self._prices: dict[tuple, Price] = {}
        self._made: set[tuple] = set()

    def __call__(self, kind: str, attention: str = "", along: NetworkEntry | None = None) -> PricedMachine:
        real = along and replace(along, denoiser=along.denoiser.denoiser)
        return PricedMachine(self.machines(kind, attention, real), (kind, attention), self)

    def attending(self, kind: str, alpha: np.ndarray) -> PricedMachine:
        return self(kind, "uniform")

    def spend(self, machine, alike: tuple, count: int, sigma, labels, factor: float, patch_size: int | None,
              strength: float | None) -> None:
        """Add what a call for so many queries takes."""
        some, N = 1 if count < 4 else QUERIES_AT_ONCE, len(self.training.images)
        share = 1.0 if labels is None else np.mean(self.training.count(np.broadcast_to(labels, count))) / N
        sizes = [None] if patch_size is None else [3] if alike[0] in MADE_FOR_EACH_LEVEL else _neighbours(patch_size)
        given = {} if strength is None else {"strength": strength}
        prices = [self._tried(machine, alike, some, given if k is None else given | {"patch_size": k}) for k in sizes]
        seconds = prices[0].seconds if len(prices) == 1 else np.interp(patch_size, sizes, [p.seconds for p in prices])
        self.meter.seconds += factor * share * count / some * float(seconds)
        new = alike, patch_size, float(np.max(sigma))
        if alike[0] in MADE_FOR_EACH_LEVEL and new not in self._made:
            self._made.add(new)
            self.meter.seconds += prices[0].first

    def _tried(self, machine, alike: tuple, count: int, given: dict) -> Price:
        attends = given.get("strength", 1.0) > 0.0
        key = alike, count, attends, given.get("patch_size")
        if key not in self._prices:
            self._prices[key] = (self._called(machine, count, given) if alike[0] in MADE_FOR_EACH_LEVEL else
                                 Price(machine.cost(count, LEVEL, **given).seconds, 0.0))
        return self._prices[key]

    def _called(self, machine, count: int, given: dict) -> Price:
        """The price from two calls."""
        x, labels = self.training.images[:1].repeat(count, 0), self.training.labels
        given = given if labels is None else given | {"labels": labels[0]}
        first, again = (_seconds(lambda: machine.denoise(x, LEVEL, **given)) for _ in range(2))
        return Price(again, first - again)


class PricedMachine:
    """The face of a machine: what it would take goes to the meter, and the answer is `stand_in`."""

    seconds = 0.0  # that its answers took

    def __init__(self, machine, alike: tuple[str, str], prices: PricedMachines):
        self.machine, self.alike, self.prices = machine, alike, prices

    def denoise(self, x, sigma, patch_size=None, strength=None, labels=None):
        return self._answer(1.0, x, sigma, labels, patch_size=patch_size, strength=strength)

    def denoise_scales(self, x, sigma, patch_sizes: Sequence[int], labels=None) -> list:
        at_once = ONE_PASS if isinstance(self.machine, LocalScore) and len(patch_sizes) > 1 else 1.0
        return [self._answer(1.0 / at_once, x, sigma, labels, patch_size=int(k)) for k in patch_sizes]

    def denoise_strengths(self, x, sigma, strengths, labels=None, patch_size=None) -> list:
        factor = (1.0 + PER_STRENGTH * (len(strengths) - 1)) / len(strengths)
        return [self._answer(factor, x, sigma, labels, patch_size=patch_size, strength=float(max(strengths)))
                for _ in strengths]

    def attribute(self, x, sigma, top=8, labels=None, patch_size=None):
        self._answer(NAMED, x, sigma, labels, patch_size=patch_size)
        return _Entropies(np.ones((len(x), *x.shape[-2:])))

    def _answer(self, factor: float, x, sigma, labels, patch_size=None, strength=None) -> np.ndarray:
        self.prices.spend(self.machine, self.alike, len(x), sigma, labels, factor, patch_size, strength)
        return stand_in(np.asarray(x, dtype=np.float64), sigma, patch_size)


class _Entropies:
    """As much of `attribute`'s dataset as a study asks for."""

    def __init__(self, values: np.ndarray):
        self.entropy_images = self
        self.values = values


class PricedNetwork:
    """The face of a network's denoiser; calls: what one takes by variant and number of images."""

    seconds = 0.0  # that its answers took

    def __init__(self, entry: NetworkEntry, meter: Meter, calls: dict[tuple[str, int], float]):
        self.denoiser, self.variant, self.meter, self.calls = entry.denoiser, entry.variant, meter, calls

    def __getattr__(self, name: str):
        return getattr(self.denoiser, name)

    def denoise(self, x, sigma, labels=None):
        call = self.variant, len(x)
        if call not in self.calls:
            given = {} if labels is None else {"labels": labels}
            self.calls[call] = _timed(lambda: self.denoiser.denoise(x, sigma, **given))
        self.meter.seconds += self.calls[call]
        return 0.5 * np.asarray(x, dtype=np.float64)


def _neighbours(patch_size: int) -> list[int]:
    """The sizes 1, 3, 7, 15, 31, ... on both sides of one, or itself: those that are tried."""
    below = (1 << (patch_size + 1).bit_length() - 1) - 1
    return [patch_size] if below == patch_size else [below, 2 * below + 1]


def _timed(call: Callable[[], object]) -> float:
    """Seconds of the quicker of two calls; of the first alone where that takes long."""
    first = _seconds(call)
    return first if first > LONG else min(first, _seconds(call))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def stand_in(x: np.ndarray, sigma, patch_size: int | None) -> np.ndarray:
    """Return an answer for noisy images x (B, C, H, W): as `PricedNetwork`'s, but for what the window is off.

    The best window grows from 1 at no noise to the image's side at pure noise, and from query to query by a size.
    """
    flat = x.reshape(len(x), -1)
    off = np.zeros((len(x), 1))
    if patch_size is not None:
        side = min(x.shape[-2:])
        best = side * np.arctan(np.broadcast_to(sigma, len(x))) / (np.pi / 2.0) + 2.0 * (np.arange(len(x)) % 3 - 1.0)
        off = np.abs(patch_size - best)[:, None] / side
    return (0.5 * flat + 0.05 * off * np.roll(flat, 1, axis=1)).reshape(x.shape)


def foretell(study: Callable, stages, path: Path, config: Mapping, command: str, here: Here, threads: int,
             share: Share | None = None) -> Forecast:
    """Return what a study will take, from the state of its folder.

    study(parts, command, place): as of a plan; stages: which of it; share: of a run that is dealt out
    """
    meter = Meter()
    parts, place = PricedParts(path, config, meter, share), Priced(here, meter)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = study(parts, command, place)
        run = Run(asked, parts, place)
        stages.make(run)
    networks, machines, config = len(asked.networks), len(asked.machines), asked.config
    work = (f"{networks} networks, {machines} machines, {config.samples} samples" if stages.samples else
            f"fits to {networks} networks on {config.calibration_samples} samples")
    work += f", share {share.number} of {share.count}" if share else ""
    images = 16 * run.noise.size * (networks * len(config.network_steps) + machines)
    return Forecast(work, float(meter.seconds), parts.done + place.done, used_memory() + images, threads, parts.prices)
