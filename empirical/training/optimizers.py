"""How weights follow their gradients: Adam, or Muon for the hidden matrices and Adam for all else."""

from __future__ import annotations

import torch
from torch import nn

MUON_LR_RATIO = 5.0
"""torch gives Muon's updates a root mean square of 0.2 times its learning rate; at 5 times Adam's rate it is Adam's
rate, as large as Adam's updates are at most."""


class Optimizer:
    """Steps every parameter of `network` at the rate of the step; `name` "adam" or "muon".

    "muon": matrices of at least `width` rows and columns, convolutions as (out, in x 3 x 3), follow their momentum made
    orthogonal (torch.optim.Muon, without weight decay), so that directions of small gradient are learned as fast as
    those of large; biases, the first convolution, the last layer and embeddings of time follow Adam.
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
        self.network.zero_grad()

    def step(self, rate: float) -> None:
        """Along the gradients that the network holds."""
        for key, weight in self.stepped["muon"].items():
            weight.grad = self.parameters[key].grad.flatten(1)
        for name, rule in self.rules.items():
            for group in rule.param_groups:
                group["lr"] = rate if name == "adam" else MUON_LR_RATIO * rate
            rule.step()

    def state(self) -> dict[str, torch.Tensor]:
        """Moments and counts by rule, parameter and name, as "adam/conv1.weight/exp_avg"."""
        return {f"{name}/{key}/{moment}": value for name, rule in self.rules.items()
                for key, weight in self.stepped[name].items() for moment, value in rule.state[weight].items()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of state()."""
        for name, rule in self.rules.items():
            for key, weight in self.stepped[name].items():
                prefix = f"{name}/{key}/"
                rule.state[weight] = {moment.removeprefix(prefix): value.to(weight.device)
                                      for moment, value in state.items() if moment.startswith(prefix)}
