"""A run's folder: it belongs to one configuration and one process at a time, keeps each finished part, and so can be
taken up again."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from compare.cli import Progress, quiet
from empirical.array_file import read_arrays, write_arrays
from empirical.atomic import remove_leftovers, write_text
from theory.errors import UserError

ROOT = Path(__file__).parents[2]
CODE = ("theory", "empirical", "compare/measure", "compare/study")
"""What a part's numbers depend on."""

OURS = {"config.json", "parts", "networks", ".lock"}
"""What a run that was stopped may have left before anything else."""


def short_hash(config: Mapping) -> str:
    """Return eight hexadecimal digits of the SHA-256 of the configuration's canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]


@cache
def code_digest() -> str:
    """Return the SHA-256 of the sources that parts depend on: parts that other code made are made again."""
    digest = hashlib.sha256()
    for file in sorted(file for folder in CODE for file in (ROOT / folder).rglob("*.py")):
        digest.update(file.relative_to(ROOT).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()


class RunFolder:
    """`path` with config.json, parts/NAME.npz for each part that is done, and whatever the run writes at its end.

    path: made if it is not there. config: JSON-like. progress: shown by those who work on its parts.
    UserError: a folder of another configuration (the entries that differ are named), one that holds files but no run,
    or one that another process works in.
    """

    def __init__(self, path: Path, config: Mapping, progress: Progress = quiet):
        self.path, self.config, self.seconds, self.progress = Path(path), config, 0.0, progress
        record, wanted = self.path / "config.json", json.loads(json.dumps(config))
        if record.is_file():
            held = _read(record)
            differ = sorted(key for key in {*held, *wanted} if held.get(key) != wanted.get(key))
            if differ:
                raise UserError(f"out: {self.path} holds a run with other {', '.join(differ)}, "
                                "want another folder or that configuration")
        elif self.path.exists() and (not self.path.is_dir() or {file.name for file in self.path.iterdir()} - OURS):
            raise UserError(f"out: {self.path} is not a run's folder, want a new or empty one")
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

    def cached(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return the arrays of a part: read if it is done, else made and kept. `seconds` sums what parts took to make.

        What `make` returns may say by an entry "seconds" what it took, where that was more than this sitting. A part
        that other code made, or that cannot be read, is made again.
        """
        file = self.part_file(name)
        arrays = read_part(file)
        if arrays is None:
            started = time.monotonic()
            made = make()
            arrays = {"seconds": np.asarray(time.monotonic() - started), **made}
            write_arrays(file, {"code": code_digest(), **arrays})
        self.seconds += float(arrays.pop("seconds"))
        return arrays

    def cached_steps(self, name: str, count: int, make: Callable[[int, dict | None], Mapping[str, np.ndarray]]) -> dict:
        """Return the parts "name step 0", "name step 1", ..., with progress; arrays stacked along a new last axis.

        make(i, before): part i, given the part before it, or None.
        """
        parts: list[dict] = []
        for i in self.progress(list(range(count)), name):
            before = parts[-1] if parts else None
            parts.append(self.cached(f"{name} step {i}", lambda i=i, before=before: make(i, before)))
        return {array: np.stack([part[array] for part in parts], axis=-1) for array in parts[0]}

    def part_file(self, name: str) -> Path:
        """Return where a part of that name is kept: names that differ are files that differ."""
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        return self.path / "parts" / f"{re.sub(r'[^A-Za-z0-9.=-]+', '-', name)}-{digest}.npz"


def read_part(file: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a part, or None where there is none or, said on stderr, it has to be made again."""
    if not file.is_file():
        return None
    try:
        arrays = read_arrays(file)
    except UserError as error:
        reason = str(error)
    else:
        if str(arrays.pop("code", "")) == code_digest():
            return arrays
        reason = f"{file.name} was made by other code"
    sys.stderr.write(f"{reason}: made again\n")
    return None


def _read(record: Path) -> dict:
    try:
        held = json.loads(record.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"out: {record} is not JSON ({type(error).__name__}), want another folder") from error
    if not isinstance(held, dict):
        raise UserError(f"out: {record} holds a {type(held).__name__}, want a run's configuration; another folder?")
    return held
