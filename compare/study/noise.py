"""A sample's starting noise phi_1 and its class label: functions of (seed, sample index) alone, never of batching."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

CALIBRATION_START = 1_000_000
"""Samples from this index on are for calibration; below it, for evaluation. One seed then serves both, disjointly."""


def initial_noise(seed: int, samples: Iterable[int], shape: tuple[int, int, int]) -> np.ndarray:
    """VP noise phi_1 ~ N(0, I) at t = 1, (B, C, H, W) float32.

    seed >= 0: the run's seed. samples: B indices >= 0, in any order; each has its own counter-based generator,
    Philox keyed by SeedSequence(seed, spawn_key=(index,)), so sample 17 is the same image in every batch.
    shape: (C, H, W). ValueError: a negative seed or index, or a shape that is not three positive numbers.
    """
    samples = _checked(seed, samples)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape: got {tuple(shape)}, want (channels, height, width), each at least 1")
    noise = np.empty((len(samples), *shape), dtype=np.float32)
    for image, sample in zip(noise, samples):
        image[...] = _generator(seed, sample).standard_normal(shape)
    return noise


def sample_labels(seed: int, samples: Iterable[int], classes: Sequence[int]) -> np.ndarray:
    """One of `classes`, drawn uniformly for each sample: (B,) int64, the same for every machine and network.

    A stream of its own, (seed; sample, 1): the label says nothing of the noise. ValueError as above, or no classes.
    """
    if len(classes) == 0:
        raise ValueError("classes: got none, want at least one")
    drawn = [_generator(seed, sample, 1).integers(len(classes)) for sample in _checked(seed, samples)]
    return np.asarray(classes, dtype=np.int64)[drawn]


def evaluation_samples(count: int) -> range:
    """Indices 0, ..., count - 1 of the samples that are reported. ValueError: count < 1 or beyond CALIBRATION_START."""
    if not 1 <= count <= CALIBRATION_START:
        raise ValueError(f"samples: got {count}, want 1 to {CALIBRATION_START}")
    return range(count)


def calibration_samples(count: int) -> range:
    """Indices of `count` samples on which k(t) and lambda(t) are fitted: never those of `evaluation_samples`."""
    if count < 1:
        raise ValueError(f"calibration samples: got {count}, want at least 1")
    return range(CALIBRATION_START, CALIBRATION_START + count)


def _checked(seed: int, samples: Iterable[int]) -> list[int]:
    samples = [int(sample) for sample in samples]
    if seed < 0:
        raise ValueError(f"seed: got {seed}, want a number of at least 0")
    if any(sample < 0 for sample in samples):
        raise ValueError(f"samples: got index {min(samples)}, want indices of at least 0")
    return samples


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))
