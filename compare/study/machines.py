"""A machine as a study runs it: under a name, with its setting of each step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from compare.result.identity import MachineIdentity
from compare.result.schema import Prediction


class StudyMachine(NamedTuple):
    """A machine with its setting of each step (index 0 = least noise); None for a setting that it does not have."""

    identity: MachineIdentity
    machine: object
    patch_sizes: np.ndarray | None = None
    strengths: np.ndarray | None = None

    @property
    def name(self) -> str:
        return self.identity.label

    def prediction(self, images: np.ndarray, steps: int) -> Prediction:
        """For the result: the images that it drew in so many steps, with 0 for settings that it does not have."""
        nothing = np.zeros(steps)
        return Prediction(self.identity, images, nothing if self.patch_sizes is None else self.patch_sizes,
                          nothing if self.strengths is None else self.strengths)

    def at(self, i: int) -> dict:
        """The options of `denoise` at step i."""
        sizes = {} if self.patch_sizes is None else {"patch_size": int(self.patch_sizes[i])}
        return sizes if self.strengths is None else sizes | {"strength": float(self.strengths[i])}
