"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LEFTOVER = re.compile(r"\..*\.[0-9a-f]{16}\.tmp(\.\w+)?")
DAY = 86_400.0


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a new empty file beside `path` to write to; it becomes `path` if the block ends without an exception.

    The content is on disk before the rename, so that a kill at any moment leaves the old file or the new one, and so
    does a disk that is full. The temporary name is random and created exclusively: no process, on whichever machine,
    shares it, and no link that lies in wait is followed.

    Parameters
    ----------
    path : str or Path
        The file to make or replace. Its suffix is kept by the temporary one, for writers that go by it.

    Yields
    ------
    Path
        The temporary file; it is gone when the block ends, also by an exception.

    Raises
    ------
    OSError
        The file cannot be written; `path` is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "numbers.txt"
    >>> with atomic_path(path) as temporary:
    ...     _ = temporary.write_text("1 2 3")
    >>> path.read_text()
    '1 2 3'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:60]}.{secrets.token_hex(8)}.tmp{path.suffix}")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        _sync(temporary, os.O_RDWR)  # Windows syncs writable descriptors only
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # Windows opens no folders, some network drives sync none: the file is whole in any case
        _sync(path.parent, os.O_RDONLY)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file whole."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def remove_leftovers(folder: Path, older_than: float = DAY) -> None:
    """Remove temporary files that killed processes left in `folder`, if they are `older_than` seconds old."""
    for path in folder.iterdir():
        if LEFTOVER.fullmatch(path.name):
            with suppress(OSError):  # another process may be quicker
                if time.time() - path.lstat().st_mtime > older_than:
                    path.unlink()


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
