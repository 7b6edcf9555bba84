"""A machine whose training set is scanned in shards, none of which has to know the others.

    x0 = sum over shards of exp(peak_s - peak) total_s / sum over shards of exp(peak_s - peak) mass_s

with (peak, mass, total) the softmax sums of one shard and peak the largest of all: exact, whatever the shards are. Each
is scanned where `map` says, in this process, in others, or on other machines; what comes back is as large as the query.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from theory._kernels.numerics import FLOAT64_LOGIT
from theory._kernels.softmax import LN2
from theory.engine import backends, numba_backend
from theory.engine.engine import Engine
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior, merge_nearest, merged_by_distance, stacked
from theory.errors import UserError
from theory.machines.attention.machine import AttentionMachine
from theory.machines.cost import Cost
from theory.machines.posterior import PosteriorMachine
from theory.machines.shards import reduction


class ShardSums(NamedTuple):
    """What one shard, or several merged, say of B queries.

    sums, nearest: of its candidates, images numbered as in the whole set. near, rest (B, Y, X): the squared distance of
    the nearest candidate, in two parts, where logits are so large that float64 rounds them; NaN elsewhere.
    spread: mass times variance, like sums.total, where it is asked for
    """

    sums: Posterior
    nearest: Nearest
    near: np.ndarray
    rest: np.ndarray
    spread: np.ndarray | None


def merge_shards(precision: np.ndarray, *parts: ShardSums | None) -> ShardSums | None:
    """Return what disjoint shards say together; precision (B,): 1 / (2 sigma^2). None: a shard without candidates."""
    found = [part for part in parts if part is not None]
    if len(found) < 2:
        return found[0] if found else None
    states, precision = stacked([part.sums for part in found]), precision[:, None, None]
    means = np.stack([part.sums.mean for part in found])
    near, rest = (np.stack([getattr(part, name) for part in found]) for name in ("near", "rest"))
    far = np.isfinite(near).all(axis=0)
    distance, rest = np.where(far, near, -states.peak / precision), np.where(far, rest, 0.0)
    best = np.lexsort((rest, distance), axis=0)[:1]
    merged = merged_by_distance(states, distance, rest, precision)
    spread = None
    if found[0].spread is not None:
        weights = np.exp(states.peak - states.peak.max(axis=0))[:, :, None]
        own = np.stack([part.spread for part in found]) + states.mass[:, :, None] * (means - merged.mean) ** 2
        spread = (weights * own).sum(axis=0)
    least = (np.where(far, np.take_along_axis(part, best, 0)[0], np.nan) for part in (distance, rest))
    return ShardSums(merged, merge_nearest([part.nearest for part in found]), *least, spread)


class Asked(NamedTuple):
    """What a shard is asked, of queries of one class: see `ScanOptions`; options: of the call."""

    x: np.ndarray
    sigma: np.ndarray
    label: int | None
    left_out: int
    top: int
    float64: bool
    engine: Engine | str
    variance: bool
    options: dict

    def of(self, machine: PosteriorMachine, first: int) -> ShardSums | None:
        """Return what a shard says whose images are numbered from `first`; None where it has none of that class."""
        if self.label is not None and self.label not in machine._bank.classes:
            return None
        order, left_out = machine._bank.blocks_of(self.label), self.left_out - first
        left_out = left_out if 0 <= left_out < machine.count else -1
        if not machine._bank.present(order, left_out).any():
            return None
        request = ScanOptions(order, backends.engine(self.engine, self.x), left_out, self.top, float64=self.float64)
        options = machine._checked(len(self.x), **self.options)
        sums, nearest = machine._posterior(self.x, self.sigma, request, **options)
        spread = None
        if self.variance:
            variance = machine._moments(self.x, self.sigma, request, **options)[1]
            spread = sums.mass[:, None] * variance.reshape(sums.total.shape)
        exact = self._exact(machine, sums, request, options)
        return ShardSums(sums, _numbered(machine, nearest, first), *exact, spread)

    def _exact(self, machine, sums: Posterior, request: ScanOptions, options: dict) -> tuple[np.ndarray, np.ndarray]:
        """Distances of the nearest candidates, in two parts, of pixels where these are measured exactly."""
        near, rest = np.full((2, *sums.peak.shape), np.nan)
        far = sums.peak < -FLOAT64_LOGIT * LN2
        some = np.flatnonzero(far.any(axis=(1, 2)))
        if len(some):
            named = replace(request, top=1, engine=numba_backend)
            _, nearest = machine._posterior(self.x[some], self.sigma[some], named, **options)
            near[some], rest[some] = (np.where(far[some], part[..., 0], np.nan) for part in (nearest.key, nearest.rest))
        return near, rest


def _numbered(machine: PosteriorMachine, nearest: Nearest, first: int) -> Nearest:
    """The lists with images as the whole set numbers them, for every pixel."""
    if not nearest.key.shape[-1]:
        return nearest
    source = machine._sources(nearest.source)
    source = np.where(source[..., :1] >= 0, source + np.array([first, 0, 0]), source)
    key, rest = (np.broadcast_to(part, source.shape[:-1]) for part in (nearest.key, nearest.rest))
    return Nearest(key, source, rest)


class Described(NamedTuple):
    """What the whole has to know of a shard's machine."""

    count: int
    image_shape: tuple[int, int, int]
    conditional: bool
    classes: tuple[int, ...]
    settings: tuple[str, ...]
    name: str

    @classmethod
    def of(cls, machine, first: int) -> Described:
        if not isinstance(machine, PosteriorMachine) or isinstance(machine, AttentionMachine):
            raise UserError(f"machine_factory: got one that makes {type(machine).__name__}, want a machine that "
                            "averages training pixels by one softmax, such as EquivariantLocalScore")
        return cls(machine.count, machine.image_shape, machine.conditional, tuple(machine._bank.classes),
                   machine.settings, repr(machine))


class Sharded(PosteriorMachine):
    """Denoise as one machine of all training images does, from machines of some of them each.

    ::

        x0 = sum_s e^(peak_s - peak) total_s / sum_s e^(peak_s - peak) mass_s,   s over shards, peak the largest

    Parameters
    ----------
    machine_factory : callable
        From a shard to its machine: IdealScore, EquivariantScore, LocalScore, EquivariantLocalScore or another one that
        averages training pixels by one softmax. A function of a module, so that other processes know it.
    shards : sequence
        What the factory takes: arrays, or what arrays are read from, such as paths of .npy files. Images are numbered
        shard after shard.
    map : callable, Executor or Client
        Where shards are scanned: anything called like the builtin `map`, which is the default, such as `executor.map`;
        an executor of concurrent.futures; a Client of dask.distributed; or `AllReduce` of `theory.engine.torch_backend`
        in the processes of torchrun.

    Raises
    ------
    UserError
        There is no shard, or their machines do not go together.

    Notes
    -----
    In this process and in those of an executor a thread keeps the machine of one shard at a time: a training set that
    is larger than the memory is read again in every call. A dask cluster builds each shard's machine once, on a worker
    that keeps it; sums are merged on the workers, two by two; a worker that is lost is made up for. `variance` takes
    two scans. `return_bound` and gradients are not offered.

    Examples
    --------
    >>> import numpy as np
    >>> from functools import partial
    >>> from theory import EquivariantLocalScore, Sharded
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6)).astype(np.float32)
    >>> sharded = Sharded(partial(EquivariantLocalScore, patch_size=3), [images[:4], images[4:]])
    >>> whole = EquivariantLocalScore(images, patch_size=3)
    >>> bool(np.allclose(sharded.denoise(images, 0.5), whole.denoise(images, 0.5), atol=1e-6))
    True
    """

    def __init__(self, machine_factory: Callable, shards: Sequence, map=builtins.map):  # noqa: A002
        if not len(shards):
            raise UserError("shards: got none, want at least one")
        self.machine_factory, self.shards, self.map = machine_factory, shards, map
        self._reduction = reduction(map, machine_factory, shards)
        self._described = self._reduction.each(Described.of, [0] * len(shards))
        first = self._described[0]
        for name in ("image_shape", "conditional", "name"):
            found = list(dict.fromkeys(getattr(one, name) for one in self._described))
            if len(found) > 1:
                raise UserError(f"shards: got machines with {name} {found[0]} and {found[1]}, want one for all")
        counts = [one.count for one in self._described]
        self.count, self.image_shape, self.conditional = sum(counts), first.image_shape, first.conditional
        self._firsts = np.concatenate([[0], np.cumsum(counts)[:-1]]).tolist()

    @property
    def settings(self) -> tuple[str, ...]:
        """The machines' own options of a call."""
        return self._described[0].settings

    def __repr__(self) -> str:
        return f"Sharded({self._described[0].name}, {len(self.shards)} shards of {self.count} images)"

    def cost(self, batch: int, sigma: float, **options) -> Cost:
        """Return what `denoise` of a batch takes, the shards one after the other; as of every machine.

        Parameters
        ----------
        batch : int
            Queries, at least 1.
        sigma : float
            Standard deviation of their noise.
        **options
            Settings for the call, such as `patch_size`.

        Returns
        -------
        Cost
            Pairs and seconds of all shards; bytes of the largest.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore, Sharded
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
        >>> Sharded(IdealScore, [images[:4], images[4:]]).cost(batch=4, sigma=0.5).pairs
        40
        """
        each = self._reduction.each(partial(_cost, batch=batch, sigma=sigma, options=options), self._firsts)
        return Cost(sum(one.pairs for one in each), max(one.bytes for one in each), sum(one.seconds for one in each))

    def _checked(self, count, **options):
        unknown = [name for name in options if name not in self.settings]
        if unknown:
            super()._checked(count, **{name: options[name] for name in unknown})
        return {"options": options}

    def _by_class(self, classes):
        """For each class asked for: which queries (mask), and the class in place of its blocks."""
        known = {label for one in self._described for label in one.classes}
        for label in dict.fromkeys(classes):
            if label is not None and label not in known:
                raise UserError(f"labels: got class {label} without a training image, want one of {sorted(known)}")
            yield np.array([c == label for c in classes]), label

    def _require_images(self, order, left_out):
        """Nothing: a call finds out."""

    def _posterior(self, x, sigma, request, options):
        sums = self._merged(x, sigma, request, options)
        return sums.sums, sums.nearest

    def _moments(self, x, sigma, request, options):
        merged = self._merged(x, sigma, request, options, variance=True)
        variance = np.maximum(merged.spread / merged.sums.mass[:, None], 0.0)
        return merged.sums.mean.reshape(x.shape), variance.reshape(x.shape)

    def _merged(self, x, sigma, request, options, variance: bool = False) -> ShardSums:
        engine = "numba" if request.engine is numba_backend else request.engine
        asked = Asked(x, sigma, request.order, request.left_out, request.top, request.float64, engine, variance,
                      options)
        merged = self._reduction.merged(asked.of, self._firsts, partial(merge_shards, 1.0 / (2.0 * sigma**2)))
        if merged is None:
            raise UserError(f"image: got {request.left_out}, the only training image there is; want one of several")
        return merged


def _cost(machine: PosteriorMachine, _: int, *, batch: int, sigma: float, options: dict) -> Cost:
    return machine.cost(batch, sigma, **options)
