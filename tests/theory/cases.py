"""Training sets, queries and machines that the tests of theory share."""

import numpy as np

from theory import (
    AttentionScore,
    ConsensusScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    PairScore,
)

MACHINES = {
    "ideal": IdealScore,
    "equivariant": EquivariantScore,
    "local": lambda images, **o: LocalScore(images, 3, **o),
    "els-zeros": lambda images, **o: EquivariantLocalScore(images, 3, **o),
    "els-circular": lambda images, **o: EquivariantLocalScore(images, 3, "circular", **o),
    "els-unwrapped": lambda images, **o: EquivariantLocalScore(images, 3, "circular", wrap_training=False, **o),
    "attention": lambda images, **o: AttentionScore(images, 3, attention="identity", strength=0.2, **o),
    "overlap": lambda images, **o: AttentionScore(images, 3, attention="overlap", strength=0.2, **o),
    "pair": lambda images, **o: PairScore(images, 3, attention="identity", strength=0.7, **o),
    "consensus": lambda images, **o: ConsensusScore(images, 3, strength=0.7, **o),
}
"""Each machine of training images (N, C, H, W), with options such as labels."""


def data(rng, shape, N=5):
    """N training images of a shape (C, H, W), uniform in [-1, 1]."""
    return rng.uniform(-1, 1, (N, *shape)).astype(np.float32)


def noised(rng, images, sigma, B):
    """B queries: training images plus noise of sigma."""
    return images[np.arange(B) % len(images)] + sigma * rng.normal(size=(B, *images.shape[1:]))
