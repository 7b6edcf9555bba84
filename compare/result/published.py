"""Figures of the papers, to stand beside ours."""

from __future__ import annotations

from typing import NamedTuple

from compare.result.identity import variant_name, variant_parts

FKTB_CONSISTENT = {"random": 0.0538, "cnn": 0.1088, "cnn-top1": 0.2164, "cnn-identity": 0.2544, "cnn-learned": 0.6403}
"""Share of consistent samples on four colour pairs (Finn, Keller, Theodosis & Ba 2025), by our variants' names."""

CHANCE_CONSISTENT = {"one-to-one": 5056 / 65536, "all": 16720 / 65536}
"""Share among uniformly random colours of four pairs, by the family of maps; exact, by enumeration."""


class Published(NamedTuple):
    """A median over 100 seeds, with networks at 150 steps and at 20."""

    at_150: float
    at_20: float


KG_KINDS = ("equivariant_local", "local", "ideal")
"""Kinds of machine in the rows of KG_CORRELATION."""

KG_CORRELATION = {
    ("mnist", "unet", "zeros"): ((0.89, 0.84), (0.88, 0.83), (0.70, 0.69)),
    ("mnist", "resnet", "zeros"): ((0.94, 0.94), (0.82, 0.84), (0.61, 0.62)),
    ("mnist", "resnet", "circular"): ((0.77, 0.73), (0.36, 0.33), (0.15, 0.14)),
    ("fashion-mnist", "unet", "zeros"): ((0.93, 0.91), (0.93, 0.91), (0.80, 0.80)),
    ("fashion-mnist", "resnet", "zeros"): ((0.94, 0.90), (0.88, 0.88), (0.68, 0.74)),
    ("cifar10", "unet", "zeros"): ((0.90, 0.82), (0.87, 0.80), (0.41, 0.39)),
    ("cifar10", "resnet", "zeros"): ((0.95, 0.90), (0.90, 0.86), (0.42, 0.43)),
    ("cifar10", "resnet", "circular"): ((0.94, 0.90), (0.83, 0.80), (0.35, 0.36)),
    ("celeba", "unet", "zeros"): ((0.85, 0.75), (0.90, 0.81), (0.55, 0.51)),
    ("celeba", "resnet", "zeros"): ((0.96, 0.92), (0.90, 0.88), (0.47, 0.48)),
    ("cifar10", "unet-attention", "zeros"): ((0.77, 0.75), (0.77, 0.74), (0.48, 0.47)),
}
"""Kamb & Ganguli 2025, tables 1 and 2, by data set, network and padding, for each of KG_KINDS: networks at (150, 20)
steps. They print it as r2; their released evaluation computes Pearson r, and so it is to be held against r. Machines
took 20 steps. The network with attention is a public one of another design than ours."""

KG_PATCH_SIZES = {
    ("mnist", "resnet", "zeros"): (3, 3, 5, 5, 5, 7, 7, 7, 9, 9, 11, 11, 11, 11, 13, 15, 15, 15, 15, 15),
    ("mnist", "unet", "zeros"): (3, 3, 3, 5, 5, 7, 7, 7, 9, 9, 9, 11, 13, 15, 17, 21, 23, 23, 25, 27),
    ("mnist", "resnet", "circular"): (3, 3, 5, 5, 5, 7, 7, 9, 9, 9, 11, 11, 11, 11, 9, 9, 7, 7, 3, 3),
    ("fashion-mnist", "resnet", "zeros"): (3, 3, 5, 5, 7, 7, 9, 9, 9, 11, 11, 11, 13, 13, 13, 15, 15, 15, 17, 17),
    ("fashion-mnist", "unet", "zeros"): (3, 3, 5, 5, 7, 7, 7, 9, 11, 11, 11, 13, 15, 15, 21, 23, 25, 25, 25, 25),
    ("cifar10", "resnet", "zeros"): (3, 3, 3, 3, 5, 5, 5, 7, 7, 7, 7, 9, 9, 11, 11, 13, 15, 17, 17, 17),
    ("cifar10", "unet", "zeros"): (3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7, 9, 9, 11, 13, 13, 15, 17, 25),
    ("cifar10", "resnet", "circular"): (3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 9, 9, 11, 11, 13, 13, 15, 15, 15),
    ("celeba", "resnet", "zeros"): (3, 3, 3, 5, 5, 5, 5, 5, 7, 7, 9, 9, 9, 11, 11, 11, 13, 15, 19, 19),
    ("celeba", "unet", "zeros"): (3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 7, 7, 9, 9, 9, 13, 19, 27),
}
"""Kamb & Ganguli's calibrated k of the 20 steps, step 0 = least noise, by data set, network and padding. Their Fashion-
MNIST and CIFAR-10 networks know the class."""


def kg_correlation(dataset: str, variant: str, padding: str, kind: str) -> Published | None:
    """Return the published agreement of a kind of machine with such a network, or None.

    variant: "resnet" or "unet", or with attention of whatever rule as in "unet-identity"; kind: of MACHINE_KINDS.
    """
    network, attention = variant_parts(variant)
    row = KG_CORRELATION.get((dataset, variant_name(network, attention and "attention"), padding))
    return Published(*row[KG_KINDS.index(kind)]) if row and kind in KG_KINDS else None
