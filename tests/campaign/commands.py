"""Small runs of the commands that write folders: a sandbox with what they need, and what they leave."""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import json
import os
import shutil
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import xarray as xr
from filelock import FileLock
from PIL import Image
from tqdm import tqdm

HANGS = 240.0  # seconds after which a run that takes a few counts as hanging
RECORDS_OF_TIME = ("seconds", "cpu_seconds")
LEFTOVER = ".tmp"


class Command(NamedTuple):
    """main(arguments), called in a sandbox: a folder that holds the folder of images `set` and will hold `run`."""

    main: str
    arguments: tuple[str, ...]


COMMANDS = {
    "toy": Command("compare.run", (
        "--dataset", "toy", "--quick", "--samples", "2", "--steps", "2", "--variants", "cnn", "--training-seeds", "0",
        "--jobs", "1", "--device", "cpu", "--out", "run")),
    "images": Command("compare.run", (
        "--dataset", "folder:set", "--size", "8", "--preset", "tiny", "--training-steps", "4", "--quick", "--samples",
        "2", "--steps", "2", "--network-steps", "2", "--patch-sizes", "3", "--calibration-samples", "1", "--snapshots",
        "--jobs", "1", "--device", "cpu", "--out", "run")),
    "training": Command("empirical.train", (
        "--count", "64", "--width", "8", "--steps", "12", "--batch", "16", "--checkpoint-every", "4", "--snapshots",
        "6", "--threads", "1", "--device", "cpu", "--out", "run/network")),
    "novelty": Command("compare.novelty", (
        "set/b", "--train", "set", "--size", "8", "--level", "0.05", "--null", "20", "--patch-size", "3", "--out",
        "run")),
}


class Ended(NamedTuple):
    """How a run ended: exit status (negative: by that signal; None: it hung), and what it wrote to stderr."""

    status: int | None
    said: str


@contextlib.contextmanager
def brief() -> Iterator[None]:
    """Tables and figures of a line each, and few samples of trained networks: they are most of a small run's time."""
    from compare.attribution import copies_report
    from compare.report.plots import save_figure
    from compare.report.report import Report
    from empirical.training import sample_grid

    def one_figure(_, dataset, folder):
        folder.mkdir(exist_ok=True)
        return [save_figure(folder / "sizes.png", lambda figure: figure.text(0, 0, str(dict(dataset.sizes))), (1, 1))]

    small = {"EVAL_SAMPLES": 4, "EVAL_STEPS": (2,), "GRID_STEPS": 1}
    with contextlib.ExitStack() as patches:
        replace = lambda owner, **new: patches.enter_context(mock.patch.multiple(owner, **new))
        replace(Report, text=lambda _, dataset: f"{dict(dataset.sizes)}\n", draw=one_figure,
                tidy=lambda _, dataset: dataset.r2.mean("sample").to_dataframe())
        replace(copies_report, contact_sheet=lambda path, dataset, _: save_figure(
            path, lambda figure: figure.text(0, 0, str(dict(dataset.sizes))), (1, 1)))
        replace(sample_grid, **small)
        replace("empirical.datasets.cache", cache_folder=lambda: Path("cache"))
        replace(FileLock, _raise_if_inherited=lambda _: None, create=True)  # a walk forks in the midst of a lock
        yield


def one_thread() -> None:
    """Let torch start no threads in this process: a forked child would wait for them for ever."""
    import torch

    torch.set_num_threads(1)


def sandbox(folder: Path) -> Path:
    """Make a folder with 24 images of two classes."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (folder / "set" / name).mkdir(parents=True)
        for i in range(12 if name == "a" else 10):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "set" / name / f"{i:02}.png")
    return folder


def call(command: Command) -> int:
    """Run a command here; return its exit status."""
    import importlib

    return importlib.import_module(command.main).main(list(command.arguments))


def forked(work: Callable[[], int], folder: Path, seconds: float = HANGS, kill_after: float | None = None) -> Ended:
    """Run `work` in a forked child in `folder`; it is killed if it hangs, or after so many seconds if that is asked."""
    said = folder.with_name(folder.name + ".stderr")
    child = fork(work, folder, said)
    return Ended(ended(child, seconds if kill_after is None else kill_after, kill_after is not None),
                 said.read_text(errors="replace"))


def fork(work: Callable[[], int], folder: Path, said: Path) -> int:
    """Start `work` in a forked child in `folder`, both its outputs in the file `said`; return its process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child leaves them alone
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.chdir(folder)
        own_locks()
        speak_into(said)
        faulthandler.dump_traceback_later(0.9 * HANGS, file=2)
        status = work()
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            import sys

            sys.stderr.flush()
        os._exit(status)


def own_locks() -> None:
    """Let this forked child wait for nobody: the process locks of tqdm and numba are one for all children, and one that
    is killed while it holds one never gives it back. Commands that a user starts share no locks."""
    from numba.np.ufunc import parallel

    tqdm.set_lock(threading.RLock())
    parallel._backend_init_process_lock = threading.RLock()


def speak_into(said: Path) -> None:
    """Let this process write its stderr into a file, and its stdout nowhere."""
    import sys

    descriptor = os.open(said, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(descriptor, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False, buffering=1)


def ended(child: int, seconds: float, on_purpose: bool = False) -> int | None:
    """Wait for a child; return its status. One that takes longer is killed: that is None, unless it is on purpose."""
    end = time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return os.waitstatus_to_exitcode(status) if on_purpose else None
        time.sleep(0.002)


def outcome(folder: Path) -> dict[str, str]:
    """Return what a finished run left, by file: digests of all that is a function of the command."""
    found = {}
    for path in sorted((folder / "run").rglob("*")):
        name = path.relative_to(folder / "run").as_posix()
        if path.is_file() and not name.startswith("parts/") and path.name != ".lock" and LEFTOVER not in path.name:
            found[name] = _digest(path)
    return found


def _digest(path: Path) -> str:
    """Of the content, but for how long things took and when they were made."""
    if path.suffix == ".nc":
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            content = b"".join(name.encode() + np.asarray(values.values).astype(
                "S" if values.dtype.kind in "OU" else values.dtype).tobytes()
                               for name, values in sorted(dataset.variables.items()))
    elif path.suffix == ".json":
        record = json.loads(path.read_bytes())
        content = json.dumps({name: value for name, value in record.items() if name not in RECORDS_OF_TIME}).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def state(folder: Path) -> str:
    """Return a digest of all files below a folder; of leftovers of writes only that they are there."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*"), key=lambda path: (LEFTOVER in path.name, path)):
        left = LEFTOVER in path.name
        digest.update(f"{path.parent if left else path.relative_to(folder)} {path.is_dir()}".encode()
                      if not left else b"left")
        if path.is_file() and not left and path.name != ".lock":
            digest.update(_part(path) if path.suffix == ".npz" else path.read_bytes())
    return digest.hexdigest()


def _part(path: Path) -> bytes:
    """A part's content, but for how long it took."""
    with np.load(path) as arrays:
        return b"".join(name.encode() + arrays[name].tobytes() for name in arrays if name != "seconds")


def copy(folder: Path, to: Path) -> Path:
    """Copy a sandbox."""
    return Path(shutil.copytree(folder, to, symlinks=True))
