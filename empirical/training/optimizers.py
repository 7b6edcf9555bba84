"""Adam, or Muon for the hidden matrices and Adam for all else, with a state that goes through a file by name."""

from __future__ import annotations

import torch
from torch import nn

MUON_LR_RATIO = 5.0
"""torch gives Muon's updates a root mean square of 0.2 times its learning rate; at 5 times Adam's rate it is Adam's
rate, as large as Adam's updates are at most."""

MOMENTS = {"adam": ("step", "exp_avg", "exp_avg_sq"), "muon": ("momentum_buffer",)}
"""What each rule keeps of a parameter."""


class Optimizer:
    """Step every parameter of a network along its gradient.

    Parameters
    ----------
    name : {"adam", "muon"}
        "muon": matrices of at least `width` rows and columns, convolutions as (out, in x 3 x 3), follow their momentum
        made orthogonal (torch.optim.Muon, without weight decay), so that directions of small gradient are learned as
        fast as those of large; biases, the first convolution, the last layer and embeddings of time follow Adam.
    network : torch.nn.Module
        Its parameters are changed in place.
    width : int
        Features a pixel, which tells hidden matrices from others.
    """

    def __init__(self, name: str, network: nn.Module, width: int):
        self.network = network
        self.parameters = dict(network.named_parameters())
        hidden = {}
        if name == "muon":
            matrices = {key: weight.data.flatten(1) for key, weight in self.parameters.items() if weight.ndim > 1}
            hidden = {key: nn.Parameter(matrix) for key, matrix in matrices.items() if min(matrix.shape) >= width}
        others = {key: weight for key, weight in self.parameters.items() if key not in hidden}
        self.stepped = {"adam": others, "muon": hidden}
        self.rules = {"adam": torch.optim.Adam(others.values(), fused=True)}
        if hidden:
            self.rules["muon"] = torch.optim.Muon(hidden.values(), weight_decay=0.0, adjust_lr_fn="match_rms_adamw")

    def zero_grad(self) -> None:
        """Forget the gradients that the network holds."""
        self.network.zero_grad()

    def step(self, rate: float) -> None:
        """Go one step along the gradients that the network holds, at learning rate `rate`."""
        for key, weight in self.stepped["muon"].items():
            weight.grad = self.parameters[key].grad.flatten(1)
        for name, rule in self.rules.items():
            for group in rule.param_groups:
                group["lr"] = rate if name == "adam" else MUON_LR_RATIO * rate
            rule.step()

    def state(self) -> dict[str, torch.Tensor]:
        """Return moments and counts by rule, parameter and name, as "adam/conv1.weight/exp_avg"."""
        return {f"{name}/{key}/{moment}": value for name, rule in self.rules.items()
                for key, weight in self.stepped[name].items() for moment, value in rule.state[weight].items()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """Take up what state() gave after a step; raise a KeyError if a moment is missing."""
        for name, rule in self.rules.items():
            for key, weight in self.stepped[name].items():
                rule.state[weight] = {moment: state[f"{name}/{key}/{moment}"].to(weight.device)
                                      for moment in MOMENTS[name]}
