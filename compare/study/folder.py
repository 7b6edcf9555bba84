"""A run's folder: it belongs to one configuration, keeps each finished part, and so can be taken up again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from compare.cli import Progress, quiet
from empirical.atomic import atomic_path, write_text


def short_hash(config: Mapping) -> str:
    """Eight hexadecimal digits of the SHA-256 of the configuration's canonical JSON."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]


class RunFolder:
    """`path` with config.json, parts/NAME.npz for each part that is done, and whatever the run writes at its end.

    path: made if it is not there. config: JSON-like; opening the folder of another configuration is a ValueError that
    names the entries that differ, and so is a folder that holds files but no run. progress: shown by those who work on
    its parts.
    """

    def __init__(self, path: Path, config: Mapping, progress: Progress = quiet):
        self.path, self.config, self.seconds, self.progress = Path(path), config, 0.0, progress
        record, wanted = self.path / "config.json", json.loads(json.dumps(config))
        if record.is_file():
            held = _read(record)
            differ = sorted(key for key in {*held, *wanted} if held.get(key) != wanted.get(key))
            if differ:
                raise ValueError(f"out: {self.path} holds a run with other {', '.join(differ)}, "
                                 "want another folder or that configuration")
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise ValueError(f"out: {self.path} is not a run's folder, want a new or empty one")
        (self.path / "parts").mkdir(parents=True, exist_ok=True)
        if not record.is_file():
            write_text(record, json.dumps(config, indent=1, sort_keys=True) + "\n")

    def part(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """The arrays of a part: read if it is done, else made and kept. `seconds` sums what the parts took to make.

        What `make` returns may say by an entry "seconds" what it took, where that was more than this sitting.
        """
        file = self.part_file(name)
        if not file.is_file():
            started = time.monotonic()
            arrays = make()
            with atomic_path(file) as temporary:
                np.savez(temporary, **{"seconds": time.monotonic() - started, **arrays})
        with np.load(file) as stored:
            arrays = dict(stored)
        self.seconds += float(arrays.pop("seconds"))
        return arrays

    def steps(self, name: str, count: int, make: Callable[[int, dict | None], Mapping[str, np.ndarray]]) -> dict:
        """The parts "name step 0", "name step 1", ..., with progress; each array stacked along a new last axis.

        make(i, before): part i, given the part before it, or None.
        """
        parts: list[dict] = []
        for i in self.progress(list(range(count)), name):
            before = parts[-1] if parts else None
            parts.append(self.part(f"{name} step {i}", lambda i=i, before=before: make(i, before)))
        return {array: np.stack([part[array] for part in parts], axis=-1) for array in parts[0]}

    def part_file(self, name: str) -> Path:
        """Where a part of that name is kept."""
        return self.path / "parts" / f"{name.replace('/', '-').replace(' ', '-')}.npz"


def _read(record: Path) -> dict:
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"out: {record} is not JSON ({error}), want another folder") from error
