"""
What would be drawn without a training image?
=============================================

The posterior mean is a ratio of sums over the training set, so leaving an image out is exact: its terms are left out of
both sums. Nothing is trained again, nothing is approximated.
"""

import matplotlib.pyplot as plt
import numpy as np

from compare.attribution.influence import influence
from compare.report.plots import mosaic
from empirical.datasets import load
from theory import EquivariantLocalScore

images = load("toy", count=300).images
machine = EquivariantLocalScore(images, patch_size=5)
x = images[:1] + 0.8 * np.random.default_rng(0).normal(size=(1, *images.shape[1:]))

# %%
# The images that matter most, by their posterior weight, and the output without each:
found = machine.attribute(x, 0.8, top=40)
weight = np.bincount(found.image.values.ravel(), found.weight.values.ravel(), len(images))
chosen = np.argsort(-weight)[:5]
changed = influence(machine, x, 0.8, chosen)

figure, axes = plt.subplots(layout="constrained", figsize=(5, 2.2))
axes.imshow(mosaic(np.concatenate([found.x0, changed.without[:, 0]])[None]))
axes.set_xticks([2, 5, 8, 11, 14, 17], ["all", *(f"without\n{i}" for i in chosen)])
axes.set_yticks([])

# %%
# The same by force: a machine that never saw the image.
without = EquivariantLocalScore(np.delete(images, chosen[0], axis=0), patch_size=5).denoise(x, 0.8)
print("largest difference:", np.abs(without - changed.without[0].values).max())
