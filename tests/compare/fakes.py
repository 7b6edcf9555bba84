"""Small stand-ins with the face of a machine, for tests of what is done with machines."""

import numpy as np


class Blur:
    """x0 = the mean over a patch_size x patch_size circular window of x / (1 + sigma^2), drawn to the image's mean.

    Different patch sizes and strengths give different answers at every noise level, as the true machines do.
    """

    def __init__(self, patch_size=3, strength=0.0):
        self.patch_size, self.strength = patch_size, strength

    def denoise(self, x, sigma, patch_size=None, labels=None, strength=None):
        k = self.patch_size if patch_size is None else patch_size
        strength = self.strength if strength is None else strength
        x = np.asarray(x, dtype=np.float64) / (1.0 + np.square(sigma))
        r = k // 2
        blurred = sum(np.roll(x, (dy, dx), axis=(-2, -1)) for dy in range(-r, r + 1) for dx in range(-r, r + 1)) / k**2
        return (1.0 - strength) * blurred + strength * x.mean((-2, -1), keepdims=True)

    def denoise_scales(self, x, sigma, patch_sizes, labels=None):
        return [self.denoise(x, sigma, k, labels) for k in patch_sizes]

    def denoise_strengths(self, x, sigma, strengths, patch_size=None, labels=None):
        return [self.denoise(x, sigma, patch_size, labels, strength) for strength in strengths]


class Scheduled:
    """A machine whose window size and strength depend on the step: what calibration has to find again.

    Entry i of the n patch sizes holds for t in (i / n, (i + 1) / n].
    """

    def __init__(self, machine, schedule, patch_sizes, strengths=None):
        self.machine, self.schedule = machine, schedule
        self.patch_sizes, self.strengths = patch_sizes, strengths

    def denoise(self, x, sigma, labels=None):
        i = int(np.ceil(float(self.schedule.time(sigma)) * len(self.patch_sizes) - 1e-6)) - 1
        options = {} if self.strengths is None else {"strength": self.strengths[i]}
        if labels is not None:
            options["labels"] = labels
        return self.machine.denoise(x, sigma, patch_size=self.patch_sizes[i], **options)
