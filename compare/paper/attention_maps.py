"""Ours: which cells attend to which on the toy set, in closed form and in the trained networks."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from compare.result.schema import variable
from compare.study.lineup import WINDOW
from empirical import checkpoint
from empirical.toy_networks import VARIANTS, shipped
from theory import AttentionScore, CosineSchedule

TIMES = (0.65, 0.45, 0.25)


def data(source) -> xr.Dataset:
    """alpha, averaged over training images noised to each t; the shipped networks of seed 0, and machines by rule."""
    images = source.toy_set.images[: 8 if source.quick else 64]
    noise = np.random.default_rng(0).standard_normal(images.shape)
    schedule = CosineSchedule()
    rules = [rule for rule in VARIANTS.values() if rule not in (None, "learned")]
    machines = {f"closed form, {rule}": AttentionScore(source.toy_set.images, WINDOW, attention=rule)
                for rule in rules}
    networks = {f"network, {rule}": checkpoint.load(shipped(variant)).network
                for variant, rule in VARIANTS.items() if rule is not None}
    P = images.shape[2] * images.shape[3]
    maps = np.empty((len(machines) + len(networks), len(TIMES), P, P))
    for j, t in enumerate(TIMES):
        abar = float(schedule.alpha_bar(t))
        phi = abar**0.5 * images + (1.0 - abar) ** 0.5 * noise
        for i, machine in enumerate(machines.values()):
            maps[i, j] = machine.attention_map(phi / abar**0.5, float(schedule.sigma(t))).mean(axis=0)
        for i, network in enumerate(networks.values(), start=len(machines)):
            times = torch.full((len(phi),), t)
            maps[i, j] = network.attention_map(torch.tensor(phi, dtype=torch.float32), times).mean(dim=0).numpy()
    return xr.Dataset(
        {"attention": variable(("source", "time", "pixel", "attended"), maps, "mean attention weight alpha")},
        {"source": variable("source", [*machines, *networks], "machine or network"),
         "time": variable("time", list(TIMES), "time t")},
        {"height": images.shape[2], "width": images.shape[3]})


def draw(figure, dataset: xr.Dataset) -> None:
    """Pixels in row-major order: 0 and 1 are key and value of the first pair."""
    panels = figure.subplots(len(dataset.time), dataset.sizes["source"], sharex=True, sharey=True)
    most = float(dataset.attention.max())
    for j, row in enumerate(panels):
        for i, axes in enumerate(row):
            heat = axes.imshow(dataset.attention[i, j], cmap="cividis", vmin=0.0, vmax=most)
            if j == 0:
                axes.set_title(dataset.source.values[i].replace(", ", ",\n"))
            names = [f"{'KV'[p % 2]}{p // 2 + 1}" for p in range(dataset.sizes["pixel"])]
            axes.set_xticks(range(len(names)), names, fontsize=5)
            axes.set_yticks(range(len(names)), names, fontsize=5)
            axes.tick_params(length=0)
        row[0].set_ylabel(f"t = {dataset.time.values[j]:.2f}\npixel")
    figure.supxlabel("attends to", fontsize=7)
    figure.colorbar(heat, ax=panels, shrink=0.5, label="mean attention")


def size(dataset: xr.Dataset) -> tuple[float, float]:
    return 1.2 * dataset.sizes["source"] + 0.8, 1.25 * len(TIMES) + 0.4
