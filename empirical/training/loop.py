"""The training loop: noise-prediction loss, averaged weights, checkpoints, and a resume that changes nothing."""

from __future__ import annotations

import copy
import platform
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import safetensors
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from empirical import checkpoint
from empirical.datasets import Dataset
from empirical.networks import NETWORKS
from empirical.networks.prediction import error_scale
from empirical.training.distributed import WorkerGroup, worker_group
from empirical.training.image_config import ImageTrainConfig
from empirical.training.optimizers import Optimizer
from empirical.training.sample_grid import final_samples
from empirical.training.toy_config import TrainConfig
from theory.errors import UserError
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()
CLIP_NORM = 1.0
LOSS_POINTS = 100  # entries of the loss history in the JSON

Config = TrainConfig | ImageTrainConfig


class Stopped(Exception):
    """The run was asked to stop; its state is on disk."""

    def __init__(self, step: int):
        super().__init__(f"stopped after step {step}")
        self.step = step


def train(config: Config, out, *, data_dir=None, device: str = "auto", checkpoint_every: int = 1000,
          snapshots: Collection[int] = (), progress: bool | None = None, stop: Callable[[], bool] = lambda: False,
          command: str | None = None) -> Path:
    """Train the network of `config`; returns the path `out`, where OUT.safetensors and OUT.json then lie.

    While it runs, OUT.resume.safetensors holds the newest state. Called again with the same config after a kill, the
    run goes on from there, and on the CPU ends with the very bits it would have had. A finished run is left alone.
    Under torchrun every process computes its share of each batch and the gradients are averaged; process 0 writes.
    data_dir: where the files of the data set are looked for first
    device: "auto" (cuda if there is one), "cpu", "cuda"
    checkpoint_every: steps between states on disk        progress: a bar on stderr; None shows it on a terminal only
    snapshots: steps whose networks are kept on the way, as OUT-STEP
    stop: asked after each step; True writes the state and raises Stopped
    command: recorded in the JSON
    UserError: `out` belongs to another config or to other data, or its folder does not exist.
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise UserError(f"out: got {out}, want a name in an existing folder")
    if checkpoint_every < 1:
        raise UserError(f"checkpoint_every: got {checkpoint_every}, want at least 1")
    beyond = [step for step in snapshots if not 1 <= step < config.steps]
    if beyond:
        raise UserError(f"snapshots: got {beyond[0]}, want steps 1 to {config.steps - 1}")
    if _finished(out, config):
        return out
    dataset = config.load(data_dir)
    group = worker_group(device)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        run = _Run(config, dataset, group, command)
        state_path = out.with_name(out.name + ".resume.safetensors")
        if state_path.is_file():
            run.restore(state_path)
        hidden = group.rank > 0 or not (sys.stderr.isatty() if progress is None else progress)
        with tqdm(total=config.steps, initial=run.step, desc=out.name, disable=hidden, mininterval=0.5) as bar:
            while run.step < config.steps:
                run.advance()
                bar.update()
                if run.step % 50 == 0:
                    bar.set_postfix(loss=f"{np.mean(run.losses[-50:]):.4f}", refresh=False)
                if run.step == config.steps:
                    break
                stopped = group.any(stop())
                if group.rank == 0 and (stopped or run.step % checkpoint_every == 0):
                    run.save(state_path)
                if group.rank == 0 and run.step in snapshots:
                    checkpoint.save_network(out.with_name(f"{out.name}-{run.step}"), run.average, run.record())
                if stopped:
                    group.barrier()
                    raise Stopped(run.step)
        if group.rank == 0:
            record = run.record() | {"samples": final_samples(run.average, dataset, out)}
            checkpoint.save_network(out, run.average, record)
            state_path.unlink(missing_ok=True)
        group.barrier()
    return out


class _Run:
    """Everything that one step changes: weights, their average, the optimiser's moments, the losses, the step count."""

    def __init__(self, config: Config, dataset: Dataset, group: WorkerGroup, command: str | None):
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
        self.together = group.wrap(self.network)
        self.optimizer = Optimizer(config.optimizer, self.network, config.width)

    def advance(self) -> None:
        """One step of the weights and of their average."""
        self.step += 1
        device, config = self.group.device, self.config
        phi, t, eps, which = (part[self.share] for part in training_batch(config, self.images, self.step))
        labels = [] if self.labels is None else [self.labels[which]]
        phi, t, eps, *labels = (part.to(device) for part in (phi, t, eps, *labels))
        torch.manual_seed(_torch_seed(config.seed, self.step, self.group.rank))  # of top-1 attention's Gumbel noise
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision(device.type) == "bfloat16"):
            predicted = self.together(phi, t, *labels)
        scale = error_scale(config.prediction, t)
        loss = F.mse_loss(scale * predicted.float(), scale * eps)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step(config.learning_rate(self.step))
        decay = min(config.ema, self.step / (self.step + 10))  # a short memory at the start
        for average, weight in zip(self.average.parameters(), self.network.parameters()):
            average.lerp_(weight.detach(), 1 - decay)
        self.losses.append(self.group.mean(loss.detach()).item())

    def save(self, path: Path) -> None:
        tensors = {"losses": torch.tensor(self.losses, dtype=torch.float64)}
        for (name, weight), (_, average) in zip(self.network.named_parameters(), self.average.named_parameters()):
            tensors |= {f"weight/{name}": weight, f"average/{name}": average}
        tensors |= self.optimizer.state()
        record = {"config": self.config.to_json(), "step": self.step, "data_fingerprint": self.fingerprint}
        checkpoint.save_state(path, tensors, record | self._spent())

    @torch.no_grad()
    def restore(self, path: Path) -> None:
        tensors, record = checkpoint.load_state(path)
        _same_config(record["config"], self.config, path.name)
        if record["data_fingerprint"] != self.fingerprint:
            raise UserError(f"out: {path.name} is from a run on other data, want another name or that data")
        self.step, self.spent = record["step"], {name: record[name] for name in self.spent}
        self.losses = tensors["losses"].tolist()
        for (name, weight), (_, average) in zip(self.network.named_parameters(), self.average.named_parameters()):
            weight.copy_(tensors[f"weight/{name}"])
            average.copy_(tensors[f"average/{name}"])
        self.optimizer.restore(tensors)

    def record(self) -> dict:
        """What the JSON beside the weights says."""
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
        """Wall time and this process's CPU time of the run, earlier parts included."""
        return {name: self.spent[name] + now - self.clock[name] for name, now in _clock().items()}


def training_batch(config: Config, images: torch.Tensor, step: int):
    """phi_t (B, C, H, W), t (B,), eps (B, C, H, W), float32, and which images (B,): a function of (seed, step)."""
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


def _finished(out: Path, config: Config) -> bool:
    """Whether `out` already holds this run's result. UserError if it holds another's."""
    try:
        _, metadata = checkpoint.load(out.absolute())
    except ValueError:
        return False
    _same_config(metadata["config"], config, out.name + ".json")
    return True


def _same_config(record: dict, config: Config, name: str) -> None:
    found = record if record["dataset"] != config.dataset else type(config).from_json(record).to_json()
    changed = [key for key, value in config.to_json().items() if found.get(key) != value]
    if changed:
        raise UserError(f"out: {name} is from a run with other {', '.join(changed)}, want another name or that config")
