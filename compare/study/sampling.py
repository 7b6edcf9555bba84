"""Samples drawn as parts of a run's folder: all of them together, or in groups with every step of a group kept on disk,
so that a kill loses no more than the last few seconds, or one step of the group."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from compare.study.folder import RunFolder
from empirical.atomic import atomic_path
from theory.samplers import ddim
from theory.schedules import Schedule

GROUP = 20
"""Samples that go through the sampler together, at most; never more than steps, so that one step of all of them, the
most that a kill loses of a machine's work, costs no more than one sample."""

KEEP_EVERY = 5.0
"""Seconds between states on disk; a machine's step of a group mostly takes longer, and then each is kept."""


class Replayed:
    """A machine whose answers are kept in a file: asked the same again after a kill, it reads them back."""

    def __init__(self, machine, file: Path):
        self.machine, self.file = machine, file
        self.answers, self.asked, self.seconds, self.kept_at = [], 0, 0.0, time.monotonic()
        if file.is_file():
            with np.load(file) as stored:
                self.answers, self.seconds = list(stored["x0"]), float(stored["seconds"])

    def denoise(self, x, sigma, **options):
        if self.asked == len(self.answers):
            started = time.monotonic()
            self.answers.append(self.machine.denoise(x, sigma, **options))
            self.seconds += time.monotonic() - started
            self._keep()
        self.asked += 1
        return self.answers[self.asked - 1]

    def _keep(self) -> None:
        if time.monotonic() >= self.kept_at + KEEP_EVERY:
            with atomic_path(self.file) as temporary:
                np.savez(temporary, x0=np.stack(self.answers), seconds=self.seconds)
            self.kept_at = time.monotonic()


def drawn_together(folder: RunFolder, name: str, machine, noise: np.ndarray, schedule: Schedule, steps: int, *,
                   patch_sizes=None, strengths=None) -> np.ndarray:
    """The images (S, C, H, W) that a machine or network draws from noise (S, C, H, W), one part of the folder called
    `name`: for small images, of which all samples take seconds. The rest as in `ddim`."""
    return folder.part(name, lambda: {"images": ddim(machine, noise, schedule, steps=steps, patch_sizes=patch_sizes,
                                                     strengths=strengths)})["images"]


def drawn(folder: RunFolder, name: str, machine, noise: np.ndarray, schedule: Schedule, steps: int, *,
          labels: np.ndarray | None = None, patch_sizes=None, strengths=None) -> np.ndarray:
    """The same, group by group, for samples that take minutes.

    Each group is a part of the folder called `name` and its samples; labels (S,) or None; the rest as in `ddim`.
    """
    def group(which: slice) -> np.ndarray:
        part = f"{name} {which.start}-{which.stop - 1}"
        progress = folder.part_file(f"{part} steps")

        def make():
            replayed = Replayed(machine, progress)
            images = ddim(replayed, noise[which], schedule, steps=steps, patch_sizes=patch_sizes, strengths=strengths,
                          labels=None if labels is None else labels[which])
            return {"images": images, "seconds": replayed.seconds}

        images = folder.part(part, make)["images"]
        progress.unlink(missing_ok=True)
        return images

    size = min(GROUP, steps)
    groups = [slice(start, min(start + size, len(noise))) for start in range(0, len(noise), size)]
    return np.concatenate([group(which) for which in folder.progress(groups, name)])
