"""
The ideal score repeats, a local score builds mosaics
=====================================================

From the same noise, on the same training images: the ideal score machine lands on a training image, the equivariant
local one puts patches of several together.
"""

# %%
# The training set: the toy images of key-value colour pairs, which need no download.
import matplotlib.pyplot as plt
import numpy as np

from compare.attribution.trace import distinct_images, inspect_machine
from compare.report.plots import mosaic
from compare.study.sampling import initial_noise
from empirical.datasets import load
from theory import CosineSchedule, EquivariantLocalScore, IdealScore

images = load("toy", count=500).images
phi_1 = initial_noise(0, range(10), images.shape[1:])

# %%
# Both machines draw, and at every step say which training patches each pixel is made of.
machines = {"ideal": IdealScore(images), "ELS, k = 3": EquivariantLocalScore(images, patch_size=3)}
found = {name: inspect_machine(machine, phi_1, CosineSchedule(), steps=20) for name, machine in machines.items()}

figure, axes = plt.subplots(layout="constrained", figsize=(5, 2.4))
axes.imshow(mosaic(np.stack([one.drawn for one in found.values()])))
axes.set_yticks([3, 8], list(machines))
axes.set_xticks([])

# %%
# How many training images hold a pixel's best patch, in each sample: one makes a copy, several a mosaic.
for name, one in found.items():
    print(name, distinct_images(one)[0])

# %%
# Is the image in the training set?
for name, one in found.items():
    nearest = np.abs(one.drawn.values[:, None] - images).max(axis=(2, 3, 4)).min(axis=1)
    print(name, (nearest < 0.1).sum(), "of 10 samples are training images")
