"""The training loop: noise-prediction loss, averaged weights, checkpoints, and a resume that changes nothing."""

from __future__ import annotations

import copy
import math
import platform
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

import numpy as np
import safetensors
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from empirical import checkpoint
from empirical.atomic import remove_leftovers
from empirical.datasets import Dataset
from empirical.networks import NETWORKS
from empirical.networks.parametrization import error_scale
from empirical.training.distributed import WorkerGroup, worker_group
from empirical.training.optimizers import Optimizer
from empirical.training.recipe import Recipe
from empirical.training.sample_grid import final_samples
from theory.errors import UserError
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()
CLIP_NORM = 1.0
LOSS_POINTS = 100  # entries of the loss history in the JSON


class Stopped(Exception):
    """Say that the run was asked to stop after `step`; its state is on disk."""

    def __init__(self, step: int):
        super().__init__(f"stopped after step {step}")
        self.step = step


def train(config: Recipe, out, *, data_dir=None, dataset: Dataset | None = None, device: str = "auto",
          checkpoint_every: int = 1000, snapshots: Collection[int] = (), progress: bool | None = None,
          stop: Callable[[], bool] = lambda: False, command: str | None = None) -> Path:
    """Train the network of `config`; return the path `out`, where OUT.safetensors and OUT.json then lie.

    While it runs, OUT.resume.safetensors holds the newest state. Called again with the same config after a kill, the
    run goes on from there, and on the CPU ends with the very bits it would have had. A finished run is left alone.
    Under torchrun every process computes its share of each batch and the gradients are averaged; process 0 writes.

    Parameters
    ----------
    config : Recipe
        `TrainConfig` or `ImageTrainConfig`.
    out : str or Path
        Where the result goes, without suffix, in an existing folder.
    data_dir : str or Path, optional
        Where the files of the data set are looked for first.
    dataset : Dataset, optional
        What `config.load` returns, where that is here already.
    device : {"auto", "cpu", "cuda"}
        "auto" is cuda if there is one.
    checkpoint_every : int
        Steps between states on disk.
    snapshots : collection of int
        Steps whose networks are kept on the way, as OUT-STEP.
    progress : bool, optional
        A bar on stderr; None shows it on a terminal only.
    stop : callable
        Asked after each step and while the final samples are drawn; True ends the run, which can be taken up again.
    command : str, optional
        Recorded in the JSON.

    Raises
    ------
    UserError
        `out` belongs to another config or to other data, its files are damaged, its folder does not exist, or the
        training diverged.
    Stopped
        `stop` said so.

    Examples
    --------
    >>> import tempfile
    >>> from empirical.training.toy_config import TrainConfig
    >>> config = TrainConfig(count=64, width=8, steps=2, batch=8)
    >>> out = train(config, tempfile.mkdtemp() + "/net", device="cpu")
    >>> out.with_name("net.safetensors").is_file()
    True
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise UserError(f"out: got {out}, want a name in an existing folder")
    if checkpoint_every < 1:
        raise UserError(f"checkpoint_every: got {checkpoint_every}, want at least 1")
    beyond = [step for step in snapshots if not 1 <= step < config.steps]
    if beyond:
        raise UserError(f"snapshots: got {beyond[0]}, want steps 1 to {config.steps - 1}")
    state_path = state_file(out)
    if is_finished(out, config):
        state_path.unlink(missing_ok=True)  # of a process that ended between its last two steps
        return out
    remove_leftovers(out.parent)
    dataset = config.load(data_dir) if dataset is None else dataset
    group = worker_group(device)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        run = TrainingRun(config, dataset, group, command)
        if state_path.is_file():
            run.restore(state_path)
        hidden = group.rank > 0 or not (sys.stderr.isatty() if progress is None else progress)
        with tqdm(total=config.steps, initial=run.step, desc=out.name, disable=hidden, mininterval=0.5) as bar:
            while run.step < config.steps:
                run.advance()
                bar.update()
                if run.step % 50 == 0:
                    bar.set_postfix(loss=f"{np.mean(run.losses[-50:]):.4f}", refresh=False)
                stopped = run.step < config.steps and group.any(stop())
                if group.rank == 0 and run.step in snapshots:
                    checkpoint.save_network(out.with_name(f"{out.name}-{run.step}"), run.average, run.record())
                if group.rank == 0 and (stopped or run.step == config.steps or run.step % checkpoint_every == 0):
                    run.save(state_path)
                if stopped:
                    group.barrier()
                    raise Stopped(run.step)
        run.check_average()
        if group.rank == 0:
            ask = None if group.count > 1 else lambda *_: _raise_if(stop(), run.step)
            record = run.record() | {"samples": final_samples(run.average, dataset, out, ask)}
            checkpoint.save_network(out, run.average, record)
            state_path.unlink(missing_ok=True)
        group.barrier()
    return out


class TrainingRun:
    """Hold all that a step changes: weights, their average, the optimiser's moments, the losses, the step count."""

    def __init__(self, config: Recipe, dataset: Dataset, group: WorkerGroup, command: str | None):
        self.config, self.group, self.command = config, group, command
        self.fingerprint = dataset.fingerprint
        self.images = torch.from_numpy(dataset.images)
        self.labels = None
        self.step, self.losses, self.spent = 0, [], {"seconds": 0.0, "cpu_seconds": 0.0}
        self.clock = _clock()
        self.share = group.local_slice(config.batch)
        torch.manual_seed(_torch_seed(config.seed, 0))
        self.architecture, arguments = config.architecture(dataset)
        if arguments.get("classes"):
            self.labels = torch.from_numpy(dataset.labels)
        self.network = NETWORKS[self.architecture](**arguments).to(group.device).train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.parametrization = self.network.config.get("parametrization", "eps")
        self.together = group.wrap(self.network)
        self.optimizer = Optimizer(config.optimizer, self.network, config.width)

    def advance(self) -> None:
        """Take one step of the weights and of their average."""
        self.step += 1
        device, config = self.group.device, self.config
        phi, t, eps, which = (part[self.share] for part in training_batch(config, self.images, self.step))
        labels = [] if self.labels is None else [self.labels[which]]
        phi, t, eps, *labels = (part.to(device) for part in (phi, t, eps, *labels))
        torch.manual_seed(_torch_seed(config.seed, self.step, self.group.rank))  # of top-1 attention's Gumbel noise
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision(device.type) == "bfloat16"):
            predicted = self.together(phi, t, *labels)
        scale = error_scale(self.parametrization, t)
        loss = F.mse_loss(scale * predicted.float(), scale * eps)
        self.optimizer.zero_grad()
        loss.backward()
        self._record_loss(self.group.mean(loss.detach()).item())
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step(config.learning_rate(self.step))
        decay = min(config.ema, self.step / (self.step + 10))  # a short memory at the start
        for average, weight in zip(self.average.parameters(), self.network.parameters()):
            average.lerp_(weight.detach(), 1 - decay)

    def _record_loss(self, loss: float) -> None:
        self.losses.append(loss)
        if not math.isfinite(loss):
            self._diverged(f"loss {loss}")

    def check_average(self) -> None:
        """Raise a UserError unless all weights of the network that is kept are finite."""
        if not all(weight.isfinite().all() for weight in self.average.parameters()):
            self._diverged("weights that are not finite")

    def _diverged(self, how: str) -> NoReturn:
        raise UserError(f"lr: got {self.config.lr}, and the training diverged ({how} at step {self.step}), want a "
                        "smaller learning rate, under another name")

    def save(self, path: Path) -> None:
        tensors = {"losses": torch.tensor(self.losses, dtype=torch.float64)}
        for (name, weight), (_, average) in zip(self.network.named_parameters(), self.average.named_parameters()):
            tensors |= {f"weight/{name}": weight, f"average/{name}": average}
        tensors |= self.optimizer.state()
        record = {"config": self.config.to_json(), "step": self.step, "data_fingerprint": self.fingerprint}
        checkpoint.save_state(path, tensors, record | self._spent())

    def restore(self, path: Path) -> None:
        """Take up a state; raise a UserError if it is another run's, or not whole."""
        tensors, record = checkpoint.load_state(path)
        try:
            _same_config(record["config"], self.config, path.name)
            if record["data_fingerprint"] != self.fingerprint:
                raise UserError(f"out: {path.name} is from a run on other data, want another name or that data")
            self.step, self.spent = record["step"], {name: record[name] for name in self.spent}
            self.losses = tensors["losses"].tolist()
            self._restore_weights(tensors)
        except (KeyError, RuntimeError, TypeError) as error:
            raise UserError(f"out: {path.name} is no whole training state ({str(error).splitlines()[0]}), delete it to "
                            "start again") from error

    @torch.no_grad()
    def _restore_weights(self, tensors: dict[str, torch.Tensor]) -> None:
        for (name, weight), (_, average) in zip(self.network.named_parameters(), self.average.named_parameters()):
            weight.copy_(tensors[f"weight/{name}"])
            average.copy_(tensors[f"average/{name}"])
        self.optimizer.restore(tensors)

    def record(self) -> dict:
        """Return what the JSON beside the weights says."""
        parts = np.array_split(self.losses, min(LOSS_POINTS, self.step))
        return {
            "architecture": self.architecture,
            "network": self.network.config,
            "config": self.config.to_json(),
            "schedule": "CosineSchedule",
            "prediction": "eps",
            "data_fingerprint": self.fingerprint,
            "seed": self.config.seed,
            "step": self.step,
            "losses": [round(float(part.mean()), 5) for part in parts],
            "command": self.command,
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
                         "safetensors": safetensors.__version__},
            "device": self.group.device.type,
            "processes": self.group.count,
            "threads": torch.get_num_threads(),
        } | {name: round(seconds, 3) for name, seconds in self._spent().items()}

    def _spent(self) -> dict[str, float]:
        """Return the run's wall time and this process's CPU time, earlier parts included."""
        return {name: self.spent[name] + now - self.clock[name] for name, now in _clock().items()}


def training_batch(config: Recipe, images: torch.Tensor, step: int):
    """Return phi_t (B, C, H, W), t (B,), eps (B, C, H, W), float32, and which images (B,): a function of (seed, step).

    `images` (N, C, H, W) are the whole training set, in [-1, 1].
    """
    rng = np.random.default_rng([config.seed, step])
    t = config.times(rng)
    which = torch.from_numpy(rng.integers(len(images), size=config.batch))
    x0 = images[which]
    eps = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32))
    abar = torch.from_numpy(SCHEDULE.alpha_bar(t))[:, None, None, None]
    phi = abar.sqrt().float() * x0 + (1 - abar).sqrt().float() * eps
    return phi, torch.from_numpy(t).float(), eps, which


def _clock() -> dict[str, float]:
    return {"seconds": time.monotonic(), "cpu_seconds": time.process_time()}


def _torch_seed(seed: int, step: int, rank: int = 0) -> int:
    """A 32-bit seed: torch's CPU generator ignores the upper half of a longer one."""
    return int(np.random.SeedSequence([seed, step] + [rank] * (rank > 0)).generate_state(1)[0])


def _raise_if(stopped: bool, step: int) -> None:
    if stopped:
        raise Stopped(step)


def state_file(out: Path) -> Path:
    """Return where the newest state of a run lies while it goes on."""
    return out.with_name(out.name + ".resume.safetensors")


def is_finished(out: Path, config: Recipe) -> bool:
    """Return whether `out` holds this run's result; raise a UserError if it holds another's, or a damaged one."""
    weights, record = (out.with_name(out.name + suffix) for suffix in (".safetensors", ".json"))
    if not record.exists():
        if weights.exists() and not state_file(out).exists():
            raise UserError(f"out: {weights} is there without {record.name}, want another name, or delete it to train "
                            "again")
        return False
    if not weights.exists():
        raise UserError(f"out: {record} is there without {weights.name}, put that back, or delete it to train again")
    _same_config(checkpoint.load(out.absolute()).metadata["config"], config, record.name)
    return True


def _same_config(record: dict, config: Recipe, name: str) -> None:
    try:
        found = type(config).from_json(record).to_json()
    except UserError:
        found = record if isinstance(record, dict) else {}
    changed = [key for key, value in config.to_json().items() if found.get(key) != value]
    if changed:
        raise UserError(f"out: {name} is from a run with other {', '.join(changed)}, want another name or that config")
