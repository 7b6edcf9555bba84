"""
A trained network beside its theory
===================================

A network has the face of a machine: the same sampler draws with both, from the same noise, and the images are compared
one by one. Here: a shipped toy network without attention. One's own torch module takes its place.
"""

import matplotlib.pyplot as plt
import numpy as np

from compare.measure.agreement import agreement
from compare.report.plots import mosaic
from compare.study.sampling import initial_noise
from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.datasets import load
from theory import CosineSchedule, EquivariantLocalScore, IdealScore, ddim

images = load("toy").images
network = NetworkDenoiser(checkpoint.load("cnn-0").network, CosineSchedule(), prediction="eps")
machines = {"ideal": IdealScore(images), "ELS, k = 5": EquivariantLocalScore(images, patch_size=5)}
phi_1 = initial_noise(1, range(12), images.shape[1:])

made = ddim(network, phi_1, CosineSchedule(), steps=150)
drawn = {name: ddim(machine, phi_1, CosineSchedule(), steps=20) for name, machine in machines.items()}

figure, axes = plt.subplots(layout="constrained", figsize=(6, 3))
axes.imshow(mosaic(np.stack([*drawn.values(), made])))
axes.set_yticks([3, 8, 13], [*machines, "network"])
axes.set_xticks([])

# %%
# Median agreement over the samples; r is what Kamb & Ganguli's evaluation computes.
for name, predicted in drawn.items():
    found = agreement(predicted, made)
    print(name, {metric: float(np.nanmedian(values).round(2)) for metric, values in found._asdict().items()})
