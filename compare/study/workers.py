"""Denoisers of a study on workers: a dask cluster, or any executor of concurrent.futures.

Machines and networks are sent once to each worker, and built there; a call sends some queries and brings the answers
back. The run's folder, and the order of the work, are the client's alone: a worker that is killed costs the call that
it was at.
"""

from __future__ import annotations

import pickle
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from compare.result.words import CLUSTER_EXTRA
from compare.study.machines import Machines
from compare.study.networks import NetworkEntry, TrainingSet, load_network
from compare.study.place import Here
from empirical.training.loop import train
from empirical.training.recipe import Recipe
from theory.errors import UserError

CALL = 1.0
"""Seconds that a call of a worker should take: queries are split so far, and no farther."""

AT_ONCE = 2
"""Calls that are under way for each worker, so that none has to wait for the next."""

_sent: dict[str, Any] = {}
"""What this process was sent, by name."""


class Direct(NamedTuple):
    """Something for threads of this process."""

    value: Any

    def get(self):
        return self.value


class FromFile(NamedTuple):
    """Something for processes that see the same disk, read once by each."""

    path: str

    def get(self):
        if self.path not in _sent:
            _sent[self.path] = pickle.loads(Path(self.path).read_bytes())
        return _sent[self.path]


class FromPlugin(NamedTuple):
    """Something that every worker of a dask cluster is sent when it joins."""

    name: str

    def get(self):
        return _sent[self.name]


def _plugin(name: str, value):
    """Return the plugin of dask's workers that brings the value."""
    from distributed import WorkerPlugin

    class Bring(WorkerPlugin):
        def setup(self, worker):
            keep(name, value)

    return Bring()


def keep(name: str, value) -> None:
    """Keep what this process was sent."""
    _sent[name] = value


class Workers(Here):
    """Where an executor computes.

    executor: a dask Client, or any executor of concurrent.futures. threads: of each of its processes.
    """

    def __init__(self, executor, threads: int = 1):
        super().__init__()
        self.executor, self.threads = executor, threads
        self._seconds: dict[tuple, float] = {}

    @property
    def count(self) -> int:
        """Workers that there are."""
        if hasattr(self.executor, "scatter"):
            return max(1, sum(self.executor.nthreads().values()))
        return getattr(self.executor, "_max_workers", 1)

    def share(self, value):
        """Return a handle by which workers have the value, which each of them is sent once."""
        name = secrets.token_hex(8)
        if hasattr(self.executor, "scatter"):
            self._bring(name, value)
            return FromPlugin(name)
        if isinstance(self.executor, ThreadPoolExecutor):
            return Direct(value)
        path = Path(self._folder) / name
        path.write_bytes(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))
        return FromFile(str(path))

    def _bring(self, name: str, value) -> None:
        """Send a value to all workers, and to those that come later; again if one is lost meanwhile."""
        for last in (False, False, True):
            try:
                self.executor.register_plugin(_plugin(name, value), name=name)
                return
            except OSError:
                if last:
                    raise
                time.sleep(1.0)

    @cached_property
    def _folder(self) -> str:
        """Where other processes read; gone with this object."""
        folder = tempfile.mkdtemp(prefix="patchmosaic-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    def submit(self, function: Callable, *arguments):
        options = {"pure": False} if hasattr(self.executor, "scatter") else {}
        return self.executor.submit(function, *arguments, **options)

    def machines(self, training: TrainingSet) -> RemoteMachines:
        return RemoteMachines(self, super().machines(training))

    def network(self, entry: NetworkEntry) -> NetworkEntry:
        return replace(entry, denoiser=RemoteNetwork(self, self.share(entry), entry.denoiser))

    def remote(self, machine) -> Remote:
        """Return a machine as it answers on workers."""
        return Remote(self, self.share(machine))

    def trained(self, recipe: Recipe, stem: Path, device: str, **options) -> tuple[NetworkEntry, str]:
        stem = stem.absolute()
        stem.parent.mkdir(exist_ok=True)
        self.submit(_train, recipe, stem, device, self.threads, options).result()
        return load_network(stem, device)

    def asked(self, remote: Remote, method: str, x, sigma, options: dict):
        """Return what a method says of queries, split into calls of about CALL seconds."""
        key = remote.which, method, options.get("patch_size")
        each, B = self._seconds.get(key), len(x)
        size = -(-B // self.count) if each is None else min(B, max(1, int(CALL / max(each, 1e-9))))
        asked = _answer, remote.handle, remote.which, method, self.threads
        calls = [self.submit(*asked, *_some(part, x, sigma, options))
                 for part in np.array_split(np.arange(B), -(-B // size))]
        answers = [call.result() for call in calls]
        self._seconds[key] = sum(seconds for seconds, _ in answers) / B
        return [answer for _, answer in answers]


def _some(part: np.ndarray, x, sigma, options: dict) -> tuple:
    """The queries of a part, their noise and options."""
    of = lambda value: value[part] if np.ndim(value) == 1 and len(value) == len(x) else value
    own = {name: of(np.asarray(value)) if name == "labels" and value is not None else value
           for name, value in options.items()}
    return np.asarray(x)[part], of(np.asarray(sigma)) if np.ndim(sigma) else sigma, own


def _answer(handle, which: tuple, method: str, threads: int, x, sigma, options: dict) -> tuple[float, Any]:
    """What a worker does: the answer, and the seconds that it took."""
    _use_threads(threads)
    denoiser = handle.get()
    if which:
        *names, along = which
        denoiser = denoiser(*names, along and along.get())
    elif isinstance(denoiser, NetworkEntry):
        denoiser = denoiser.denoiser
    started = time.monotonic()
    answer = getattr(denoiser, method)(x, sigma, **options)
    return time.monotonic() - started, answer


def _train(recipe: Recipe, stem: Path, device: str, threads: int, options: dict) -> None:
    if not stem.parent.is_dir():
        raise UserError(f"cluster: a worker does not see {stem.parent}, want a folder that all see, to train there")
    _use_threads(threads)
    train(recipe, stem, device=device, progress=False, **options)


def _use_threads(threads: int) -> None:
    import numba
    import torch

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


class Remote:
    """The face of a machine on workers; which: how it is found in what they were sent."""

    def __init__(self, workers: Workers, handle, which: tuple = ()):
        self.workers, self.handle, self.which = workers, handle, which

    def denoise(self, x, sigma, **options) -> np.ndarray:
        return np.concatenate(self.workers.asked(self, "denoise", x, sigma, options))

    def leave_out(self, x, sigma, image: int) -> np.ndarray:
        return np.concatenate(self.workers.asked(self, "leave_out", x, sigma, {"image": image}))

    def denoise_scales(self, x, sigma, patch_sizes, **options) -> list[np.ndarray]:
        return self._of_each("denoise_scales", x, sigma, {"patch_sizes": list(patch_sizes), **options})

    def denoise_strengths(self, x, sigma, strengths, **options) -> list[np.ndarray]:
        return self._of_each("denoise_strengths", x, sigma, {"strengths": list(strengths), **options})

    def attribute(self, x, sigma, top: int = 8, **options) -> xr.Dataset:
        parts = self.workers.asked(self, "attribute", x, sigma, {"top": top, **options})
        return xr.concat(parts, "sample").assign_coords(sample=np.arange(len(x)))

    def _of_each(self, method: str, x, sigma, options: dict) -> list[np.ndarray]:
        return [np.concatenate(of_one) for of_one in zip(*self.workers.asked(self, method, x, sigma, options))]


class RemoteNetwork(Remote):
    """The face of a network's denoiser; what else it has is that of the one here."""

    def __init__(self, workers: Workers, handle, here):
        super().__init__(workers, handle)
        self.here = here

    def __getattr__(self, name: str):
        return getattr(self.here, name)


class RemoteMachines:
    """`Machines` on workers, who build each one when they are first asked for it."""

    def __init__(self, workers: Workers, here: Machines):
        self.workers, self.here, self.training = workers, here, here.training
        self._handle = workers.share(Machines(here.training))

    def __call__(self, kind: str, attention: str = "", along: NetworkEntry | None = None) -> Remote:
        return Remote(self.workers, self._handle, (kind, attention, along and along.denoiser.handle))

    def attending(self, kind: str, alpha: np.ndarray):
        return self.here.attending(kind, alpha)


@contextmanager
def cluster(where: str, threads: int) -> Iterator[Workers]:
    """Yield the workers of a dask cluster; says where its dashboard is.

    where: "local:N", N workers on this machine that share `threads`, or "tcp://HOST:PORT", a scheduler's address
    UserError: another text, no such scheduler, or no dask.
    """
    kind, _, rest = where.partition(":")
    local = kind == "local" and rest.isdecimal() and int(rest) >= 1
    if not local and not (kind in ("tcp", "tls") and rest.startswith("//")):
        raise UserError(f"--cluster: got {where}, want local:N or tcp://HOST:PORT")
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UserError(f"--cluster: got {where}, but {error.name} is not installed; {CLUSTER_EXTRA}") from error
    if local:
        each = max(1, threads // int(rest))
        own = {"n_workers": int(rest), "threads_per_worker": 1, "memory_limit": None}  # but the whole machine's
        with LocalCluster(**own, dashboard_address=":0") as started, Client(started) as client:
            yield _announced(Workers(client, each))
        return
    try:
        client = Client(where, timeout=10)
    except (OSError, TimeoutError) as error:
        raise UserError(f"--cluster: found no scheduler at {where} ({type(error).__name__}), want its "
                        "address") from error
    with client:
        yield _announced(Workers(client, 1))


def _announced(workers: Workers) -> Workers:
    client = workers.executor
    sys.stderr.write(f"cluster: {workers.count} workers, dashboard {client.dashboard_link}\n")
    return workers
