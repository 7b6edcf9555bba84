"""
A machine of one's own in a few lines
=====================================

Every machine is one posterior mean; what differs is which training patches compete. Here: patches from the same row, at
every column, for data that are alike along rows only. Attribution, leave-one-out, classes and torch come with it.
"""

import matplotlib.pyplot as plt
import numpy as np

from compare.report.plots import mosaic
from compare.study.sampling import initial_noise
from theory import CosineSchedule, ddim
from theory.engine.geometry import equivariant_axis, local_axis
from theory.machines.candidates import Candidates, EveryPlace, SamePlace
from theory.machines.patch import PatchMachine


class SameRow(Candidates):
    """Translation-equivariant along rows only."""

    def axes(self, height, width, patch_size):
        return local_axis(height, patch_size, self.boundary), equivariant_axis(width, patch_size, self.boundary)


# %%
# Training images: a bright bump at a random column, on a ground that brightens from top to bottom.
rng = np.random.default_rng(0)
y, x = np.mgrid[:12, :16]
centre = rng.uniform(2, 14, (60, 1, 1))
images = (0.12 * (y - 6) + 0.8 * np.exp(-((x - centre) ** 2) / 4))[:, None].clip(-1, 1).astype(np.float32)

phi_1 = initial_noise(0, range(6), images.shape[1:])
kinds = {"same place": SamePlace(), "same row": SameRow(), "every place": EveryPlace()}  # LocalScore, ours, ELS
drawn = [ddim(PatchMachine(images, 5, candidates), phi_1, CosineSchedule(), steps=20) for candidates in kinds.values()]

figure, axes = plt.subplots(layout="constrained", figsize=(5, 2.4))
axes.imshow(mosaic(np.stack([images[:6], *drawn])))
axes.set_yticks([7, 20, 33, 46], ["training", *kinds])
axes.set_xticks([])

# %%
# Where the patches come from: in ``SameRow`` always from the pixel's own row.
found = PatchMachine(images, 5, SameRow()).attribute(drawn[1][:1], 0.1)
print((found.source_y == found.y).all().item(), (found.source_x == found.x).all().item())
