"""Work on parts of the training set in threads: as many as numba may use, the parts always the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numba
import numpy as np

from theory._kernels.numerics import CHUNKS


def in_chunks(kernel: Callable, before: tuple, order: np.ndarray, after: tuple, states: Sequence[np.ndarray],
              count: int = CHUNKS) -> None:
    """kernel(*before, part, *after, *(state[p] for state in states)) for the p-th of `count` parts of `order`.

    The kernel releases the GIL; numba.get_num_threads() parts run at once (set by NUMBA_NUM_THREADS, for example).
    Plain threads instead of numba's own, since a kernel compiled for those takes twice as long to compile.
    """
    parts = [(p, part) for p, part in enumerate(np.array_split(order, count)) if len(part)]
    run = lambda p, part: kernel(*before, part, *after, *(state[p] for state in states))
    pool = _pool(numba.get_num_threads())
    for done in [pool.submit(run, *arguments) for arguments in parts]:
        done.result()


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="theory")
