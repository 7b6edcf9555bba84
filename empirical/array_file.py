"""Files of named arrays that we write ourselves, and can make again: parts of runs, resized images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from empirical.atomic import atomic_file
from theory.errors import UserError


def write_arrays(path: Path, arrays: Mapping) -> None:
    """Write an .npz file whole."""
    with atomic_file(path) as file:
        np.savez(file, **arrays)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file. UserError: it cannot be read; its message is only how."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(values) for name, values in arrays.items()}
    except Exception as error:  # numpy and zipfile raise whatever they like on damaged files
        raise UserError(f"{path.name} cannot be read ({type(error).__name__})") from error
