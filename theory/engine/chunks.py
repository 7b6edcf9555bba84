"""Work on parts of the training set in threads: as many as numba may use, the parts always the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numba
import numpy as np

from theory._kernels.numerics import CHUNKS


def run_in_threads(kernel: Callable, order: np.ndarray, inputs: tuple, states: Sequence[np.ndarray],
                   count: int = CHUNKS) -> None:
    """Call kernel(stop, part, *inputs, *(state[p] for state in states)) for the p-th of `count` parts of `order`.

    The kernel releases the GIL; `thread_count` parts run at once (set by NUMBA_NUM_THREADS, for example).
    Plain threads instead of numba's own, since a kernel compiled for those takes twice as long to compile. When a part
    fails, or Ctrl-C comes, the parts that wait are cancelled, and those that run see stop[0] become true and return:
    nobody writes to `states` any more when this raises.
    """
    parts = [(p, part) for p, part in enumerate(np.array_split(order, count)) if len(part)]
    stop = np.zeros(1, np.bool_)
    run = lambda p, part: kernel(stop, part, *inputs, *(state[p] for state in states))
    pool = _pool(thread_count())
    tasks = [pool.submit(run, *arguments) for arguments in parts]
    try:
        for task in tasks:
            task.result()
    except BaseException:
        stop[0] = True
        for task in [task for task in tasks if not task.cancel()]:
            task.exception()
        raise


def thread_count() -> int:
    """Threads that numba may use, also where it can load none of its own threading layers, which are not used here."""
    try:
        return numba.get_num_threads()
    except (ValueError, ImportError):
        return numba.config.NUMBA_NUM_THREADS


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="theory")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads
