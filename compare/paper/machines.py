"""KG figure 2: the ideal, the local and the equivariant local score machine, from the same noise on the same data."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.attribution.trace import inspect_machine
from compare.report.plots import PALETTE, bare, rgb, shaded_sources
from compare.result.published import KG_PATCH_SIZES
from compare.result.schema import variable
from compare.study.sampling import initial_noise
from theory import CosineSchedule, EquivariantLocalScore, IdealScore, LocalScore

DATA = "fashion-mnist"
STEPS = 20


def data(source) -> xr.Dataset:
    """What each machine draws from one noise, and of every pixel the training image of its best patch."""
    images = source.images(DATA, 30 if source.quick else 120)
    sizes = KG_PATCH_SIZES[DATA, "resnet", "zeros"]
    phi_1 = initial_noise(1, [0], images.shape[1:])
    machines = {"ideal (IS)": (IdealScore(images), None), "local (LS)": (LocalScore(images, 17), sizes),
                "equivariant local (ELS)": (EquivariantLocalScore(images, 17), sizes)}
    names = ["x0", "image", "source_y", "source_x", "weight"]
    drawn = []
    for machine, patch_sizes in machines.values():
        found = inspect_machine(machine, phi_1, CosineSchedule(), STEPS, patch_sizes=patch_sizes, top=1)
        drawn.append(found[names].isel(sample=0, rank=0).isel(step=[19, 11, 7, 0]))
    dataset = xr.concat(drawn, "machine").assign_coords(machine=list(machines))
    used = np.unique(dataset.image)
    dataset["noise"] = variable(("channel", "y", "x"), phi_1[0], "noise at t = 1")
    dataset["training"] = variable(("used", "channel", "y", "x"), images[used], "training images named")
    return dataset.assign_coords(used=used).assign_attrs(data=DATA, training_images=len(images))


def draw(figure, dataset: xr.Dataset) -> None:
    """Rows: machines. Columns: noise, predictions on the way, sample, and its sources in colour with their images."""
    M, steps = dataset.sizes["machine"], dataset.sizes["step"]
    panels = figure.subplots(M, steps + 2 + 3)
    last = dataset.isel(step=-1)
    for r in range(M):
        one, row = last.isel(machine=r), panels[r]
        row[0].imshow(rgb(dataset.noise.values))
        for s in range(steps):
            row[1 + s].imshow(rgb(dataset.x0.values[r, s]))
        largest = _largest(one)
        row[steps + 1].imshow(shaded_sources(one.image.values, one.weight.values, largest))
        for i in range(3):
            axis = row[steps + 2 + i]
            if i < len(largest):
                axis.imshow(rgb(dataset.training.sel(used=largest[i]).values))
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set(visible=True, color=PALETTE[i], linewidth=1.5)
            else:
                axis.set_axis_off()
        row[0].set_ylabel(dataset.machine.values[r].replace(" (", "\n("))
    titles = ["noise", *(f"t = {t:.2f}" for t in dataset.t.values[:-1]), "sample", "sources", "largest three", "", ""]
    for axis, title in zip(panels[0], titles):
        axis.set_title(title)
    for axis in panels[:, : steps + 2].flat:
        bare(axis)


def _largest(one: xr.Dataset) -> np.ndarray:
    """The training images with the most weight in the sample, as many as there are colours."""
    total = np.bincount(one.image.values.ravel(), weights=one.weight.values.ravel())
    order = np.argsort(-total, kind="stable")[: len(PALETTE)]
    return order[total[order] > 0.0]
