"""Where the shards of a training set are scanned, and how what they say comes together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from threading import local
from typing import Any, NamedTuple, Protocol

_kept = local()
"""The machine that this thread built last, and of which shard it is."""


class Shard(NamedTuple):
    """One shard and how its machine is made; key: of the set, and its number."""

    key: tuple[str, int]
    factory: Callable
    source: Any

    def machine(self):
        """Return the machine, built unless it is the one that this thread used last."""
        if getattr(_kept, "key", None) != self.key:
            _kept.key = _kept.machine = None  # free the other one first
            _kept.machine = self.factory(self.source)
            _kept.key = self.key
        return _kept.machine


class Reduction(Protocol):
    """Calls of function(machine, first) on each shard's machine, `firsts` the numbers of their first images."""

    def each(self, function: Callable, firsts: Sequence[int]) -> list:
        """Return what the calls return, in the order of the shards."""
        ...

    def merged(self, function: Callable, firsts: Sequence[int], merge: Callable) -> Any:
        """Return what merge(*parts) makes of it; merge is associative."""
        ...


def reduction(map, factory: Callable, sources: Sequence) -> Reduction:
    """Return the reduction over what a user may name as `map`."""
    key, owner = secrets.token_hex(8), getattr(map, "__self__", map)
    shards = [Shard((key, number), factory, source) for number, source in enumerate(sources)]
    if hasattr(map, "over"):
        return map.over(shards)
    if hasattr(owner, "submit") and hasattr(owner, "scatter"):
        return Tree(owner, shards)
    return Mapped(map.map if hasattr(map, "submit") else map, shards)


class Mapped:
    """By a function like the builtin `map`; merged here."""

    def __init__(self, map: Callable, shards: Sequence[Shard]):
        self.map, self.shards = map, shards

    def each(self, function, firsts):
        return list(self.map(call, [function] * len(firsts), self.shards, firsts))

    def merged(self, function, firsts, merge):
        return merge(*self.each(function, firsts))


class Tree:
    """On the workers of a dask client, each of which keeps the machines that it builds; merged there, two by two."""

    def __init__(self, client, shards: Sequence[Shard]):
        self.client = client
        self.machines = [client.submit(_build, shard, pure=False) for shard in shards]

    def each(self, function, firsts):
        return self.client.gather(self._submitted(function, firsts))

    def merged(self, function, firsts, merge):
        parts = self._submitted(function, firsts)
        while len(parts) > 1:
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            parts = [self.client.submit(merge, *pair, pure=False) if len(pair) > 1 else pair[0] for pair in pairs]
        return parts[0].result()

    def _submitted(self, function, firsts) -> list:
        return [self.client.submit(function, machine, first, pure=False)
                for machine, first in zip(self.machines, firsts)]


def call(function: Callable, shard: Shard, first: int):
    """Return function(machine, first) of a shard."""
    return function(shard.machine(), first)


def _build(shard: Shard):
    return shard.factory(shard.source)
