"""
Locally consistent mosaics of two images
========================================

The smallest example of Kamb & Ganguli's theorem 4.1: of an all-black and an all-white training image, the equivariant
local score machine makes images in which every pixel has the majority colour of its own window.
"""

import matplotlib.pyplot as plt
import numpy as np

from compare.paper.black_white import locally_consistent
from compare.report.plots import mosaic
from compare.study.sampling import initial_noise
from theory import CosineSchedule, EquivariantLocalScore, ddim

images = np.stack([np.full((1, 24, 24), colour, dtype=np.float32) for colour in (-1.0, 1.0)])
phi_1 = initial_noise(0, range(6), images.shape[1:])
drawn = [ddim(EquivariantLocalScore(images, k, boundary="circular"), phi_1, CosineSchedule(), steps=40)
         for k in (3, 5, 9)]

figure, axes = plt.subplots(layout="constrained", figsize=(5, 2.7))
axes.imshow(0.9 * mosaic(np.stack(drawn), gap=2))
axes.set_yticks([14, 40, 66], ["k = 3", "k = 5", "k = 9"])
axes.set_xticks([])

# %%
# The share of pixels that follow the majority of their window:
for k, samples in zip((3, 5, 9), drawn):
    print(k, locally_consistent(samples, k).round(3))
