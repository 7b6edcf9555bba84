"""What numba's cache on disk does not see to by itself.

numba keeps them as long as the file of the outermost function is the same; a change in a file that it calls into, by an
update of a checkout for example, would go unnoticed, and the old code would run. And it numbers the signatures of a
function in one index: two processes that compile different ones at the same time can end up with each other's code. And
what a compiled function calls lies beside it under the name of its source and a number counted within the process that
compiled it: of two functions of one name, made by one factory, a process that loads both may run one in the other's
place.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from types import FunctionType

import numpy as np
from numba import njit


def renamed(function: FunctionType, name: str) -> FunctionType:
    """The function, under a name of its own: one that a factory makes must not share the factory's."""
    function.__name__ = function.__qualname__ = name
    return function


def by_dtype(function) -> dict:
    """The function compiled for float32 and for float64 under names of their own: one signature an index."""

    def compiled(name):
        copy = renamed(FunctionType(function.__code__, function.__globals__), name)
        copy.__module__, copy.__doc__ = function.__module__, function.__doc__
        return njit(nogil=True, cache=True)(copy)

    return {np.dtype(dtype): compiled(f"{function.__name__}_{dtype}") for dtype in ("float32", "float64")}


def drop_stale(kernels, sources: Path = Path(__file__).parent) -> None:
    """Remove the cached code of compiled functions (`kernels`) that was made from other sources than are here now."""
    digest = sha256(b"".join(path.read_bytes() for path in sorted(sources.glob("*.py")))).hexdigest()[:16]
    for kernel in kernels:
        folder, name = Path(kernel.stats.cache_path), f"{kernel.__module__.split('.')[-1]}.{kernel.__name__}"
        stamp = folder / f"{name}.{digest}.sources"
        if stamp.exists():
            continue
        try:
            for pattern in (f"{name}-*.nb[ic]", f"{name}.*.sources"):
                for stale in folder.glob(pattern):
                    stale.unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            stamp.touch()
        except OSError:
            continue  # a folder that is not ours to write is not ours to cache in either
