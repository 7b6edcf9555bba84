"""One's own network against the machines, from Python: what `python -m compare.run` does with networks made here."""

from __future__ import annotations

import hashlib
import inspect
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray as xr
from torch import get_num_threads

from compare.cli import bar
from compare.result.schema import write
from compare.study.config import ImageConfig
from compare.study.folder import RunFolder
from compare.study.images import image_study
from compare.study.networks import NetworkEntry, TrainingSet, Validation
from compare.study.pipeline import WHOLE, carry_out
from compare.study.place import Here
from compare.study.price import foretell
from compare.study.workers import AT_ONCE, Workers
from empirical.datasets import Dataset
from empirical.progress import Progress, announce
from theory import arguments
from theory.errors import UserError


def compare_own(network, images, labels=None, *, boundary: str = "zeros", validation=None,
                receptive_field: int | None = None, out: str | Path | None = None, map=None, **options) -> xr.Dataset:
    """Fit k(t) to the network, draw with it and with the machines from the same noise, and hold them together.

    network: in its adapter, or anything with `denoise(x, sigma)` and an attribute `schedule`; called with labels if
        there are any
    images (N, C, H, W): all that it was trained on, float32 in [-1, 1]; labels (N,): integers, for a network that knows
        the class
    boundary: "zeros" or "circular", the network's padding
    validation (V, C, H, W): images that it was not trained on, for the windows that need no network, or None; where
        there are labels, a pair of images and labels
    receptive_field: side of the window that it sees, if known: no larger k is tried
    out: the run's folder, taken up again where it was stopped; None for one that is deleted at the end
    map: where machines and network answer: a Client of dask.distributed or any executor of concurrent.futures, or
        its `map`; None for this process
    options: of `ImageConfig`: samples (default 100), seed, steps, network_steps, calibration_samples, rules, ...
    Returns the result, for `compare.report.images.report` and `draw`; OUT/result.nc.
    UserError: settings out of range, or images, labels and a folder that do not go together.
    """
    config = ImageConfig(**options)
    _check_network(network)
    training = Dataset("own", *_checked("images", images, labels))
    held_out = None
    if validation is not None:
        pair = validation if labels is not None else (validation, None)
        held_out = Validation(*_checked("validation", *pair), "given")
    ours = TrainingSet(training.images, training.labels, boundary, training.fingerprint, held_out)
    record = {"dataset": "own", "published": "own", "boundary": boundary, "conditional": labels is not None,
              "networks": {"own-0": _digest(network)}, "data_fingerprint": training.fingerprint}
    with tempfile.TemporaryDirectory() as temporary:
        here = Here()
        place = here if map is None else Workers(getattr(map, "__self__", map))
        folder = RunFolder(Path(out or temporary), {**asdict(config), **record}, bar,
                           at_once=1 if map is None else AT_ONCE * place.count)
        study = image_study([NetworkEntry("own", 0, network, receptive_field=receptive_field)], ours, config, record)
        command = "compare.own.compare_own"
        try:
            forecast = foretell(lambda *_: study, WHOLE, folder.path, folder.config, command, here, get_num_threads())
            announce("compare_own", forecast, "fewer samples make it smaller")
            with Progress("compare_own", forecast) as folder.foretold:
                result = carry_out(study, folder, command, place)
            write(result, folder.path / "result.nc")
        finally:
            folder.close()
    return result


def _check_network(network) -> None:
    """UserError: it has not the face of a machine, or no schedule."""
    for name in ("denoise", "schedule"):
        if not hasattr(network, name):
            raise UserError(f"network: got a {type(network).__name__} without {name}, want it wrapped: "
                            "empirical.adapters.NetworkDenoiser(network, schedule, prediction=...), or anything with "
                            "denoise(x, sigma) and an attribute schedule")


def _checked(name: str, images, labels) -> tuple[np.ndarray, np.ndarray | None]:
    """Images (N, C, H, W) in [-1, 1] and labels (N,) of integers, or a UserError that names them."""
    try:
        images = arguments.training_images(images)
        labels = arguments.training_labels(labels, len(images))
    except UserError as error:
        if name == "images":
            raise
        raise UserError(f"{name}: {error}") from error
    return images, None if labels is None else labels.astype(np.int64)


def _digest(network) -> str:
    """SHA-256 of the weights, and of how they are used: code of the classes, settings of adapter and schedule."""
    digest = hashlib.sha256()
    module = getattr(network, "network", network)
    for one in (network, module, network.schedule):
        digest.update(f"{type(one).__module__}.{type(one).__qualname__} {_source(type(one))}".encode())
    settings = {name: value for name, value in vars(network).items() if isinstance(value, str | int | float | bool)}
    digest.update(f"{sorted(settings.items())} {_described(network.schedule)}".encode())
    for name, tensor in getattr(module, "state_dict", dict)().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


def _source(kind: type) -> str:
    """The source of a class, or the code of its methods where there is no file of it."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        methods = {name: value.__code__ for name, value in vars(kind).items() if inspect.isfunction(value)}
        return str({name: (code.co_code, [c for c in code.co_consts if not inspect.iscode(c)], code.co_names)
                    for name, code in methods.items()})


def _described(schedule) -> str:
    """The schedule's repr, or its fields where that would be a memory address."""
    return repr(schedule) if type(schedule).__repr__ is not object.__repr__ else str(sorted(vars(schedule).items()))
