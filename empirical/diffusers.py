"""Between diffusers and this package: its networks with the face of a machine, and machines in its pipelines.

    a UNet of its schedulers   abar_i = scheduler.alphas_cumprod[i], i = 0, ..., T - 1, is t = (i + 1) / T here
    EDM                        x0 = c_skip x + c_out F(c_in x, log(sigma) / 4)                     (Karras et al. 2022)
    flow matching              v(x_t, T t) = n - x0, x_t = (1 - t) x0 + t n
`from_diffusers` itself imports nothing of diffusers.
"""

from __future__ import annotations

import inspect

import numpy as np
import torch
from torch import nn

from empirical.adapters import WHOLE_STEP, NetworkDenoiser, Reading
from theory.errors import UserError
from theory.samplers import LEAST_ABAR
from theory.schedules import EDMSchedule, FlowSchedule, Schedule

PREDICTIONS = {"epsilon": "eps", "v_prediction": "v", "sample": "x0", "flow_prediction": "flow"}
STEPS = 1000


def from_diffusers(unet: nn.Module, scheduler, **conditioning) -> NetworkDenoiser:
    """Give a network of diffusers the face of a machine, E[x0 | x = x0 + sigma n].

    Parameters
    ----------
    unet : torch.nn.Module
        UNet2DModel, UNet2DConditionModel, or any module called as unet(image, timestep) that answers with a tensor or
        an object with `.sample`. `class_labels` are handed on where `denoise` is given labels.
    scheduler : diffusers scheduler
        The one it was trained with: any with `alphas_cumprod` (DDPM, DDIM, PNDM, DPM-Solver, Euler, ...), EDMEuler and
        its like, or FlowMatchEulerDiscrete and its like. Its prediction type is read from its configuration.
    **conditioning
        Further arguments of every call, such as encoder_hidden_states; a tensor (1, ...) is for the whole batch.

    Returns
    -------
    NetworkDenoiser
        Its `schedule` is the scheduler's abar; of EDM Karras' grid, of flow matching t itself.

    Raises
    ------
    UserError
        The scheduler is of another kind, has another prediction type, or predicts noise where all is noise.

    Notes
    -----
    A network that counts steps is told int64 steps, 0 to T - 1, whatever its own dtype. Asked for a noise level
    between two of them, it is asked at both, and its posterior means are interpolated. Where the scheduler says that
    the variance is learned, and the answer has twice as many channels as the image, the second half is left out.

    Examples
    --------
    >>> import pytest
    >>> diffusers = pytest.importorskip("diffusers")
    >>> unet = diffusers.UNet2DModel(8, 1, 1, block_out_channels=(32,), down_block_types=("DownBlock2D",),
    ...                              up_block_types=("UpBlock2D",))
    >>> denoiser = from_diffusers(unet, diffusers.DDIMScheduler(beta_schedule="squaredcos_cap_v2"))
    >>> denoiser.denoise(np.zeros((2, 1, 8, 8), np.float32), sigma=0.5).shape
    (2, 1, 8, 8)
    """
    if not isinstance(unet, nn.Module):
        raise UserError(f"unet: got {type(unet).__name__}, want a torch.nn.Module")
    config = getattr(scheduler, "config", {})
    prediction = _prediction(config)
    steps = int(config.get("num_train_timesteps", STEPS))
    counts = hasattr(scheduler, "alphas_cumprod") and prediction != "flow"
    called = _Called(unet, conditioning, counts, str(config.get("variance_type", "")).startswith("learned"))
    if hasattr(scheduler, "precondition_outputs"):
        grid = EDMSchedule(config["sigma_min"], config["sigma_max"], config.get("rho", 7.0))
        return NetworkDenoiser(called, grid, _preconditioned(scheduler))
    if hasattr(scheduler, "scale_noise") or prediction == "flow":
        return NetworkDenoiser(called, FlowSchedule(), "flow", steps)
    if not hasattr(scheduler, "alphas_cumprod"):
        raise UserError(f"scheduler: got {type(scheduler).__name__}, want one with alphas_cumprod (DDPM, DDIM, ...), "
                        "or one of EDM or flow matching")
    schedule = _schedule(scheduler, prediction)
    return _StepDenoiser(called, schedule, prediction, len(scheduler.alphas_cumprod))


def as_diffusers(machine, schedule: Schedule, prediction: str = "epsilon", shape: tuple[int, ...] | None = None,
                 steps: int = STEPS) -> MachineUNet:
    """Give a machine, or any denoiser, the face of a UNet2DModel, for DDIMPipeline, DDPMPipeline and others.

    Parameters
    ----------
    machine : anything with denoise(x, sigma) -> x0.
    schedule : Schedule
        The pipeline's: step i, from 0, is t = (i + 1) / steps. Of a scheduler it is
        `Schedule.from_alphas_cumprod(scheduler.alphas_cumprod)`; for a schedule there is
        `DDIMScheduler(trained_betas=unet2d.betas)`.
    prediction : {"epsilon", "v_prediction", "sample"}
        What it answers with: the scheduler's prediction type.
    shape : (C, H, W), optional
        Of the images to draw; by default of the machine's own.
    steps : int
        The scheduler's num_train_timesteps.

    Returns
    -------
    MachineUNet
        A torch.nn.Module with `config.sample_size`, `config.in_channels`, `dtype` and `device`.

    Raises
    ------
    UserError
        An argument is not as said here, or diffusers is not installed.

    Notes
    -----
    A pipeline draws as `theory.samplers.ddim` does with the scheduler's timestep_spacing="trailing", which begins at
    the last step, and clip_sample=False.

    Examples
    --------
    >>> import pytest
    >>> diffusers = pytest.importorskip("diffusers")
    >>> from theory.schedules import LinearSchedule
    >>> class Grey:
    ...     def denoise(self, x, sigma):
    ...         return 0 * x
    >>> unet2d = as_diffusers(Grey(), LinearSchedule(), shape=(1, 4, 6))
    >>> scheduler = diffusers.DDIMScheduler(clip_sample=False, timestep_spacing="trailing")
    >>> pipeline = diffusers.DDIMPipeline(unet2d, scheduler)
    >>> pipeline.set_progress_bar_config(disable=True)
    >>> pipeline(batch_size=2, num_inference_steps=5, output_type="np").images.shape
    (2, 4, 6, 1)
    """
    if not callable(getattr(machine, "denoise", None)):
        raise UserError(f"machine: got {type(machine).__name__}, want an object with denoise(x, sigma)")
    if not hasattr(schedule, "alpha_bar"):
        raise UserError(f"schedule: got {type(schedule).__name__}, want one of theory.schedules, such as "
                        "Schedule.from_alphas_cumprod(scheduler.alphas_cumprod)")
    if PREDICTIONS.get(prediction) not in _ANSWERS:
        raise UserError(f"prediction: got {prediction!r}, want epsilon, v_prediction or sample")
    shape = getattr(machine, "image_shape", None) if shape is None else shape
    if shape is None or len(shape) != 3:
        raise UserError(f"shape: got {shape}, want (C, H, W) of the images that a {type(machine).__name__} denoises")
    return MachineUNet(machine, schedule, prediction, tuple(shape), steps)


# What a network answers, of phi = a x0 + b n with a^2 = abar and b^2 = 1 - abar.
_ANSWERS = {
    "eps": lambda phi, x0, a, b: (phi - a * x0) / b,
    "v": lambda phi, x0, a, b: a * (phi - a * x0) / b - b * x0,
    "x0": lambda phi, x0, a, b: x0,
}


class MachineUNet(nn.Module):
    """Answer as a UNet2DModel does, from a machine's posterior mean; made by `as_diffusers`."""

    def __init__(self, machine, schedule: Schedule, prediction: str, shape: tuple[int, ...], steps: int):
        super().__init__()
        try:
            from diffusers.configuration_utils import FrozenDict
        except ImportError as error:
            raise UserError("diffusers: it is not installed, want pip install patchmosaic[diffusers]") from error
        channels, *sides = shape
        self.machine = machine
        self.config = FrozenDict(sample_size=sides[0] if sides[0] == sides[1] else tuple(sides), in_channels=channels,
                                 out_channels=channels, prediction_type=prediction, num_train_timesteps=steps)
        self.alphas_cumprod = np.asarray(schedule.alpha_bar((np.arange(steps) + 1) / steps), dtype=np.float64)
        self.prediction = PREDICTIONS[prediction]
        self.anchor: torch.Tensor
        self.register_buffer("anchor", torch.zeros(()), persistent=False)  # where `to` has moved the module

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of images that a pipeline draws."""
        return self.anchor.dtype

    @property
    def device(self) -> torch.device:
        """The device of images that a pipeline draws."""
        return self.anchor.device

    @property
    def betas(self) -> np.ndarray:
        """1 - abar_i / abar_(i - 1), (steps,): a scheduler's `trained_betas` for this schedule."""
        return 1.0 - self.alphas_cumprod / np.append(1.0, self.alphas_cumprod[:-1])

    def forward(self, sample: torch.Tensor, timestep, class_labels=None, return_dict: bool = True):
        """Return what a network would predict of sample (B, C, H, W) at a timestep, an integer or integers (B,)."""
        from diffusers.models.unets.unet_2d import UNet2DOutput

        phi = sample if sample.element_size() >= 4 else sample.float()
        abar = self._abar(timestep, len(sample))
        column = torch.as_tensor(abar, device=sample.device)[:, None, None, None]
        a, b = column.sqrt().to(phi.dtype), (1 - column).sqrt().to(phi.dtype)
        asked = np.maximum(abar, LEAST_ABAR)
        x = phi / torch.as_tensor(asked**0.5, dtype=phi.dtype, device=phi.device)[:, None, None, None]
        options = {} if class_labels is None else {"labels": class_labels}
        x0 = self.machine.denoise(x, ((1 - asked) / asked) ** 0.5, **options)
        answer = _ANSWERS[self.prediction](phi, x0, a, b).to(sample.dtype)
        return UNet2DOutput(sample=answer) if return_dict else (answer,)

    def _abar(self, timestep, batch: int) -> np.ndarray:
        """abar of each image, (B,)."""
        step = np.asarray(timestep.detach().cpu() if isinstance(timestep, torch.Tensor) else timestep)
        last = len(self.alphas_cumprod) - 1
        if step.size not in (1, batch) or (step != np.rint(step)).any() or step.min() < 0 or step.max() > last:
            raise UserError(f"timestep: got {timestep}, want an integer from 0 to {last}, or one for each image")
        return np.full(batch, self.alphas_cumprod[step.reshape(-1).astype(int)])


class _Called(nn.Module):
    """A module of diffusers as called here: network(image, t[, labels])."""

    def __init__(self, unet: nn.Module, conditioning: dict, counts: bool, learned_variance: bool):
        super().__init__()
        self.unet, self.counts, self.learned_variance = unet, counts, learned_variance
        tensors = {name: value for name, value in conditioning.items() if isinstance(value, torch.Tensor)}
        for name, value in tensors.items():
            self.register_buffer(name, value)
        self.fixed = {name: value for name, value in conditioning.items() if name not in tensors}
        forward = getattr(unet, "_orig_mod", unet).forward  # of a compiled module, its own
        self.named = "timestep" in inspect.signature(forward).parameters  # not always the second, as in DiT

    def forward(self, image, t, labels=None):
        more = self.fixed | {name: _for_batch(value, image) for name, value in self.named_buffers(recurse=False)}
        if labels is not None:
            more["class_labels"] = labels
        t = t.round().long() if self.counts else t
        output = self.unet(image, timestep=t, **more) if self.named else self.unet(image, t, **more)
        output = output if isinstance(output, torch.Tensor) else getattr(output, "sample", output)
        channels = image.shape[1]
        if self.learned_variance and isinstance(output, torch.Tensor) and output.shape[1] == 2 * channels:
            return output[:, :channels]
        return output


class _StepDenoiser(NetworkDenoiser):
    """Of a network that knows whole steps only: between two of them, both its posterior means, interpolated.

    At a fixed phi the mean is nearly linear in log abar from one step to the next. Outside them, it is that of the end.
    """

    def _x0(self, images, sigma, labels, shown):
        place = np.maximum(self.schedule.time(sigma) * self.time_scale - 1, 0.0)
        place = np.where(abs(place - np.rint(place)) < WHOLE_STEP, np.rint(place), place)
        below = np.floor(place)
        phi = images / _column(np.sqrt(1 + sigma**2), images)
        at = lambda step: self._at_step(phi, np.minimum(step, self.time_scale - 1), labels, shown)
        if (below == place).all():
            return at(below)
        return torch.lerp(at(below), at(below + 1), _column(place - below, images))

    def _at_step(self, phi, step, labels, shown):
        asked = np.maximum(self.schedule.alpha_bar((step + 1) / self.time_scale), LEAST_ABAR)
        return super()._x0(phi / _column(np.sqrt(asked), phi), np.sqrt((1 - asked) / asked), labels, shown)


def _column(values: np.ndarray, images: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(values, dtype=images.dtype, device=images.device)[:, None, None, None]


def _for_batch(value: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """A tensor of one row as rows for every image, on their device."""
    value = value.to(image.device)
    return value.expand(len(image), *value.shape[1:]) if value.ndim and len(value) == 1 else value


def _prediction(config) -> str:
    prediction = config.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise UserError(f"scheduler: got prediction type {prediction!r}, want one of {', '.join(PREDICTIONS)}")
    return PREDICTIONS[prediction]


def _schedule(scheduler, prediction: str) -> Schedule:
    table = scheduler.alphas_cumprod.double().cpu().numpy()
    if table[-1] == 0 and prediction == "eps":
        raise UserError("scheduler: got prediction type epsilon with zero terminal SNR, where the last step's noise "
                        "says nothing of x0, want v_prediction or sample")
    return Schedule.from_alphas_cumprod(table)


def _preconditioned(scheduler) -> Reading:
    """How EDM's schedulers read a network: c_in, c_noise, c_skip and c_out are theirs."""
    told = lambda sigma, scale: scheduler.precondition_noise(torch.as_tensor(sigma)).numpy()
    name = f"F of {type(scheduler).__name__}, {scheduler.config.get('prediction_type')}, {scheduler.config.sigma_data}"
    return Reading(name, scheduler.precondition_inputs, lambda x, sigma, output: scheduler.precondition_outputs(
        x, output, sigma), told)
