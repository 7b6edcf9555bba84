"""Any network as a machine: a torch module that predicts eps, v or x0 from (phi_t, t) becomes `denoise(x, sigma)`.

    x = x0 + sigma n (the machines' convention)      abar = 1 / (1 + sigma^2)      phi = sqrt(abar) x      t = t(sigma)
    eps:  x0 = x - sigma eps        v:  x0 = sqrt(abar) phi - sqrt(1 - abar) v        x0:  as it is
with v = sqrt(abar) eps - sqrt(1 - abar) x0 (Salimans & Ho 2022).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from theory.errors import UserError
from theory.schedules import CosineSchedule, Schedule

PREDICTIONS = ("eps", "v", "x0")


class NetworkDenoiser:
    """The posterior mean that a network believes in.

    network: called as network(phi, t) or network(phi, t, labels), phi (B, C, H, W), t (B,); used in evaluation mode
    schedule: the one the network was trained on, with time(sigma) in [0, 1]
    prediction: what the network returns, "eps", "v" or "x0"
    time_scale: t is multiplied by it, e.g. 1000 for a network that counts steps
    """

    def __init__(self, network: nn.Module, schedule: Schedule | None = None, prediction: str = "eps",
                 time_scale: float = 1.0):
        if not isinstance(network, nn.Module):
            raise UserError(f"network: got {type(network).__name__}, want a torch.nn.Module")
        if prediction not in PREDICTIONS:
            raise UserError(f"prediction: got {prediction!r}, want one of {', '.join(PREDICTIONS)}")
        if not (np.isfinite(time_scale) and time_scale > 0):
            raise UserError(f"time_scale: got {time_scale!r}, want a positive number")
        self.network = network
        self.schedule = CosineSchedule() if schedule is None else schedule
        self.prediction = prediction
        self.time_scale = time_scale

    @torch.no_grad()
    def denoise(self, x, sigma, labels=None):
        """x0hat = E[x0 | x], as the network has it.

        x (B, C, H, W), numpy or torch: x0 + sigma n        sigma: float or (B,), > 0        labels: None or (B,)
        returns (B, C, H, W), of x's kind, dtype and device.
        """
        as_numpy = isinstance(x, np.ndarray)
        if not (as_numpy or isinstance(x, torch.Tensor)):
            raise UserError(f"x: got {type(x).__name__}, want a numpy array or torch tensor (B, C, H, W)")
        if x.ndim != 4:
            raise UserError(f"x: got shape {tuple(x.shape)}, want (B, C, H, W)")
        weight = next(self.network.parameters(), None)
        images = torch.as_tensor(x)
        if not images.isfinite().all():
            raise UserError("x: got NaN or infinite values, want finite pixels")
        sigma = _sigma(sigma, len(x))
        if weight is not None:
            images = images.to(weight.device, weight.dtype)
        column = torch.as_tensor(sigma, dtype=images.dtype, device=images.device)[:, None, None, None]
        root_abar, root_noise = (1 + column**2) ** -0.5, column * (1 + column**2) ** -0.5
        phi = root_abar * images
        t = torch.as_tensor(self.schedule.time(sigma) * self.time_scale, dtype=images.dtype, device=images.device)
        arguments = () if labels is None else (_labels(labels, len(x)).to(images.device),)
        output = self.network.eval()(phi, t, *arguments)
        if output.shape != images.shape:
            raise UserError(f"network: got output of shape {tuple(output.shape)}, want that of x, {tuple(x.shape)}")
        if self.prediction == "eps":
            x0 = images - column * output
        elif self.prediction == "v":
            x0 = root_abar * phi - root_noise * output
        else:
            x0 = output
        return x0.cpu().numpy().astype(x.dtype) if as_numpy else x0.to(x.device, x.dtype)

    def score(self, x, sigma, labels=None):
        """(x0hat - x) / sigma^2, the score of x0 + sigma n in x units: (B, C, H, W)."""
        x0 = self.denoise(x, sigma, labels)
        column = _sigma(sigma, len(x))[:, None, None, None]
        if isinstance(x, torch.Tensor):
            column = torch.as_tensor(column, dtype=x.dtype, device=x.device)
        return (x0 - x) / column**2


def _sigma(sigma, batch: int) -> np.ndarray:
    """sigma as float64 (B,)."""
    if isinstance(sigma, torch.Tensor):
        sigma = sigma.detach().cpu().numpy()
    sigma = np.asarray(sigma, dtype=np.float64)
    if sigma.shape not in ((), (batch,)):
        raise UserError(f"sigma: got shape {sigma.shape}, want a number or one for each of the {batch} images")
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise UserError(f"sigma: got {sigma.min()}, want finite and greater than 0")
    return np.full(batch, sigma)


def _labels(labels, batch: int) -> torch.Tensor:
    """labels as int64 (B,)."""
    labels = torch.as_tensor(labels)
    if labels.shape != (batch,) or labels.is_floating_point():
        raise UserError(f"labels: got {labels.dtype} of shape {tuple(labels.shape)}, want integers ({batch},)")
    return labels.long()
