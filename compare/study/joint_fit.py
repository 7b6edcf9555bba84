"""k(t) and lambda(t) of closed forms of attention, chosen together along the trajectory of a variant's first network.

At each step the pair with the smallest cosine distance between the noise that machine and network predict, in the mean
over calibration samples [KG2025, appendix C.2, there for k alone]. ELS is the row of strength 0, so a closed form whose
correction helps nothing becomes ELS. For the residual test every closed form needs a correction: there it has ELS's
window and, of the strengths above 0, the one that explains most on the calibration samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from compare.measure.residual import explained, products
from compare.study.fit import at_strengths, cosine_distance
from compare.study.sampling import Trajectory


class JointFit(NamedTuple):
    """One entry a step, 0 = least noise. loss (patch sizes, strengths, steps): the mean cosine distance."""

    local_patch_size: np.ndarray
    patch_size: np.ndarray
    strength: np.ndarray
    residual_strength: np.ndarray
    loss: np.ndarray


def candidate_losses(machines: Mapping[str, object], path: Trajectory, i: int, patch_sizes: Sequence[int],
                     strengths: Sequence[float]) -> dict[str, np.ndarray]:
    """Return for each machine at step i its loss and explained share, (2, patch sizes, strengths)."""
    found = {}
    for name, machine in machines.items():
        outputs = np.stack([at_strengths(machine, *path.query(i), strengths, k) for k in patch_sizes])  # (K, S, B, ...)
        found[name] = np.stack([
            np.stack([cosine_distance(path, i, of_k).mean(axis=-1) for of_k in outputs]),
            explained(*products(path.x0[i], outputs, outputs[:, :1], path.query(i)[1]))])
    return found


def joint_choice(loss: np.ndarray, share: np.ndarray, patch_sizes: Sequence[int],
                 strengths: Sequence[float]) -> JointFit:
    """Choose from losses and explained shares, (patch sizes, strengths, steps); equals resolve to the first."""
    patch_sizes, strengths = np.asarray(patch_sizes), np.asarray(strengths)
    local = loss[:, 0].argmin(axis=0)                                                             # (steps,)
    pair = np.moveaxis(loss, 1, 0).reshape(-1, loss.shape[-1]).argmin(axis=0)                      # strengths first
    strength, window = np.divmod(pair, len(patch_sizes))
    at_local = np.take_along_axis(share, local[None, None], axis=0)[0]                            # (strengths, steps)
    residual = 1 + at_local[1:].argmax(axis=0)
    return JointFit(patch_sizes[local], patch_sizes[window], strengths[strength], strengths[residual], loss)
