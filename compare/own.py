"""One's own network against the machines, from Python: what `python -m compare.run` does with networks made here."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import xarray as xr

from compare.cli import bar
from compare.result.schema import write
from compare.study.folder import RunFolder
from compare.study.image_config import ImageConfig
from compare.study.image_networks import ImageNetwork, TrainingSet, Validation
from compare.study.images import image_study
from empirical.adapters import NetworkDenoiser
from empirical.datasets import Dataset


def compare_own(network: NetworkDenoiser, images, labels=None, *, boundary: str = "zeros", validation=None,
                receptive_field: int | None = None, out: str | Path | None = None, **options) -> xr.Dataset:
    """Fit k(t) to the network, draw with it and with the machines from the same noise, and hold them together.

    network: in its adapter, called with labels if there are any
    images (N, C, H, W): all that it was trained on, float32 in [-1, 1]; labels (N,): integers, for a network that knows
        the class
    boundary: "zeros" or "circular", the network's padding
    validation (V, C, H, W): images that it was not trained on, for the windows that need no network, or None; where
        there are labels, a pair of images and labels
    receptive_field: side of the window that it sees, if known: no larger k is tried
    out: the run's folder, taken up again where it was stopped; None for one that is deleted at the end
    options: of `ImageConfig`: samples (default 100), seed, steps, network_steps, calibration_samples, rules, ...
    Returns the result, for `compare.report.images.report` and `draw`; OUT/result.nc.
    ValueError: settings out of range, or images, labels and a folder that do not go together.
    """
    config = ImageConfig(**options)
    training = Dataset("own", np.ascontiguousarray(images, dtype=np.float32),
                       None if labels is None else np.asarray(labels, dtype=np.int64))
    pair = validation if labels is not None else (validation, None)
    held_out = None if validation is None else Validation(*pair, "given")
    ours = TrainingSet(training.images, training.labels, boundary, training.fingerprint, held_out)
    record = {"dataset": "own", "published": "own", "boundary": boundary, "conditional": labels is not None,
              "networks": {"own-0": _digest(network)}, "data_fingerprint": training.fingerprint}
    with tempfile.TemporaryDirectory() as temporary:
        folder = RunFolder(Path(out or temporary), {**asdict(config), **record}, bar)
        result = image_study([ImageNetwork("own", 0, network, receptive_field=receptive_field)], ours, config, folder,
                             command="compare.own.compare_own", record=record)
        write(result, folder.path / "result.nc")
    return result


def _digest(network: NetworkDenoiser) -> str:
    """SHA-256 of the weights, and of how they are used."""
    digest = hashlib.sha256(f"{network.prediction} {network.time_scale} {network.schedule}".encode())
    for name, tensor in network.network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()
