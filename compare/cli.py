"""What the commands share: options, one-line errors, an exit status for each way to end, threads, progress."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

USER_ERROR = 2

LOG_LEVELS = ("debug", "info", "warning", "error")


class Parser(argparse.ArgumentParser):
    """argparse with the module's docstring as help, and errors in one line instead of the usage and a line."""

    def __init__(self, module: str, description: str):
        super().__init__(prog=called_as(module), description=description,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (--help shows the options)\n")

    def add_common(self, out: str, seed: str | None = None) -> None:
        """Add the options that every command has; out: its default folder; seed: what it is of, None for none."""
        add = self.add_argument
        add("--out", type=Path, metavar="FOLDER", help=f"run folder (default: {out})")
        if seed is not None:
            add("--seed", type=int, default=0, help=f"{seed} (default: 0)")
        add("--device", choices=("auto", "cpu", "cuda"), default="auto",
            help="of the networks (default: cuda if there is)")
        add("--jobs", type=int, metavar="N", help="CPU threads (default: all)")
        add("--format", choices=("netcdf", "zarr"), default="netcdf",
            help='of the dataset; zarr is written some samples at a time (extra "cluster"; default: netcdf)')
        self.add_scale()
        self.add_dry_run()
        self.add_error_options()

    def add_scale(self) -> None:
        """Add the options to compute on a dask cluster, or in several processes."""
        add = self.add_argument
        add("--cluster", metavar="WHERE",
            help='local:N or tcp://HOST:PORT, workers of dask.distributed (extra "cluster")')
        add("--shard", type=shard, metavar="I/N", help="do share I of N in a folder that other processes see too, as "
            "those of a SLURM array; the same command without it merges")

    def add_dry_run(self) -> None:
        """Add the option to say what the command will take, and no more."""
        self.add_argument("--dry-run", action="store_true", help="say what it will take, and do nothing")

    def add_error_options(self) -> None:
        """Add what a command does about errors and messages."""
        self.add_argument("--traceback", action="store_true", help="show where an error came from")
        self.add_argument("--log-level", choices=LOG_LEVELS, default="warning", help="(default: warning)")


def shard(text: str) -> tuple[int, int]:
    """Return (I, N) of "I/N", 1 <= I <= N."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"got {text}, want I/N with 1 <= I <= N, as 2/8")
    return int(number), int(count)


def called_as(module: str) -> str:
    """Return how a user calls a command of ours: `patchmosaic run` through the script, else `python -m compare.run`."""
    through_script = Path(sys.argv[0]).stem == "patchmosaic"
    return f"patchmosaic {module.split('.')[-1]}" if through_script else f"python -m {module}"


def main_of(parser: Callable[[], Parser], work: Callable[[argparse.Namespace, str], None]) -> Callable:
    """Return the command's main(argv) -> exit status; work: what it does with its options and the command as typed."""
    def main(argv: list[str] | None = None) -> int:
        """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped."""
        argv = sys.argv[1:] if argv is None else argv
        parse = parser()
        args = parse.parse_args(argv)
        args.prog = parse.prog
        logging.basicConfig(level=args.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
        return run(parse.prog, lambda: work(args, f"{parse.prog} {shlex.join(argv)}"), args.traceback)

    return main


def run(prog: str, work: Callable[[], object], traceback: bool = False) -> int:
    """Return 0 after `work`; 2 after a UserError or OSError, said in one line; 130 or 143 after SIGINT or SIGTERM.

    Library functions say in a UserError's one line what was given and what is wanted: it is handed on to the user.
    Any other error is a fault of ours, and looks like one. traceback: users' errors too show where they came from.
    """
    def stop(number, _):
        raise KeyboardInterrupt(number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        work()
        return 0
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{prog}: stopped; the same command goes on from what is done\n")
        return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    except Exception as error:
        from theory.errors import UserError

        if traceback or not isinstance(error, UserError | OSError):
            raise
        sys.stderr.write(f"{prog}: error: {' '.join(str(error).split())}\n")
        return USER_ERROR
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def user_error(message: str) -> Exception:
    """Return a `theory.UserError`; the package is imported no sooner, so that --help stays quick."""
    from theory.errors import UserError

    return UserError(message)


def device(name: str) -> str:
    """Return "cpu" or "cuda" for "auto", "cpu" or "cuda". UserError for "cuda" where torch finds none."""
    if name == "cpu":
        return name
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise user_error("--device: got cuda, but torch sees no CUDA device; want auto or cpu")
    return "cuda" if torch.cuda.is_available() else "cpu"


def use_threads(jobs: int | None) -> int:
    """Return how many CPU threads to use: `jobs`, or all CPUs that this process may run on. UserError: not so many.

    To be called before numpy is imported: linear algebra libraries read the number from the environment once.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs is not None and not 1 <= jobs <= available:
        raise user_error(f"--jobs: got {jobs}, want 1 to {available}, the CPUs there are")
    threads = jobs or available
    for library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", str(threads))
    return threads


def set_threads(threads: int) -> None:
    """Set the same for torch and numba, which would each take all."""
    import numba
    import torch

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]


Progress = Callable[[list, str], Iterable[Any]]
"""Goes through a list of things to do, showing how far it is and what is being done."""


def bar(things: list, what: str) -> Iterable[Any]:
    """Show a bar on stderr where that is a terminal; a log has a line a minute (`empirical.progress.Progress`)."""
    from tqdm import tqdm

    return tqdm(things, desc=what, leave=False) if sys.stderr.isatty() else things


def quiet(things: list, what: str) -> Iterable[Any]:
    """Show nothing."""
    return things
