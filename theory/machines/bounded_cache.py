"""What machines keep between calls, bounded by its memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np


class BoundedCache:
    """Keep results of at most so many bytes, and the last one in any case; the one longest unused goes first.

    A pickle or copy starts empty: what it holds is made again where it is asked for.

    Parameters
    ----------
    max_bytes : int
        Bytes of the arrays in all results together.
    """

    def __init__(self, max_bytes: int):
        self.max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, tuple] = OrderedDict()
        self._lock = threading.Lock()

    def __reduce__(self):
        return type(self), (self.max_bytes,)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that are kept."""
        return sum(map(_nbytes, self._kept.values()))

    def get(self, key: Hashable, make: Callable[[], tuple]) -> Any:
        """Return the result of that key, a tuple; made now if it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        result = make()
        with self._lock:
            self._kept[key] = result
            while len(self._kept) > 1 and self.nbytes > self.max_bytes:
                self._kept.popitem(last=False)
        return result


def _nbytes(result: tuple) -> int:
    return sum(part.nbytes for part in result if isinstance(part, np.ndarray))
