"""A run's folder: it belongs to one configuration and one process at a time, keeps each finished part, and so can be
taken up again."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from compare.cli import Progress, quiet
from empirical.array_file import read_arrays, write_arrays
from empirical.atomic import remove_leftovers, write_text
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


KEEP_EVERY = 5.0
"""Seconds between a denoiser's answers on disk; a machine's step of a group mostly takes longer, then each is kept."""


@cache
def code_digest() -> str:
    """Return the SHA-256 of the sources that parts depend on: parts that other code made are made again."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        digest.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class Parts:
    """The parts of a study by name; here what they have in common wherever they are kept.

    path: the run's folder. config: JSON-like, what the run is. progress: shown by those who work on its parts.
    """

    def __init__(self, path: Path, config: Mapping, progress: Progress = quiet):
        self.path, self.config, self.progress = Path(path), config, progress

    def cached(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the arrays of a part, made if they are not there."""
        raise NotImplementedError

    def cached_steps(self, name: str, count: int, make: Callable[[int, dict | None], Mapping[str, np.ndarray]]) -> dict:
        """Return the parts "name step 0", "name step 1", ..., with progress; arrays stacked along a new last axis.

        make(i, before): part i, given the part before it, or None.
        """
        parts: list[dict] = []
        for i in self.progress(list(range(count)), name):
            before = parts[-1] if parts else None
            parts.append(self.cached(f"{name} step {i}", lambda i=i, before=before: make(i, before)))
        return {array: np.stack([part[array] for part in parts], axis=-1) for array in parts[0]}

    def working(self, name: str) -> AbstractContextManager:
        """Return the context in which a part is made, or other work of the study done."""
        return nullcontext()

    def keep_answers(self, denoiser, name: str) -> CachedDenoiser:
        """Return the denoiser as one that answers from the part of that name what it was asked before a kill."""
        raise NotImplementedError

    def forget(self, name: str) -> None:
        """Remove a part that is needed no more."""

    def each(self, function: Callable, things: Sequence, what: str) -> list:
        """Return function(thing) of each, with progress."""
        return [function(thing) for thing in self.progress(list(things), what)]

    def part_file(self, name: str) -> Path:
        """Return where a part of that name is kept: names that differ are files that differ."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return self.path / "parts" / f"{re.sub(r'[^A-Za-z0-9.=-]+', '-', name)}-{digest}.npz"


class RunFolder(Parts):
    """`path` with config.json, parts/NAME.npz for each part that is done, and whatever the run writes at its end.

    path: made if it is not there. config: JSON-like. progress: shown by those who work on its parts.
    foretold: told of each part that is made, where there is a forecast.
    UserError: a folder of another configuration (the entries that differ are named), one that holds files but no run,
    or one that another process works in.
    """

    def __init__(self, path: Path, config: Mapping, progress: Progress = quiet, foretold: Foretold | None = None):
        super().__init__(path, config, progress)
        self.seconds, self.foretold = 0.0, foretold
        check_folder(self.path, config)
        record = self.path / "config.json"
        (self.path / "parts").mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UserError(f"out: another process works in {self.path}, want another folder, or wait") from None
        for folder in (self.path, self.path / "parts"):
            remove_leftovers(folder)
        if not record.is_file():
            write_text(record, json.dumps(config, indent=1, sort_keys=True) + "\n")

    def close(self) -> None:
        """Let other processes work in the folder."""
        self._lock.release()

    def working(self, name: str) -> AbstractContextManager:
        return self.foretold.part(name) if self.foretold else nullcontext()

    def keep_answers(self, denoiser, name: str) -> CachedDenoiser:
        return CachedDenoiser(denoiser, self.part_file(name))

    def forget(self, name: str) -> None:
        self.part_file(name).unlink(missing_ok=True)

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
        self.seconds += float(arrays.pop("seconds"))
        return arrays


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
    """UserError: a folder of another configuration, or one that holds files but no run."""
    record, wanted = path / "config.json", json.loads(json.dumps(config))
    if record.is_file():
        held = _read(record)
        differ = sorted(key for key in {*held, *wanted} if held.get(key) != wanted.get(key))
        if differ:
            raise UserError(f"out: {path} holds a run with other {', '.join(differ)}, "
                            "want another folder or that configuration")
    elif path.exists() and (not path.is_dir() or {file.name for file in path.iterdir()} - OURS):
        raise UserError(f"out: {path} is not a run's folder, want a new or empty one")


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
