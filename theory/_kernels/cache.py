"""What numba's cache on disk does not see to by itself.

numba keeps compiled code as long as the file of the outermost function is the same; a change in a file that it calls
into, by an update of a checkout for example, would go unnoticed, and the old code would run. And it numbers the
signatures of a function in one index: two processes that compile different ones at the same time can end up with each
other's code. And what a compiled function calls lies beside it under the name of its source and a number counted within
the process that compiled it: of two functions of one name, made by one factory, a process that loads both may run one
in the other's place. A damaged file fails every call, and a folder that cannot be written fails the import.
"""

from __future__ import annotations

import logging
from hashlib import sha256
from pathlib import Path
from types import FunctionType

import numpy as np
from numba import njit
from numba.core.caching import FunctionCache

log = logging.getLogger(__name__)


class ForgivingCache(FunctionCache):
    """numba's cache of one function, that compiles again what it cannot read and does without what it cannot write."""

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # a damaged pickle may raise anything
            log.info("%s: cannot be read (%r), compiled again", self.cache_path, error)
            self._forget()
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception as error:  # the index may be damaged, the folder full or not ours
            log.info("%s: cannot be written (%r)", self.cache_path, error)

    def _forget(self):
        try:
            self.flush()
        except OSError:
            pass


def compiled(function: FunctionType):
    """Compile without the GIL, and keep the code on disk if there is a folder for it."""
    kernel = njit(nogil=True)(function)
    try:
        kernel._cache = ForgivingCache(function)
    except RuntimeError as error:  # neither the package's folder nor the user's can be written
        log.info("%s, which takes a minute in every process; NUMBA_CACHE_DIR may name a folder", error)
    return kernel


def renamed(function: FunctionType, name: str) -> FunctionType:
    """Return the function under a name of its own: one that a factory makes must not share the factory's."""
    function.__name__ = function.__qualname__ = name
    return function


def by_dtype(function: FunctionType) -> dict:
    """Compile for float32 and for float64 under names of their own: one signature an index."""
    if function.__closure__ or function.__defaults__ or function.__kwdefaults__:
        raise TypeError(f"{function.__name__}: got a closure or defaults, which a copy of its code would lose")

    def copy(name):
        twin = renamed(FunctionType(function.__code__, function.__globals__), name)
        twin.__module__, twin.__doc__ = function.__module__, function.__doc__
        return compiled(twin)

    return {np.dtype(dtype): copy(f"{function.__name__}_{dtype}") for dtype in ("float32", "float64")}


def drop_stale(kernels, sources: Path = Path(__file__).parent) -> None:
    """Remove the cached code of compiled functions (`kernels`) that was made from other sources than are here now."""
    digest = sha256(b"".join(path.read_bytes() for path in sorted(sources.glob("*.py")))).hexdigest()[:16]
    for kernel in kernels:
        if kernel.stats.cache_path is None:
            continue
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
