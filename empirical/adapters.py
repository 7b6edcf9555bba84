"""Any network as a machine: a torch module becomes `denoise(x, sigma)`, whatever it predicts.

    x = x0 + sigma n (the machines' convention)      abar = 1 / (1 + sigma^2)      phi = sqrt(abar) x      t = t(sigma)
    eps:   module(phi, t) -> eps           x0 = x - sigma eps
    v:     module(phi, t) -> v             x0 = sqrt(abar) phi - sqrt(1 - abar) v
    x0:    module(phi, t) -> x0
    edm:   module(x, sigma) -> x0
    flow:  module(x_t, t) -> n - x0        x_t = (1 - t) x0 + t n = x / (1 + sigma),  t = sigma / (1 + sigma)
with v = sqrt(abar) eps - sqrt(1 - abar) x0 (Salimans & Ho 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from theory.errors import UserError
from theory.schedules import CosineSchedule, Schedule

WHOLE_STEP = 1e-3  # a time that is as near as this to a whole step is that step


class Reading(NamedTuple):
    """What a network is shown, and what its output means; x (B, C, H, W), sigma (B, 1, 1, 1)."""

    name: str
    image: Callable  # (x, sigma) -> what the network is shown
    x0: Callable  # (x, sigma, output) -> x0
    time: Callable | None = None  # (sigma (B,), time_scale) -> what it is told, where that is not the schedule's time


_signal = lambda sigma: (1 + sigma**2) ** -0.5  # sqrt(abar)
_phi = lambda x, sigma: _signal(sigma) * x
_READINGS = {reading.name: reading for reading in (
    Reading("eps", _phi, lambda x, sigma, eps: x - sigma * eps),
    Reading("v", _phi, lambda x, sigma, v: _signal(sigma) * _phi(x, sigma) - sigma * _signal(sigma) * v),
    Reading("x0", _phi, lambda x, sigma, x0: x0),
    Reading("edm", lambda x, sigma: x, lambda x, sigma, x0: x0, time=lambda sigma, scale: sigma),
    Reading("flow", lambda x, sigma: x / (1 + sigma),
            lambda x, sigma, velocity: x / (1 + sigma) - sigma / (1 + sigma) * velocity,
            time=lambda sigma, scale: sigma / (1 + sigma) * scale),
)}
PREDICTIONS = tuple(_READINGS)


class NetworkDenoiser:
    """Give a torch module the face of a machine: the posterior mean E[x0 | x] that the network implies.

    Parameters
    ----------
    network : torch.nn.Module
        Called as network(image, t) or network(image, t, labels), image (B, C, H, W), t (B,), in evaluation mode; its
        own mode is restored after each call. It may answer with a tensor, or with an object that has one as `sample`.
    schedule : Schedule, optional
        The one that the network was trained on, with time(sigma) in [0, 1]; default `CosineSchedule()`. "edm" and
        "flow" have their own times.
    prediction : {"eps", "v", "x0", "edm", "flow"} or Reading
        What the network returns, and what it is shown: the equations at the top of `empirical.adapters`, or one's own.
    time_scale : float
        1: the network is given t in [0, 1]. T > 1, as 1000 for DDPM: it counts steps 0, ..., T - 1, and is given
        T t - 1, at least 0; t = 1 is step T - 1. "flow": T t. "edm" is given sigma in any case.

    Raises
    ------
    UserError
        The network is no module, or another argument is out of its range.

    Notes
    -----
    Pixels and times are computed in float32, or float64 if the network's weights are. A network in half precision is
    shown images of its own dtype and times in float32: bfloat16 knows no step between 944 and 952.

    Examples
    --------
    >>> import numpy as np
    >>> from empirical import checkpoint
    >>> machine = NetworkDenoiser(checkpoint.load("cnn-0").network)
    >>> machine.denoise(np.zeros((2, 3, 4, 2), np.float32), sigma=0.5).shape
    (2, 3, 4, 2)
    """

    def __init__(self, network: nn.Module, schedule: Schedule | None = None, prediction: str | Reading = "eps",
                 time_scale: float = 1.0):
        if not isinstance(network, nn.Module):
            raise UserError(f"network: got {type(network).__name__}, want a torch.nn.Module")
        if not isinstance(prediction, Reading) and prediction not in PREDICTIONS:
            raise UserError(f"prediction: got {prediction!r}, want one of {', '.join(PREDICTIONS)}")
        if not (np.isfinite(time_scale) and time_scale > 0):
            raise UserError(f"time_scale: got {time_scale!r}, want a positive number")
        self.network = network
        self.schedule = CosineSchedule() if schedule is None else schedule
        self._reading = prediction if isinstance(prediction, Reading) else _READINGS[prediction]
        self.prediction = self._reading.name
        self.time_scale = time_scale

    @torch.no_grad()
    def denoise(self, x, sigma, labels=None):
        """Return x0hat = E[x0 | x], as the network has it.

        Parameters
        ----------
        x : numpy.ndarray or torch.Tensor, (B, C, H, W)
            x0 + sigma n, of any floating dtype.
        sigma : float or array-like (B,)
            Noise level, finite and greater than 0.
        labels : int or array-like (B,), optional
            Classes, for a network that knows them.

        Returns
        -------
        numpy.ndarray or torch.Tensor, (B, C, H, W)
            Of x's kind, dtype and device.

        Raises
        ------
        UserError
            x is no finite image in floating point, sigma or labels do not fit it, or the network's answer does not.
        """
        images = _images(x)
        sigma = _sigma(sigma, len(images))
        weight = next((w for w in chain(self.network.parameters(), self.network.buffers()) if w.is_floating_point()),
                      images)
        images = images.to(weight.device, torch.promote_types(weight.dtype, torch.float32))
        labels = None if labels is None else _labels(labels, len(images)).to(images.device)
        with _evaluation(self.network):
            x0 = self._x0(images, sigma, labels, weight.dtype)
        return x0.cpu().numpy().astype(x.dtype) if isinstance(x, np.ndarray) else x0.to(x.device, x.dtype)

    def _x0(self, images: torch.Tensor, sigma: np.ndarray, labels: torch.Tensor | None, shown: torch.dtype):
        """x0hat of checked images in whole precision, the network being shown them in its own: (B, C, H, W)."""
        column = torch.as_tensor(sigma, dtype=images.dtype, device=images.device)[:, None, None, None]
        t = torch.as_tensor(self._time(sigma), dtype=images.dtype, device=images.device)
        arguments = () if labels is None else (labels,)
        output = self.network(self._reading.image(images, column).to(shown), t, *arguments)
        return self._reading.x0(images, column, _output(output, images))

    def score(self, x, sigma, labels=None):
        """Return (x0hat - x) / sigma^2, the score of x0 + sigma n in x units: (B, C, H, W), arguments as of denoise."""
        x0 = self.denoise(x, sigma, labels)
        column = _sigma(sigma, len(x))[:, None, None, None]
        if isinstance(x, torch.Tensor):
            column = torch.as_tensor(column, dtype=x.dtype, device=x.device)
        return (x0 - x) / column**2

    def _time(self, sigma: np.ndarray) -> np.ndarray:
        """Return what the network is told of sigma (B,): float64 (B,)."""
        if self._reading.time is not None:
            return self._reading.time(sigma, self.time_scale)
        if self.time_scale <= 1:
            return self.schedule.time(sigma) * self.time_scale
        step = np.maximum(self.schedule.time(sigma) * self.time_scale - 1, 0.0)
        return np.where(abs(step - np.rint(step)) < WHOLE_STEP, np.rint(step), step)  # for those that look it up


@contextmanager
def _evaluation(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, and each of its modules back into its own."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _images(x) -> torch.Tensor:
    """x as a tensor (B, C, H, W)."""
    if not isinstance(x, np.ndarray | torch.Tensor):
        raise UserError(f"x: got {type(x).__name__}, want a numpy array or torch tensor (B, C, H, W)")
    if x.ndim != 4:
        raise UserError(f"x: got shape {tuple(x.shape)}, want (B, C, H, W)")
    if not (x.dtype.kind == "f" if isinstance(x, np.ndarray) else x.is_floating_point()):
        raise UserError(f"x: got {x.dtype}, want floating-point pixels in [-1, 1] plus noise")
    if isinstance(x, np.ndarray):  # torch takes neither other byte orders, negative strides nor long doubles
        native = np.float64 if x.dtype.itemsize > 8 else x.dtype.newbyteorder("=")
        x = torch.from_numpy(np.array(x, dtype=native, order="C"))
    if not x.isfinite().all():
        raise UserError("x: got NaN or infinite values, want finite pixels")
    return x


def _sigma(sigma, batch: int) -> np.ndarray:
    """sigma as float64 (B,)."""
    sigma = np.asarray(_plain(sigma))
    if sigma.dtype.kind not in "fiu":
        raise UserError(f"sigma: got {sigma.dtype} values, want numbers")
    if sigma.shape not in ((), (batch,)):
        raise UserError(f"sigma: got shape {sigma.shape}, want a number or one for each of the {batch} images")
    sigma = sigma.astype(np.float64)
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise UserError(f"sigma: got {sigma.min()}, want finite and greater than 0")
    return np.full(batch, sigma)


def _labels(labels, batch: int) -> torch.Tensor:
    """labels as int64 (B,)."""
    labels = np.asarray(_plain(labels))
    if labels.shape not in ((), (batch,)) or labels.dtype.kind not in "iu":
        raise UserError(f"labels: got {labels.dtype} of shape {labels.shape}, want an integer, or integers ({batch},)")
    return torch.from_numpy(np.full(batch, labels, dtype=np.int64))


def _plain(values):
    """Numbers of a tensor as an array of numpy, which has no bfloat16."""
    if not isinstance(values, torch.Tensor):
        return values
    values = values.detach().cpu()
    return values.double().numpy() if values.is_floating_point() else values.numpy()


def _output(output, images: torch.Tensor) -> torch.Tensor:
    """The network's answer, of the images' shape, dtype and device."""
    output = output if isinstance(output, torch.Tensor) else getattr(output, "sample", output)
    if not isinstance(output, torch.Tensor):
        raise UserError(f"network: got output of type {type(output).__name__}, want a tensor")
    if output.shape != images.shape:
        raise UserError(f"network: got output of shape {tuple(output.shape)}, want that of x, {tuple(images.shape)}")
    return output.to(images.device, images.dtype)
