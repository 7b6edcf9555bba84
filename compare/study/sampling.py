"""Starting noise, trajectories, and samples drawn as parts of a run's folder.

A sample's noise and class are functions of (seed, sample index) alone, never of batching. Samples are drawn all
together, or in groups with every step of a group kept on disk, so that a kill loses no more than the last few seconds,
or one step of the group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from compare.study.config import StudyConfig
from compare.study.folder import Parts
from theory import ddim
from theory.errors import UserError
from theory.schedules import Schedule

CALIBRATION_START = 1_000_000
"""Samples from this index on are for calibration; below it, for evaluation. One seed then serves both, disjointly."""

GROUP = 5
"""Samples that go through the sampler together, at most; never more than steps, so that one step of all of them, the
most that a kill loses of a machine's work, costs no more than one sample. On a CPU more of them save no time."""


def initial_noise(seed: int, samples: Iterable[int], shape: tuple[int, int, int]) -> np.ndarray:
    """Return VP noise phi_1 ~ N(0, I) at t = 1, (B, C, H, W) float32.

    seed >= 0: the run's seed. samples: B indices >= 0, in any order; each has its own counter-based generator,
    Philox keyed by SeedSequence(seed, spawn_key=(index,)), so sample 17 is the same image in every batch.
    shape: (C, H, W). UserError: a negative seed or index, or a shape that is not three positive numbers.
    """
    samples = _checked(seed, samples)
    if len(shape) != 3 or min(shape) < 1:
        raise UserError(f"shape: got {tuple(shape)}, want (channels, height, width), each at least 1")
    noise = np.empty((len(samples), *shape), dtype=np.float32)
    for image, sample in zip(noise, samples):
        image[...] = _generator(seed, sample).standard_normal(shape)
    return noise


def sample_labels(seed: int, samples: Iterable[int], classes: Sequence[int]) -> np.ndarray:
    """Return one of `classes`, drawn uniformly for each sample: (B,) int64, the same for every machine and network.

    A stream of its own, (seed; sample, 1): the label says nothing of the noise. UserError as above, or no classes.
    """
    if len(classes) == 0:
        raise UserError("classes: got none, want at least one")
    drawn = [_generator(seed, sample, 1).integers(len(classes)) for sample in _checked(seed, samples)]
    return np.asarray(classes, dtype=np.int64)[drawn]


def held_out_noise(config: StudyConfig, count: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the noise (count, C, H, W) of images that no network was trained on: after the calibration samples'."""
    start = calibration_samples(config.calibration_samples).stop
    return initial_noise(config.seed, range(start, start + count), shape)


def evaluation_samples(count: int) -> range:
    """Return indices 0, ..., count - 1 of the samples that are reported. UserError: none, or more than there are."""
    if not 1 <= count <= CALIBRATION_START:
        raise UserError(f"samples: got {count}, want 1 to {CALIBRATION_START}")
    return range(count)


def calibration_samples(count: int) -> range:
    """Return indices of `count` samples on which k(t) and lambda(t) are fitted: never those of evaluation_samples."""
    if count < 1:
        raise UserError(f"calibration samples: got {count}, want at least 1")
    return range(CALIBRATION_START, CALIBRATION_START + count)


def _checked(seed: int, samples: Iterable[int]) -> list[int]:
    samples = [int(sample) for sample in samples]
    if seed < 0:
        raise UserError(f"seed: got {seed}, want a number of at least 0")
    if any(sample < 0 for sample in samples):
        raise UserError(f"samples: got index {min(samples)}, want indices of at least 0")
    return samples


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(seed, spawn_key=key)))


class Trajectory(NamedTuple):
    """A network's reverse trajectory; entry i along the first axis belongs to t = (i + 1) / steps (0 = least noise)."""

    t: np.ndarray            # (steps,)
    alpha_bar: np.ndarray    # (steps,)
    phi: np.ndarray          # (steps, B, C, H, W), VP: the noisy image that the network was given
    x0: np.ndarray           # (steps, B, C, H, W): what it made of it

    def query(self, i: int) -> tuple[np.ndarray, float]:
        """Return step i's noisy image as the machines take it: x = phi / sqrt(abar) (B, C, H, W), and its sigma."""
        root = np.sqrt(self.alpha_bar[i])
        return self.phi[i] / root, float(np.sqrt(1.0 - self.alpha_bar[i]) / root)


def trajectory(network, phi_1: np.ndarray, schedule: Schedule, steps: int, labels=None) -> Trajectory:
    """Run the network's DDIM from phi_1 (B, C, H, W) in `steps` steps and keep phi_t and x0hat of each."""
    t = np.arange(1, steps + 1) / steps
    phi, x0 = np.empty((2, steps, *phi_1.shape), dtype=np.float64)

    def keep(i, _, phi_t, x0_t):
        phi[i], x0[i] = phi_t, x0_t

    ddim(network, phi_1, schedule, steps=steps, labels=labels, callback=keep)
    return Trajectory(t, np.asarray(schedule.alpha_bar(t), dtype=np.float64), phi, x0)


def sample(folder: Parts, name: str, denoiser, noise: np.ndarray, schedule: Schedule, steps: int, *,
           labels: np.ndarray | None = None, patch_sizes=None, strengths=None, grouped: bool = False) -> np.ndarray:
    """Return the images (S, C, H, W) that a machine or network draws from noise (S, C, H, W), kept in the folder.

    grouped: in groups of samples, each a part of its own with its steps kept, for samples that take minutes; else all
    together, for those that take seconds. labels (S,) or None; the rest as in `theory.ddim`.
    """
    settings = dict(steps=steps, patch_sizes=patch_sizes, strengths=strengths)
    if not grouped:
        given = {} if labels is None else {"labels": labels}
        return folder.cached(name, lambda: {"images": ddim(denoiser, noise, schedule, **settings, **given)})["images"]
    size = min(GROUP, steps)
    groups = [slice(start, min(start + size, len(noise))) for start in range(0, len(noise), size)]
    return np.concatenate(folder.each(lambda which: _group(folder, name, denoiser, noise[which], schedule, settings,
                                                           None if labels is None else labels[which], which),
                                      groups, name, dealt=True))


def _group(folder: Parts, name: str, denoiser, noise: np.ndarray, schedule: Schedule, settings: dict, labels,
           which: slice) -> np.ndarray:
    part = f"{name} {which.start}-{which.stop - 1}"
    answers = f"{part} steps"

    def make():
        replayed = folder.keep_answers(denoiser, answers)
        images = ddim(replayed, noise, schedule, labels=labels, **settings)
        return {"images": images, "seconds": replayed.seconds}

    images = folder.cached(part, make)["images"]
    folder.forget(answers)
    return images
