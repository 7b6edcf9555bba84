"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LEFTOVER = re.compile(r"\..*\.[0-9a-f]{16}\.tmp(\.\w+)?")
DAY = 86_400.0


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Yield a new file to write to; it becomes `path` if the block ends without an exception.

    The content is on disk before the rename, so that a kill at any moment leaves the old file or the new one, and so
    does a disk that is full. The temporary name is random and created exclusively: no process, on whichever machine,
    shares it, and no link that lies in wait is followed.

    Parameters
    ----------
    path : str or Path
        The file to make or replace.

    Yields
    ------
    binary file
        Open for writing and reading, beside `path`; it is gone when the block ends by an exception.

    Raises
    ------
    OSError
        The file cannot be written, and is named; `path` is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with atomic_file(path) as file:
    ...     _ = file.write(b"1 2 3")
    >>> path.read_text()
    '1 2 3'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:60]}.{secrets.token_hex(8)}.tmp{path.suffix}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # once it is closed: Windows renames no open files
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:  # a write names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    with suppress(OSError):  # Windows opens no folders, some network drives sync none: the file is whole in any case
        _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file whole."""
    with atomic_file(path) as file:
        file.write(content)


def remove_leftovers(folder: Path, older_than: float = DAY) -> None:
    """Remove temporary files that killed processes left in `folder`, if they are `older_than` seconds old."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            with suppress(OSError):  # another process may be quicker
                if time.time() - path.lstat().st_mtime > older_than:
                    path.unlink()


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
