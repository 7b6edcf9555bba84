"""Samples of a trained network for its record: made ones, toy and pairs, are judged, images are put on one sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from empirical.adapters import NetworkDenoiser
from empirical.atomic import atomic_file
from empirical.consistency import flags
from empirical.datasets import Dataset
from empirical.toy import ToyLayout
from theory.samplers import ddim
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()
EVAL_SAMPLES, EVAL_STEPS = 512, (20, 150)
ATTENTION_ENTRIES = 2**22  # of the maps of all images that are drawn at once: 16 MB
GRID_ROWS, GRID_COLUMNS, GRID_STEPS, GRID_ZOOM = 4, 10, 150, 2


def final_samples(network: nn.Module, dataset: Dataset, out: Path, callback: Callable | None = None) -> list[dict]:
    """Return a row for each set of samples: counts for a made set; for images the sheet, OUT.png, that they are on.

    `callback` is called at each step of the sampler, and may end it by an exception.
    """
    judged = [] if dataset.layout is None else [judge(network, dataset, steps, callback=callback)
                                                for steps in EVAL_STEPS]
    if isinstance(dataset.layout, ToyLayout):
        return judged
    return [*judged, sample_grid(network, dataset, out.with_name(out.name + ".png"), callback=callback)]


def final_calls(dataset: Dataset) -> list[tuple[int, int]]:
    """Return of each set of final samples how many images a call of the network has, and how many calls there are."""
    judged = [] if dataset.layout is None else [(EVAL_SAMPLES, steps) for steps in EVAL_STEPS]
    return judged if isinstance(dataset.layout, ToyLayout) else [*judged, (GRID_ROWS * GRID_COLUMNS, GRID_STEPS)]


def judge(network: nn.Module, dataset: Dataset, steps: int, n: int | None = None, seed: int = 0,
          callback: Callable | None = None) -> dict:
    """Count how many of n samples of a network are consistent, clean, novel, and consistent and novel.

    They are sampled by `steps` DDIM steps from noise that is a function of (seed, n) alone; n None is EVAL_SAMPLES.
    """
    noise = _noise(EVAL_SAMPLES if n is None else n, dataset, seed)
    at_once = max(1, ATTENTION_ENTRIES // noise[0, 0].size**2)
    blocks = np.array_split(noise, -(-len(noise) // at_once))
    images = np.concatenate([ddim(NetworkDenoiser(network, SCHEDULE), block, SCHEDULE, steps=steps, callback=callback)
                             for block in blocks])
    found = flags(images, dataset.images, dataset.layout)
    counts = {name: found[name] for name in ("consistent", "clean", "novel")}
    counts["consistent_and_novel"] = found["consistent"] & found["novel"]
    return {"steps": steps, "n": len(noise), "seed": seed} | {name: int(flag.sum()) for name, flag in counts.items()}


def sample_grid(network: nn.Module, dataset: Dataset, path: Path, seed: int = 0,
                callback: Callable | None = None) -> dict:
    """Write a sheet of samples as a PNG; with classes, column c shows class c modulo their number."""
    noise = _noise(GRID_ROWS * GRID_COLUMNS, dataset, seed)
    classes = network.config["classes"]
    labels = np.arange(len(noise)) % GRID_COLUMNS % classes if classes else None
    images = ddim(NetworkDenoiser(network, SCHEDULE), noise, SCHEDULE, steps=GRID_STEPS, labels=labels,
                  callback=callback)
    _, channels, height, width = images.shape
    rows = images.reshape(GRID_ROWS, GRID_COLUMNS, channels, height, width).transpose(0, 3, 1, 4, 2)
    sheet = np.rint((rows.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    sheet = sheet.reshape(GRID_ROWS * height, GRID_COLUMNS * width, channels)
    picture = Image.fromarray(sheet if channels == 3 else sheet[..., 0])
    with atomic_file(path) as file:
        size = (picture.width * GRID_ZOOM, picture.height * GRID_ZOOM)
        picture.resize(size, Image.Resampling.NEAREST).save(file, "png")
    return {"steps": GRID_STEPS, "n": len(noise), "seed": seed, "sheet": path.name}


def _noise(n: int, dataset: Dataset, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, *dataset.images.shape[1:]), dtype=np.float32)
