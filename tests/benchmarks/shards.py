"""A training set in shards over the processes of torchrun: seconds of a call, and how far the answer is off.

  torchrun --standalone --nproc_per_node=2 -m tests.benchmarks.shards --dataset fashion-mnist --subset 4000 --device cpu
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import numpy as np
import torch

from empirical.datasets import load
from theory import EquivariantLocalScore, Sharded
from theory.engine.torch_backend import AllReduce, TorchBackend


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--dataset", default="fashion-mnist")
    parse.add_argument("--subset", type=int)
    parse.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return parse


def main() -> None:
    args = parser().parse_args()
    torch.distributed.init_process_group("nccl" if args.device == "cuda" else "gloo")
    rank, count = torch.distributed.get_rank(), torch.distributed.get_world_size()
    if args.device == "cuda":
        torch.cuda.set_device(rank)
    images = load(args.dataset, subset=args.subset).images
    backend = TorchBackend(f"cuda:{rank}" if args.device == "cuda" else "cpu", memory_bytes=2**32)
    sharded = Sharded(partial(EquivariantLocalScore, patch_size=7), np.array_split(images, count), map=AllReduce())
    x = images[:4] + np.float32(0.5)
    sharded.denoise(x, 0.5, backend=backend)
    started = time.perf_counter()
    x0 = sharded.denoise(x, 0.5, backend=backend)
    took = time.perf_counter() - started
    if rank == 0:
        off = np.abs(x0 - EquivariantLocalScore(images, patch_size=7).denoise(x, 0.5, backend=backend)).max()
        print(f"{len(images)} images, {count} processes: {took:.2f} s a call of {len(x)}, largest difference {off:.1e}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
