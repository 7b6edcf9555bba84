"""What machine drew a sample, and of which data, in plain words."""

from __future__ import annotations

import numpy as np

from compare.study.machines import StudyMachine
from empirical.datasets import Dataset

MACHINES = {
    "ideal": "the ideal score, which weighs whole training images by how well they explain the noisy image",
    "local": "the local score (LS), which makes each pixel of training pixels at the same place, weighed by how well "
             "the patches around them explain the noisy patch",
    "equivariant_local": "the equivariant local score (ELS), which makes each pixel of training pixels from any place, "
                         "weighed by how well the patches around them explain the noisy patch",
    "evidence_sharing": "ELS with attention, in which each pixel is made of training pixels from any place, weighed by "
                        "how well their patches, and those of the pixels it attends to, explain the noisy image",
    "joint_matching": "ELS with attention by joint matching, in which patches of two places are weighed together",
    "consensus": "ELS with attention by consensus, in which pixels agree on the images that they take patches of",
}
"""By the kind of machine."""


def describe(made: StudyMachine, training: Dataset, label: int | None, along: str | None) -> str:
    """Return two sentences: what drew the sample, and of what."""
    N, C, H, W = training.images.shape
    drawn = ("This sample was drawn from noise by a formula, not by a network" if along is None else
             f"This sample was drawn by the network {along} and is explained by a formula")
    kind = MACHINES.get(made.identity.kind, made.identity.kind)
    return f"{drawn}: {kind}{_windows(made)}. The training set: {_data(training, N, label)}, {H} x {W} pixels each."


def _windows(made: StudyMachine) -> str:
    if made.patch_sizes is None:
        return ""
    sizes = np.unique(made.patch_sizes).astype(int).tolist()
    ends = f" at the end and {sizes[-1]} in the noise" if len(sizes) > 1 else ""
    return f"; patches are {sizes[0]} pixel{'s' if sizes[0] > 1 else ''} wide{ends}"


def _data(training: Dataset, count: int, label: int | None) -> str:
    whole = f"{count:,} images of {training.name}"
    if label is None or training.labels is None:
        return whole
    name = training.classes[label] if training.classes else str(label)
    return f"the {int((training.labels == label).sum()):,} images of class {name} among {whole}"
