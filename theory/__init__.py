"""What should a diffusion network draw? Closed-form posterior means of the training set, machine by machine."""

from theory.attention import AttentionScore
from theory.consensus import ConsensusScore
from theory.equivariant import EquivariantScore
from theory.equivariant_local import EquivariantLocalScore
from theory.ideal import IdealScore
from theory.innovation import InnovationScore
from theory.local import LocalScore
from theory.pair import PairScore
from theory.schedule import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    LinearSchedule,
    OffsetCosineSchedule,
    ddim,
)
from theory.wiener import WienerScore

__all__ = [
    "AttentionScore",
    "ConsensusScore",
    "CosineSchedule",
    "EDMSchedule",
    "EquivariantLocalScore",
    "EquivariantScore",
    "ExponentialSchedule",
    "IdealScore",
    "InnovationScore",
    "LinearSchedule",
    "LocalScore",
    "OffsetCosineSchedule",
    "PairScore",
    "WienerScore",
    "ddim",
]
