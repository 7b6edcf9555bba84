"""The calls by which a process changes files, stopped one by one: those of `os`, and writes to what they opened."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir")
ROOT = Path(__file__).parents[2]
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

Before = Callable[[str, str], None]
"""Called with a call of CALLS and its path before it happens; may raise, or never return."""


@contextlib.contextmanager
def intercepted(before: Before) -> Iterator[None]:
    """Call `before` ahead of each call of this process that changes files below the folder it works in.

    Files that are opened for writing in another way than by `os.open`, as by `open`, cannot be intercepted: they end
    the process with an AssertionError, since every file of a run is to be written by `empirical.atomic`.
    """
    with contextlib.ExitStack() as patches:
        for name in ("replace", "rename", "mkdir", "unlink", "rmdir"):
            patches.enter_context(mock.patch.object(os, name, _watched(name, getattr(os, name), before)))
        patches.enter_context(mock.patch.object(os, "open", _watched_open(os.open, before)))
        patches.enter_context(mock.patch.object(os, "fsync", _watched_fsync(os.fsync, before)))
        patches.enter_context(mock.patch.object(os, "fdopen", _watched_fdopen(os.fdopen, before)))
        sys.addaudithook(_no_other_door)
        yield


def line_of_code() -> str:
    """Return where the product makes the call that is at hand: the line itself, and the one that asked for a file."""
    lines, frame = [], sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] != "tests":
            lines.append(f"{path.relative_to(ROOT).as_posix()}:{frame.f_lineno}")
        elif "filelock" in path.parts and not lines:
            lines.append("filelock")
        frame = frame.f_back
    asked = next((line for line in lines if not line.startswith("empirical/atomic.py")), lines[0])
    return lines[0] if asked == lines[0] else f"{lines[0]} for {asked}"


def below(path) -> str | None:
    """Return the path relative to the folder that the process works in; None for one elsewhere."""
    if isinstance(path, int):
        return None
    absolute, here = os.path.abspath(os.fsdecode(path)), os.getcwd()
    return os.path.relpath(absolute, here) if absolute.startswith(here + os.sep) else None


def _watched(name: str, real, before: Before):
    def wrapper(path, *rest, **named):
        if (inside := below(path)) is not None:
            before(name, inside)
        return real(path, *rest, **named)

    return wrapper


def _watched_open(real, before: Before):
    def wrapper(path, flags, *rest, **named):
        if flags & WRITING and (inside := below(path)) is not None:
            before("open", inside)
        return real(path, flags, *rest, **named)

    return wrapper


def _watched_fsync(real, before: Before):
    def wrapper(descriptor):
        if (inside := _of_descriptor(descriptor)) is not None:
            before("fsync", inside)
        return real(descriptor)

    return wrapper


def _watched_fdopen(real, before: Before):
    def wrapper(descriptor, mode="r", *rest, **named):
        inside = _of_descriptor(descriptor)
        if inside is None or mode != "w+b":
            return real(descriptor, mode, *rest, **named)
        return io.BufferedRandom(_Watched(descriptor, "r+", before, inside))

    return wrapper


class _Watched(io.FileIO):
    def __init__(self, descriptor: int, mode: str, before: Before, path: str):
        super().__init__(descriptor, mode)
        self.before, self.path = before, path

    def write(self, content):
        self.before("write", self.path)
        return super().write(content)


def _of_descriptor(descriptor: int) -> str | None:
    return below(Path(f"/proc/self/fd/{descriptor}").readlink())


def _no_other_door(event: str, arguments: tuple) -> None:
    if event != "open" or not isinstance(arguments[1], str) or not set(arguments[1]) & set("wax+"):
        return
    if (inside := below(arguments[0])) is not None:
        raise AssertionError(f"{inside} is written by open(), want empirical.atomic")
