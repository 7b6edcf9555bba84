"""
Where a machine is unsure
=========================

The weights that average the candidates also say how far these agree: the posterior standard deviation of every pixel,
along a trajectory from noise to an image.
"""

import matplotlib.pyplot as plt
import numpy as np

from compare.study.sampling import initial_noise
from empirical.datasets import load
from theory import CosineSchedule, EquivariantLocalScore, IdealScore, ddim

images = load("toy", count=200).images
phi_1 = initial_noise(0, range(2), images.shape[1:])
schedule, steps = CosineSchedule(), 10

# %%
# At each step, ask for the variance where the trajectory is: x = phi / sqrt(abar).


def deviations(machine):
    """Posterior standard deviation, mean over channels, (steps, B, H, W), most noise first."""
    found = []

    def look(i, t, phi, x0):
        sigma = float(schedule.sigma(t))
        found.append(np.sqrt(machine.variance(phi * np.sqrt(1.0 + sigma**2), sigma).mean(axis=1)))

    ddim(machine, phi_1, schedule, steps, callback=look)
    return np.array(found)


machines = {"ideal": IdealScore(images), "ELS, k = 3": EquivariantLocalScore(images, patch_size=3)}
unsure = {name: deviations(machine) for name, machine in machines.items()}

# %%
# The ideal score makes up its mind for the whole image at once; a local machine pixel by pixel.
figure, axes = plt.subplots(len(machines), steps, layout="constrained", figsize=(7, 2.6))
for row, (name, found) in zip(axes, unsure.items()):
    for axis, of_step in zip(row, found):
        shown = axis.imshow(of_step[0], vmin=0.0, vmax=1.0, cmap="magma")
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
figure.suptitle("standard deviation of each pixel, most noise to least", fontsize="medium")
figure.colorbar(shown, ax=axes)

# %%
# The same variances, summed, are the divergence of the machine's answer, without another pass.
for name, machine in machines.items():
    print(name, machine.divergence(phi_1 * 1.0, 1.0).round(2))
