"""Make the controls of an attention study, docs/results/STUDY/controls.nc, from its whole result:

    python docs/make_controls.py runs/attention-toy-gap/attention.nc docs/results/attention-toy-gap

A constant blend of ELS and ideal score, x0 = (1 - w) ELS + w ideal, k = 5 at every step, is no theory and has no
attention; what it does from the same noise stands beside every claim about drawn samples. And of every machine and
network: does its sample decode to the same colours as the network's? Needs all images of the study, so not the thinned
result in docs/results.
"""

import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from compare.measure.agreement import agreement
from compare.result.schema import read, write
from empirical.consistency import consistent, decode
from empirical.datasets import load
from empirical.toy import ToyLayout
from theory import CosineSchedule, EquivariantLocalScore, IdealScore, ddim

WEIGHTS = (0.3, 0.4, 0.5)
PATCH_SIZE = 5


class ConstantBlend:
    """x0 = (1 - weight) ELS + weight ideal."""

    def __init__(self, images: np.ndarray, weight: float):
        self.local, self.ideal, self.weight = EquivariantLocalScore(images, PATCH_SIZE), IdealScore(images), weight

    def denoise(self, x, sigma):
        local = self.local.denoise(x, sigma)
        return local + self.weight * (self.ideal.denoise(x, sigma) - local)


def training_set(study: xr.Dataset) -> tuple[ToyLayout, np.ndarray]:
    """Return layout and training images of the study's networks, which both layouts' shapes tell apart."""
    layout = ToyLayout(arrangement="grid", gap=2) if study.sizes["x"] == 6 else ToyLayout()
    drawn = load("toy").images
    images = drawn if study.attrs["training_images"] == len(drawn) else layout.enumerate()
    if study.attrs["training_images"] != len(images):
        raise ValueError(f"study: got {study.attrs['training_images']} training images, want {len(images)}")
    return layout, images


def blended(study: xr.Dataset, images: np.ndarray) -> np.ndarray:
    """Return what each constant blend draws from the study's noise, (WEIGHTS, samples, C, H, W)."""
    steps = study.sizes["step"]
    return np.stack([ddim(ConstantBlend(images, weight), study.noise.values, CosineSchedule(), steps=steps)
                     for weight in WEIGHTS])


def controls(study: xr.Dataset, blends: np.ndarray, layout: ToyLayout) -> xr.Dataset:
    """Return r2 and rates of the blends, and the share of samples with the network's colours, of all."""
    finest = (study.network_steps == study.network_steps.max()).values
    networks, generated = study.network.values[finest], study.generated.values[finest]
    drawn = np.concatenate([study.predicted.values, blends, generated])
    others = [*study.machine.values, *(f"constant blend, w = {weight}" for weight in WEIGHTS), *networks]
    colours = lambda images: decode(images, layout)[0].reshape(len(images), -1)
    same = [[(colours(one) == colours(network)).all(axis=1).mean() for network in generated] for one in drawn]
    variable = lambda dims, values, long_name: (dims, values, {"long_name": long_name, "units": "1"})
    return xr.Dataset(
        {"r2": variable(("weight", "network", "sample"),
                         agreement(blends[:, None], generated[None]).r2.astype(np.float32),
                         "squared Pearson correlation of the constant blend's image and the network's"),
         "consistent": variable(("weight", "sample"), np.stack([consistent(one, layout) for one in blends]),
                                 "whether the constant blend's sample is consistent"),
         "same_image": variable(("other", "network"), np.array(same),
                                 "share of samples whose decoded colours are those of the network's sample")},
        {"weight": list(WEIGHTS), "network": networks, "other": others},
        {"study": json.dumps({"command": study.attrs["command"], "created_at": study.attrs["created_at"]})})


if __name__ == "__main__":
    whole = read(Path(sys.argv[1]))
    layout, images = training_set(whole)
    write(controls(whole, blended(whole, images), layout), Path(sys.argv[2]) / "controls.nc")
