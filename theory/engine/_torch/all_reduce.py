"""Shards of a training set in the processes of torchrun: each scans its own, and all end with the same answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from torch import distributed

from theory.errors import UserError

if TYPE_CHECKING:
    from theory.machines.shards import Shard


class AllReduce:
    """Scan shard i in process i modulo their number, and reduce what they say in all of them: a `map` for `Sharded`.

    Every process makes the same calls, in the same order, and gets the same answers. A process keeps the machines of
    its shards.

    Raises
    ------
    UserError
        torch.distributed is not initialised.
    """

    def __init__(self):
        if not (distributed.is_available() and distributed.is_initialized()):
            raise UserError("map: got AllReduce outside a process group, want torchrun and "
                            "torch.distributed.init_process_group")
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()

    def over(self, shards: Sequence[Shard]) -> AllReduced:
        """Return the reduction over these shards."""
        return AllReduced(shards, self.rank, self.count)


class AllReduced:
    """The reduction: every process merges its own parts, then all of them those of all."""

    def __init__(self, shards: Sequence[Shard], rank: int, count: int):
        self.rank, self.count = rank, count
        self.machines = {number: shard.factory(shard.source) for number, shard in enumerate(shards)
                         if number % count == rank}

    def each(self, function: Callable, firsts: Sequence[int]) -> list:
        found = dict(part for parts in self._gathered(self._own(function, firsts)) for part in parts.items())
        return [found[number] for number in range(len(firsts))]

    def merged(self, function: Callable, firsts: Sequence[int], merge: Callable):
        return merge(*self._gathered(merge(*self._own(function, firsts).values())))

    def _own(self, function: Callable, firsts: Sequence[int]) -> dict:
        return {number: function(machine, firsts[number]) for number, machine in self.machines.items()}

    def _gathered(self, own) -> list:
        everyone = [None] * self.count
        distributed.all_gather_object(everyone, own)
        return everyone
