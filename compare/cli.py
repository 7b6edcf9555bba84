"""What the commands share: one-line errors, and an exit status for each way to end."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

USER_ERROR = 2


class Parser(argparse.ArgumentParser):
    """argparse with the module's docstring as help, and errors in one line instead of the usage and a line."""

    def __init__(self, module: str, description: str):
        super().__init__(prog=called_as(module), description=description,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (--help shows the options)\n")


def called_as(module: str) -> str:
    """Return how a user calls a command of ours: `patchmosaic run` through the script, else `python -m compare.run`."""
    through_script = Path(sys.argv[0]).stem == "patchmosaic"
    return f"patchmosaic {module.split('.')[-1]}" if through_script else f"python -m {module}"


def run(prog: str, work: Callable[[], int]) -> int:
    """`work`'s exit status; 2 after a ValueError or OSError, said in one line; 130 or 143 after SIGINT or SIGTERM.

    Library functions say in a ValueError's one line what was given and what is wanted: it is handed on to the user.
    """
    def stop(number, _):
        raise KeyboardInterrupt(number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return work()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{prog}: error: {' '.join(str(error).split())}\n")
        return USER_ERROR
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{prog}: stopped; the same command goes on from what is done\n")
        return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def device(name: str) -> str:
    """"cpu" or "cuda" for "auto", "cpu" or "cuda". ValueError for "cuda" where torch finds none."""
    if name == "cpu":
        return name
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device: got cuda, but torch sees no CUDA device; want auto or cpu")
    return "cuda" if torch.cuda.is_available() else "cpu"


def use_threads(jobs: int | None) -> int:
    """How many CPU threads to use: `jobs`, or all CPUs that this process may run on. ValueError: not so many CPUs.

    To be called before numpy is imported: linear algebra libraries read the number from the environment once.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs is not None and not 1 <= jobs <= available:
        raise ValueError(f"--jobs: got {jobs}, want 1 to {available}, the CPUs there are")
    threads = jobs or available
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", str(threads))
    return threads


def set_threads(threads: int) -> None:
    """The same for torch and numba, which would each take all."""
    import numba
    import torch

    torch.set_num_threads(threads)
    most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # set when numba is imported
    numba.set_num_threads(min(threads, most))


Progress = Callable[[list, str], Iterable[Any]]
"""Goes through a list of things to do, showing how far it is and what is being done."""


def bar(things: list, what: str) -> Iterable[Any]:
    """A bar on stderr; nothing where stderr is no terminal."""
    from tqdm import tqdm

    return tqdm(things, desc=what, disable=None, leave=False)


def quiet(things: list, what: str) -> Iterable[Any]:
    """Nothing at all."""
    return things
