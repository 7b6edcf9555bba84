"""Ours: entropy of the posterior and number of training images over time, machine by machine on the toy set."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.attribution.trace import distinct_images, inspect_machine
from theory import AttentionScore, CosineSchedule, EquivariantLocalScore, IdealScore, LocalScore

STEPS = 20


def data(source) -> xr.Dataset:
    """Means over pixels and samples, from the noise of the toy result."""
    images = source.toy_set.images
    noise = source.toy.noise.values[: 2 if source.quick else 16]
    machines = {"ideal": IdealScore(images), "local, k = 3": LocalScore(images, 3),
                "ELS, k = 3": EquivariantLocalScore(images, 3), "ELS, k = 5": EquivariantLocalScore(images, 5),
                r"attention, k = 3, $\lambda$ = 0.1": AttentionScore(images, 3, strength=0.1)}
    over, kept = ("sample", "y", "x"), []
    for machine in machines.values():
        found = inspect_machine(machine, noise, CosineSchedule(), STEPS, top=1)
        kept.append(xr.Dataset({"entropy": found.entropy_images.mean(over), "effective": found.n_eff_images.mean(over),
                                "distinct": ("step", distinct_images(found).mean(axis=1))}))
    dataset = xr.concat(kept, "machine").assign_coords(machine=list(machines), t=found.t)
    for name, long_name, units in (("entropy", "entropy over training images of a pixel", "nat"),
                                   ("effective", "effective number of training images of a pixel", "1"),
                                   ("distinct", "training images that hold a pixel's best patch", "1")):
        dataset[name].attrs = {"long_name": long_name, "units": units}
    return dataset.assign_attrs(training_images=len(images), samples=len(noise))


def draw(figure, dataset: xr.Dataset) -> None:
    entropy, distinct = figure.subplots(1, 2)
    for i, machine in enumerate(dataset.machine.values):
        style = dict(color=f"C{i}", linestyle=("-", "--", "-.", ":", (0, (5, 1, 1, 1)))[i])
        entropy.plot(dataset.t, dataset.entropy[i], label=machine, **style)
        distinct.plot(dataset.t, dataset.distinct[i], **style)
    entropy.axhline(np.log(dataset.attrs["training_images"]), color="0.6", linewidth=0.8)
    entropy.text(0.0, np.log(dataset.attrs["training_images"]), "ln N", ha="right", va="bottom", color="0.4",
                 fontsize=6.5)
    entropy.set_ylabel("entropy over training images (nats)")
    distinct.set_ylabel("training images in one sample")
    distinct.yaxis.get_major_locator().set_params(integer=True)
    for axes in (entropy, distinct):
        axes.set(xlabel="time t", xlim=(1.0, 0.0))
        axes.set_ylim(bottom=0.0)
    figure.legend(loc="outside upper center", ncols=3)
