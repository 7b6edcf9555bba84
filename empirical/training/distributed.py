"""The processes that train one network together: those that torchrun started, or this one alone."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from theory.errors import UserError


@dataclass(frozen=True)
class WorkerGroup:
    """Tell processes apart: rank 0 to count - 1, of which 0 alone writes files, and the device where this computes."""

    rank: int
    count: int
    device: torch.device

    def local_slice(self, batch: int) -> slice:
        """Return this process's images of a batch; raise a UserError unless every process gets as many."""
        if batch % self.count:
            raise UserError(f"batch: got {batch} for {self.count} processes, want a multiple of {self.count}")
        part = batch // self.count
        return slice(self.rank * part, (self.rank + 1) * part)

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network with gradients averaged over the processes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network, device_ids=[self.device] if self.device.type == "cuda" else None)

    def mean(self, value: torch.Tensor) -> torch.Tensor:
        """Return the mean of a number over the processes."""
        if self.count > 1:
            distributed.all_reduce(value)
        return value / self.count

    def any(self, flag: bool) -> bool:
        """Return whether it is set in any process."""
        return self.mean(torch.tensor(float(flag), device=self.device)).item() > 0

    def barrier(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()


def worker_group(device: str) -> WorkerGroup:
    """Return this process among the others of its torchrun. device: "auto" (cuda if there is one), "cpu" or "cuda".

    The connection between them is made once and lasts until the process ends.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"device: got {device!r}, want auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device: got 'cuda', but torch sees no CUDA device; want auto or cpu")
    cuda = device != "cpu" and torch.cuda.is_available()
    if not distributed.is_torchelastic_launched():
        return WorkerGroup(0, 1, torch.device("cuda" if cuda else "cpu"))
    here = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(here)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if cuda else "gloo")
        atexit.register(distributed.destroy_process_group)
    return WorkerGroup(distributed.get_rank(), distributed.get_world_size(), here)
