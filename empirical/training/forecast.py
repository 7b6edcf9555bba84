"""What a training will take, from a trial of a few steps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.datasets import Dataset
from empirical.progress import Forecast, used_memory
from empirical.training.distributed import WorkerGroup
from empirical.training.loop import TrainingRun, is_finished, state_file
from empirical.training.recipe import Recipe
from empirical.training.sample_grid import final_calls

TRIAL = 0.5
"""Seconds of steps that are tried."""


def foretell(config: Recipe, out: Path, dataset: Dataset | None, device: str) -> Forecast:
    """Return what `train(config, out)` will take on this machine, and what of it is done.

    Parameters
    ----------
    config : Recipe
        Of the network.
    out : Path
        Where it is to lie, without suffix.
    dataset : Dataset or None
        What `config.load` returns; a training that is finished needs none.
    device : {"auto", "cpu", "cuda"}
        Where it is to be trained.

    Raises
    ------
    UserError
        `out` belongs to another config, or its files are damaged.
    """
    work = f"{config.steps} training steps of {out.name}"
    if dataset is None or is_finished(out, config):
        return Forecast(work, 0.0, 0.0, used_memory(), torch.get_num_threads())
    here = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    count = int(os.environ.get("WORLD_SIZE", 1))  # of torchrun
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        run = TrainingRun(replace(config, batch=max(1, config.batch // count)), dataset, WorkerGroup(0, 1, here), None)
        step = _timed(run.advance)
        samples = sum(steps * _timed(_call(run, dataset, images)) for images, steps in final_calls(dataset))
    steps_done = checkpoint.load_state(state_file(out))[1]["step"] if state_file(out).is_file() else 0
    return Forecast(work, config.steps * step + samples, steps_done * step, used_memory(), torch.get_num_threads(),
                    {"step": step})


def _call(run: TrainingRun, dataset: Dataset, images: int) -> Callable[[], object]:
    """One call of the network on so many images."""
    x, denoiser = np.zeros((images, *dataset.images.shape[1:]), np.float32), NetworkDenoiser(run.average)
    labels = {"labels": np.zeros(images, int)} if run.network.config.get("classes") else {}
    return lambda: denoiser.denoise(x, 1.0, **labels)


def _timed(work: Callable[[], object]) -> float:
    """Seconds of one of several runs of some work: the median but for the first, where that took no long time."""
    took: list[float] = []
    while sum(took) < TRIAL and len(took) < 50:
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return float(np.median(took[1:] or took))
