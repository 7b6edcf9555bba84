"""A run's folder: it belongs to one configuration and one process at a time, keeps each finished part, and so can be
taken up again."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import BaseFileLock, FileLock, Timeout

from compare.cli import Progress, quiet
from empirical.array_file import read_arrays, write_arrays
from empirical.atomic import LEFTOVER, remove_leftovers, write_text
from empirical.progress import Progress as Foretold
from theory.errors import UserError

ROOT = Path(__file__).parents[2]
CODE = ("theory", "empirical", "compare/measure", "compare/study")
"""What a part's numbers depend on."""

OURS = {"config.json", "parts", "networks", ".lock"}
"""What a run that was stopped may have left before anything else."""


def short_hash(config: Mapping) -> str:
    """Return eight hexadecimal digits of the SHA-256 of the configuration's canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]


PATIENCE, POLL = 5.0, 1.0
"""Seconds that a share waits for a lock that others try too, and between looks at a part that another one makes."""

KEEP_EVERY = 5.0
"""Seconds between a denoiser's answers on disk; a machine's step of a group mostly takes longer, then each is kept."""


@cache
def code_digest() -> str:
    """Return the SHA-256 of the sources that parts depend on: parts that other code made are made again."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        digest.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class Share(NamedTuple):
    """One of `count` shares of a run, numbered from 1."""

    number: int
    count: int


class Elsewhere(Exception):
    """Say that a part is another share's, and not there yet."""


class Parts:
    """The parts of a study by name; here what they have in common wherever they are kept.

    path: the run's folder. config: JSON-like, what the run is. progress: shown by those who work on its parts.
    share: of what is dealt out, or None for all of it.
    """

    def __init__(self, path: Path, config: Mapping, progress: Progress = quiet, share: Share | None = None):
        self.path, self.config, self.progress, self.share = Path(path), config, progress, share
        self._dealt = 0

    def cached(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the arrays of a part, made if they are not there."""
        raise NotImplementedError

    def cached_steps(self, name: str, count: int, make: Callable[[int, dict | None], Mapping[str, np.ndarray]],
                     chained: bool = False) -> dict:
        """Return the parts "name step 0", "name step 1", ..., with progress; arrays stacked along a new last axis.

        make(i, before): part i, given the part before it where they are chained, else None.
        """
        parts: dict[int, dict] = {}

        def step(i: int) -> dict:
            before = parts.get(i - 1) if chained else None
            parts[i] = self.cached(f"{name} step {i}", lambda: make(i, before))
            return parts[i]

        if chained:
            found = [step(i) for i in self.progress(list(range(count)), name)]
        else:
            found = self.each(step, range(count), name)
        return {array: np.stack([part[array] for part in found], axis=-1) for array in found[0]}

    def working(self, name: str) -> AbstractContextManager:
        """Return the context in which a part is made, or other work of the study done."""
        return nullcontext()

    def alone(self, name: str) -> AbstractContextManager:
        """Return the context of work on files that no other process of the run may do at the same time."""
        return nullcontext()

    def keep_answers(self, denoiser, name: str) -> CachedDenoiser:
        """Return the denoiser as one that answers from the part of that name what it was asked before a kill."""
        raise NotImplementedError

    def forget(self, name: str) -> None:
        """Remove a part that is needed no more."""

    def each(self, function: Callable, things: Sequence, what: str, dealt: bool = False) -> list:
        """Return function(thing) of each, with progress. dealt: they are dealt out to the shares of a run."""
        return [function(thing) for thing in self.progress(list(things), what)]

    def is_ours(self) -> bool:
        """Whether the next of the things that are dealt out belongs to this share."""
        self._dealt += 1
        return self.share is None or (self._dealt - self.share.number) % self.share.count == 0

    def part_file(self, name: str) -> Path:
        """Return where a part of that name is kept: names that differ are files that differ."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return self.path / "parts" / f"{re.sub(r'[^A-Za-z0-9.=-]+', '-', name)}-{digest}.npz"


class RunFolder(Parts):
    """`path` with config.json, parts/NAME.npz for each part that is done, and whatever the run writes at its end.

    path: made if it is not there. config: JSON-like. progress: shown by those who work on its parts.
    at_once: how many parts may be worked on at the same time, by threads of this process, for calls that wait.
    foretold: told of each part that is made, where there is a forecast.
    UserError: a folder of another configuration (the entries that differ are named), one that holds files but no run,
    or one that another process works in.
    """

    def __init__(self, path: Path, config: Mapping, progress: Progress = quiet, share: Share | None = None,
                 at_once: int = 1, foretold: Foretold | None = None):
        super().__init__(path, config, progress if at_once == 1 else quiet, share)
        self.seconds, self.at_once, self.foretold, self._counting = 0.0, at_once, foretold, threading.Lock()
        check_folder(self.path, config)
        record = self.path / "config.json"
        (self.path / "parts").mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        for folder in (self.path, self.path / "parts"):
            remove_leftovers(folder)
        if not record.is_file():
            write_text(record, json.dumps(config, indent=1, sort_keys=True) + "\n")

    def _locked(self) -> BaseFileLock:
        """The lock that says that this process works here."""
        lock = FileLock(self.path / ".lock")
        self._acquire(lock, 0.0)
        for other in (self.path / "parts").glob(".share-*.lock"):
            share = FileLock(other)
            try:
                self._acquire(share, 0.0)
            except UserError:
                lock.release()
                raise
            share.release()
        return lock

    def _acquire(self, lock: BaseFileLock, patience: float) -> None:
        try:
            lock.acquire(timeout=patience)
        except Timeout:
            raise UserError(f"out: another process works in {self.path}, want another folder, or wait") from None

    def close(self) -> None:
        """Let other processes work in the folder."""
        self._lock.release()

    def working(self, name: str) -> AbstractContextManager:
        return self.foretold.part(name) if self.foretold else nullcontext()

    def keep_answers(self, denoiser, name: str) -> CachedDenoiser:
        return CachedDenoiser(denoiser, self.part_file(name))

    def forget(self, name: str) -> None:
        self.part_file(name).unlink(missing_ok=True)

    def each(self, function, things, what, dealt=False):
        if self.at_once == 1 or len(things) < 2:
            return super().each(function, things, what, dealt)
        with ThreadPoolExecutor(min(self.at_once, len(things))) as threads:
            return list(threads.map(function, things))

    def cached(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the arrays of a part: read if it is done, else made and kept. `seconds` sums what parts took to make.

        What `make` returns may say by an entry "seconds" what it took, where that was more than this sitting. A part
        that other code made, or that cannot be read, is made again.
        """
        file = self.part_file(name)
        arrays = read_part(file)
        if arrays is None:
            started = time.monotonic()
            with self.working(name):
                made = make()
            arrays = {"seconds": np.asarray(time.monotonic() - started), **made}
            write_arrays(file, {"code": code_digest(), **arrays})
        with self._counting:
            self.seconds += float(arrays.pop("seconds"))
        return arrays


class SharedFolder(RunFolder):
    """A run's folder that several processes work in, on as many machines as see it, each on its share.

    What is dealt out is done by the share that it belongs to, and by no other. Of what all need, as the fits, each part
    is made by the first that comes to it, and the shares begin at places of their own; others wait for it. A part's
    lock is freed by the system when its process ends, however it ends: another one then makes the part.
    """

    def _locked(self) -> BaseFileLock:
        alone = FileLock(self.path / ".lock")
        self._acquire(alone, PATIENCE)
        alone.release()
        lock = FileLock(self.path / "parts" / f".share-{self.share.number}-of-{self.share.count}.lock")
        self._acquire(lock, 0.0)
        return lock

    def alone(self, name: str) -> AbstractContextManager:
        return FileLock(self.part_file(name).with_suffix(".lock"), poll_interval=POLL)

    def cached(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        if self.part_file(name).is_file():
            return super().cached(name, make)
        with self.alone(name):
            return super().cached(name, make)

    def each(self, function, things, what, dealt=False):
        """As the others, beginning at a place of this share's own; Elsewhere at the end where one had it."""
        found, elsewhere = {}, False
        ours = [not dealt or self.is_ours() for _ in things]
        first = (self.share.number - 1) * len(things) // self.share.count
        order = [*range(first, len(things)), *range(first)]
        for i in self.progress(order, what):
            try:
                found[i] = function(things[i]) if ours[i] else None
                elsewhere |= not ours[i]
            except Elsewhere:
                elsewhere = True
        if elsewhere:
            raise Elsewhere
        return [found[i] for i in range(len(things))]


class CachedDenoiser:
    """A denoiser whose answers are kept in a file: asked the same again after a kill, it reads them back."""

    def __init__(self, denoiser, file: Path):
        self.denoiser, self.file = denoiser, file
        self.answers, self.asked, self.seconds, self.kept_at = [], 0, 0.0, time.monotonic()
        if (kept := read_part(file)) is not None:
            self.answers, self.seconds = list(kept["x0"]), float(kept["seconds"])

    def denoise(self, x, sigma, **options):
        if self.asked == len(self.answers):
            started = time.monotonic()
            self.answers.append(self.denoiser.denoise(x, sigma, **options))
            self.seconds += time.monotonic() - started
            self._keep()
        self.asked += 1
        return self.answers[self.asked - 1]

    def _keep(self) -> None:
        if time.monotonic() >= self.kept_at + KEEP_EVERY:
            write_arrays(self.file, {"code": code_digest(), "x0": np.stack(self.answers), "seconds": self.seconds})
            self.kept_at = time.monotonic()


def check_folder(path: Path, config: Mapping) -> None:
    """UserError: a folder of another configuration, one that holds files but no run, or one below a file."""
    record, wanted = path / "config.json", json.loads(json.dumps(config))
    if record.is_file():
        held = _read(record)
        differ = sorted(key for key in {*held, *wanted} if held.get(key) != wanted.get(key))
        if differ:
            raise UserError(f"out: {path} holds a run with other {', '.join(differ)}, "
                            "want another folder or that configuration")
    elif path.exists() and (not path.is_dir() or {
            file.name for file in path.iterdir() if not LEFTOVER.fullmatch(file.name)} - OURS):
        raise UserError(f"out: {path} is not a run's folder, want a new or empty one")
    for file in filter(Path.is_file, path.parents):
        raise UserError(f"out: got {path}, but {file} is a file, want a folder below folders")


def read_part(file: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a part, or None where there is none or, said on stderr, it has to be made again."""
    arrays, reason = part_arrays(file)
    if reason:
        sys.stderr.write(f"{reason}: made again\n")
    return arrays


def part_arrays(file: Path) -> tuple[dict[str, np.ndarray] | None, str]:
    """Return the arrays of a part or None, and why a part that is there cannot be used."""
    if not file.is_file():
        return None, ""
    try:
        arrays = read_arrays(file)
    except UserError as error:
        return None, str(error)
    usable = str(arrays.pop("code", "")) == code_digest()
    return (arrays, "") if usable else (None, f"{file.name} was made by other code")


def _read(record: Path) -> dict:
    try:
        held = json.loads(record.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"out: {record} is not JSON ({type(error).__name__}), want another folder") from error
    if not isinstance(held, dict):
        raise UserError(f"out: {record} holds a {type(held).__name__}, want a run's configuration; another folder?")
    return held
