"""k(t) and lambda(t) of each closed form for one variant, along the trajectory of its first network (KG appendix C.2).

Window and strength are chosen together: at each step the pair with the smallest cosine distance between the noise that
machine and network predict, in the mean over calibration samples. ELS is the row of strength 0, so a closed form whose
correction helps nothing becomes ELS. For the residual test every closed form needs a correction: there it has ELS's
window and, of the strengths above 0, the one that explains most on the calibration samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from compare.measure.residual import explained, products
from compare.study.calibration import Trajectory, at_strengths, cosine_distance


class Tuning(NamedTuple):
    """One entry a step, 0 = least noise. loss (patch sizes, strengths, steps): the mean cosine distance."""

    local_patch_size: np.ndarray
    patch_size: np.ndarray
    strength: np.ndarray
    residual_strength: np.ndarray
    loss: np.ndarray


def tune_step(machines: Mapping[str, object], path: Trajectory, i: int, patch_sizes: Sequence[int],
              strengths: Sequence[float]) -> dict[str, np.ndarray]:
    """Of each machine at step i: NAME.loss and NAME.explained, (patch sizes, strengths)."""
    found = {}
    for name, machine in machines.items():
        outputs = np.stack([at_strengths(machine, *path.query(i), strengths, k) for k in patch_sizes])  # (K, S, B, ...)
        found[f"{name}.loss"] = np.stack([cosine_distance(path, i, of_k).mean(axis=-1) for of_k in outputs])
        found[f"{name}.explained"] = explained(*products(path.x0[i], outputs, outputs[:, :1], path.query(i)[1]))
    return found


def tuned(loss: np.ndarray, share: np.ndarray, patch_sizes: Sequence[int], strengths: Sequence[float]) -> Tuning:
    """The choice from the losses and explained shares, (patch sizes, strengths, steps); equals resolve to the first."""
    patch_sizes, strengths = np.asarray(patch_sizes), np.asarray(strengths)
    local = loss[:, 0].argmin(axis=0)                                                             # (steps,)
    pair = np.moveaxis(loss, 1, 0).reshape(-1, loss.shape[-1]).argmin(axis=0)                      # strengths first
    strength, window = np.divmod(pair, len(patch_sizes))
    at_local = np.take_along_axis(share, local[None, None], axis=0)[0]                            # (strengths, steps)
    residual = 1 + at_local[1:].argmax(axis=0)
    return Tuning(patch_sizes[local], patch_sizes[window], strengths[strength], strengths[residual], loss)
