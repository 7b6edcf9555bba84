"""The training loop: noise-prediction loss, averaged weights, checkpoints, and a resume that changes nothing."""

from __future__ import annotations

import copy
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors
import torch
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.config import TrainConfig
from empirical.consistency import clean, consistent, novel
from empirical.datasets import Dataset, load
from empirical.networks import ToyCNN
from theory.schedule import CosineSchedule, ddim

SCHEDULE = CosineSchedule()
WARM_UP = 0.05  # share of the steps
CLIP_NORM = 1.0
LOSS_POINTS = 100  # entries of the loss history in the JSON
SAMPLES = 512  # final samples that are judged
SAMPLE_STEPS = (20, 150)


class Stopped(Exception):
    """The run was asked to stop; its state is on disk."""

    def __init__(self, step: int):
        super().__init__(f"stopped after step {step}")
        self.step = step


def train(config: TrainConfig, out, *, device: str = "auto", checkpoint_every: int = 1000, progress: bool | None = None,
          stop: Callable[[], bool] = lambda: False, command: str | None = None) -> Path:
    """Train the network of `config`; returns the path `out`, where OUT.safetensors and OUT.json then lie.

    While it runs, OUT.resume.safetensors holds the newest state. Called again with the same config after a kill, the
    run goes on from there, and on the CPU ends with the very bits it would have had. A finished run is left alone.
    device: "auto" (cuda if there is one), "cpu", "cuda"; on CUDA the forward pass runs in bfloat16 autocast
    checkpoint_every: steps between states on disk        progress: a bar on stderr; None shows it on a terminal only
    stop: asked after each step; True writes the state and raises Stopped
    command: recorded in the JSON
    ValueError: `out` belongs to another config, or its folder does not exist.
    """
    out = Path(out)
    if not out.parent.is_dir():
        raise ValueError(f"out: got {out}, want a name in an existing folder")
    if checkpoint_every < 1:
        raise ValueError(f"checkpoint_every: got {checkpoint_every}, want at least 1")
    if _finished(out, config):
        return out
    device = _device(device)
    dataset = load(config.dataset, seed=config.data_seed, layout=config.layout, count=config.count)
    started = time.monotonic()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        run = _Run(config, dataset, device)
        state_path = out.with_name(out.name + ".resume.safetensors")
        if state_path.is_file():
            run.restore(state_path)
        hidden = not (sys.stderr.isatty() if progress is None else progress)
        with tqdm(total=config.steps, initial=run.step, desc=out.name, disable=hidden, mininterval=0.5) as bar:
            while run.step < config.steps:
                run.advance()
                bar.update()
                if run.step % 50 == 0:
                    bar.set_postfix(loss=f"{np.mean(run.losses[-50:]):.4f}", refresh=False)
                stopped = run.step < config.steps and stop()
                if stopped or run.step % checkpoint_every == 0:
                    run.save(state_path, time.monotonic() - started)
                if stopped:
                    raise Stopped(run.step)
    seconds = run.seconds_before + time.monotonic() - started
    checkpoint.save_network(out, run.average, _metadata(run, dataset, command, seconds))
    state_path.unlink(missing_ok=True)
    return out


class _Run:
    """Everything that one step changes: weights, their average, Adam's moments, the losses, the step count."""

    def __init__(self, config: TrainConfig, dataset: Dataset, device: torch.device):
        self.config, self.device = config, device
        self.images = torch.from_numpy(dataset.images)
        self.step, self.losses, self.seconds_before = 0, [], 0.0
        torch.manual_seed(_torch_seed(config.seed, 0))
        arguments = dict(channels=dataset.images.shape[1], width=config.width, attention=config.attention,
                         padding=config.padding)
        self.network = ToyCNN(**arguments).to(device).train()
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.lr, fused=True)

    def advance(self) -> None:
        """One step of Adam and of the average."""
        self.step += 1
        phi, t, eps = (part.to(self.device) for part in training_batch(self.config, self.images, self.step))
        torch.manual_seed(_torch_seed(self.config.seed, self.step))  # of the Gumbel noise of top-1 attention
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            predicted = self.network(phi, t)
        loss = F.mse_loss(predicted.float(), eps)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step()
        decay = min(self.config.ema, self.step / (self.step + 10))  # a short memory at the start
        for average, weight in zip(self.average.parameters(), self.network.parameters()):
            average.lerp_(weight.detach(), 1 - decay)
        self.losses.append(loss.item())

    def save(self, path: Path, seconds: float) -> None:
        tensors = {"losses": torch.tensor(self.losses, dtype=torch.float64)}
        for (name, weight), (_, average) in zip(self.network.named_parameters(), self.average.named_parameters()):
            tensors |= {f"weight/{name}": weight, f"average/{name}": average}
            tensors |= {f"adam/{name}/{key}": value for key, value in self.optimizer.state[weight].items()}
        record = {"config": self.config.to_json(), "step": self.step, "seconds": self.seconds_before + seconds}
        checkpoint.save_state(path, tensors, record)

    @torch.no_grad()
    def restore(self, path: Path) -> None:
        tensors, record = checkpoint.load_state(path)
        _same_config(record["config"], self.config, path.name)
        self.step, self.seconds_before = record["step"], record["seconds"]
        self.losses = tensors["losses"].tolist()
        for (name, weight), (_, average) in zip(self.network.named_parameters(), self.average.named_parameters()):
            weight.copy_(tensors[f"weight/{name}"])
            average.copy_(tensors[f"average/{name}"])
            self.optimizer.state[weight] = {
                key: tensors[f"adam/{name}/{key}"].to(self.device) for key in ("step", "exp_avg", "exp_avg_sq")
            }


def training_batch(config: TrainConfig, images: torch.Tensor, step: int):
    """phi_t (B, C, H, W), t (B,), eps (B, C, H, W), float32: a function of (config.seed, step) alone.

    t is stratified: the k-th of m draws from an interval falls into its k-th m-th part, which lowers the variance of
    the loss over t and leaves its expectation.
    """
    rng = np.random.default_rng([config.seed, step])
    in_window = round(config.window_share * config.batch)
    low, high = config.window
    t = np.concatenate([low + (high - low) * _stratified(rng, in_window), _stratified(rng, config.batch - in_window)])
    x0 = images[torch.from_numpy(rng.integers(len(images), size=config.batch))]
    eps = torch.from_numpy(rng.standard_normal(x0.shape, dtype=np.float32))
    abar = torch.from_numpy(SCHEDULE.alpha_bar(t))[:, None, None, None]
    phi = abar.sqrt().float() * x0 + (1 - abar).sqrt().float() * eps
    return phi, torch.from_numpy(t).float(), eps


def learning_rate(config: TrainConfig, step: int) -> float:
    """lr at step 1, ..., steps: linear warm-up, then half a cosine down to nearly 0."""
    warm_up = max(1, round(WARM_UP * config.steps))
    if step <= warm_up:
        return config.lr * step / warm_up
    return config.lr * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (config.steps - warm_up + 1)))


def judge(network: nn.Module, dataset: Dataset, steps: int, n: int = SAMPLES, seed: int = 0) -> dict:
    """How many of n samples of a toy network are consistent, clean, novel, and consistent and novel.

    Sampled by `steps` DDIM steps from noise that is a function of (seed, n) alone.
    """
    noise = np.random.default_rng(seed).standard_normal((n, *dataset.images.shape[1:]), dtype=np.float32)
    images = ddim(NetworkDenoiser(network, SCHEDULE), noise, SCHEDULE, steps=steps)
    is_consistent, is_novel = consistent(images, dataset.layout), novel(images, dataset.images, dataset.layout)
    counts = {
        "consistent": is_consistent,
        "clean": clean(images, dataset.layout),
        "novel": is_novel,
        "consistent_and_novel": is_consistent & is_novel,
    }
    return {"steps": steps, "n": n, "seed": seed} | {name: int(flags.sum()) for name, flags in counts.items()}


def _stratified(rng: np.random.Generator, n: int) -> np.ndarray:
    return (np.arange(n) + rng.random(n)) / max(n, 1)


def _torch_seed(seed: int, step: int) -> int:
    """A 32-bit seed from (seed, step): torch's CPU generator ignores the upper half of a longer one."""
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device: got {name!r}, want auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: got 'cuda', but torch sees no CUDA device; want auto or cpu")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _finished(out: Path, config: TrainConfig) -> bool:
    """Whether `out` already holds this run's result. ValueError if it holds another's."""
    try:
        _, metadata = checkpoint.load(out.absolute())
    except ValueError:
        return False
    _same_config(metadata["config"], config, out.name + ".json")
    return True


def _same_config(record: dict, config: TrainConfig, name: str) -> None:
    if TrainConfig.from_json(record) != config:
        found = TrainConfig.from_json(record).to_json()
        changed = [key for key, value in config.to_json().items() if found[key] != value]
        raise ValueError(f"out: {name} is from a run with other {', '.join(changed)}, want another name or that config")


def _metadata(run: _Run, dataset: Dataset, command: str | None, seconds: float) -> dict:
    return {
        "network": run.network.config,
        "config": run.config.to_json(),
        "schedule": "CosineSchedule",
        "prediction": "eps",
        "data_fingerprint": dataset.fingerprint,
        "seed": run.config.seed,
        "step": run.step,
        "losses": [round(float(part.mean()), 5) for part in np.array_split(run.losses, min(LOSS_POINTS, run.step))],
        "samples": [judge(run.average, dataset, steps) for steps in SAMPLE_STEPS],
        "command": command,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__,
                     "safetensors": safetensors.__version__},
        "device": run.device.type,
        "threads": torch.get_num_threads(),
        "seconds": round(seconds, 1),
    }
