"""What long work will take, said before it begins, and in a log once a minute while it goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TextIO

HOUR = 3600.0
LOG_EVERY = 60.0
"""Seconds between lines in a log."""


@dataclass(frozen=True)
class Forecast:
    """What work will take on this machine.

    Parameters
    ----------
    work : str
        What is to be done, in a few words.
    seconds : float
        Predicted for all of it, what is done already included.
    done : float
        The part of these seconds that is done.
    memory : int
        Bytes of this process at its largest, about.
    threads : int
        CPU threads that it was predicted for.
    parts : mapping from str to float
        Predicted seconds by the name of a part.
    """

    work: str
    seconds: float
    done: float
    memory: int
    threads: int
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Predicted seconds of what is not done."""
        return self.seconds - self.done

    def line(self) -> str:
        """Return the line to print before the work.

        Examples
        --------
        >>> Forecast("100 samples", 3200.0, 2656.0, 1_100_000_000, 2).line()
        '100 samples: about 9 min on 2 threads, 1.1 GB; resuming at 83 %'
        """
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        said = f"{self.work}: about {duration(self.left)} on {threads}, {self.memory / 1e9:.1f} GB"
        return said + (f"; resuming at {percent(self.done, self.seconds)}" if self.done else "")

    def warnings(self, free: int | None, less: str) -> list[str]:
        """Return a line for more than an hour, and one for more memory than there is.

        Parameters
        ----------
        free : int or None
            Bytes that this process may have; None where that is not known.
        less : str
            How to make the work smaller.
        """
        found = []
        if self.left > HOUR:
            found.append(f"this takes about {duration(self.left)}; a stopped run goes on where it was; {less}")
        if free is not None and self.memory > free:
            found.append(f"this needs {self.memory / 1e9:.1f} GB and there are {free / 1e9:.1f} GB free; {less}")
        return found


def announce(prog: str, forecast: Forecast, less: str) -> None:
    """Write the forecast's line and its warnings to stderr."""
    sys.stderr.write(f"{prog}: {forecast.line()}\n")
    for warning in forecast.warnings(free_memory(), less):
        sys.stderr.write(f"{prog}: warning: {warning}\n")


def duration(seconds: float) -> str:
    """Return a time in its unit, to two digits.

    Examples
    --------
    >>> [duration(s) for s in (0.2, 42, 544, 9000, 400_000)]
    ['1 s', '42 s', '9 min', '2.5 h', '4.6 days']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 48 * HOUR else f"{seconds / 86400:.1f} days"


def percent(part: float, whole: float) -> str:
    """Return a share of the whole as a whole number of percent, 99 at most until it is all."""
    return f"{min(99, int(100 * part / whole)) if part < whole else 100} %"


def free_memory() -> int | None:
    """Return the bytes that this process may have, with those that it has; None where the system does not say."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0]) + used_memory()
    except (OSError, KeyError, ValueError):
        return None


def used_memory() -> int:
    """Return the bytes that this process had at its largest; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else 1024 * largest


class Progress:
    """Say once a minute which share of the foretold work is done, and what is left; a terminal has bars instead.

    Parameters
    ----------
    prog : str
        What begins the lines.
    forecast : Forecast
        Of the work.
    log : text file, optional
        Where to; by default stderr, and nowhere where that is a terminal.
    """

    def __init__(self, prog: str, forecast: Forecast, log: TextIO | None = None):
        self.prog, self.forecast = prog, forecast
        self.log = log if log is not None else None if sys.stderr.isatty() else sys.stderr
        self.done, self._lock = forecast.done, threading.Lock()
        self._running: dict[object, tuple[float, float]] = {}
        self._started, self._over = time.monotonic(), threading.Event()

    def __enter__(self) -> Self:
        if self.log is not None:
            threading.Thread(target=self._speak, args=(self.log,), daemon=True, name="progress").start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count a part as done when the block ends, and until then by the time that it has taken."""
        key, seconds = object(), self.forecast.parts.get(name, 0.0)
        with self._lock:
            self._running[key] = time.monotonic(), seconds
        try:
            yield
            self.add(seconds)
        finally:
            with self._lock:
                del self._running[key]

    def add(self, seconds: float) -> None:
        """Count so many foretold seconds as done."""
        with self._lock:
            self.done += seconds

    def line(self) -> str:
        """Return what is done and, at the pace so far, the time that is left."""
        now = time.monotonic()
        with self._lock:
            done = self.done + sum(min(now - started, seconds) for started, seconds in self._running.values())
        total, before, took = self.forecast.seconds, self.forecast.done, now - self._started
        pace = took / (done - before) if done - before > 0.01 * (total - before) else 1.0
        left = max(total - done, 0.0) * pace
        return f"{self.prog}: {percent(done, total)} done, about {duration(left)} left\n"

    def _speak(self, log: TextIO) -> None:
        while not self._over.wait(LOG_EVERY):
            log.write(self.line())
            log.flush()
