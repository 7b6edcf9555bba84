"""What should a diffusion network draw? Closed-form posterior means of the training set, machine by machine."""

from theory.errors import ImageRangeWarning, UserError
from theory.machines.attention.consensus import ConsensusScore
from theory.machines.attention.evidence_sharing import AttentionScore
from theory.machines.attention.innovation import InnovationScore
from theory.machines.attention.joint_matching import PairScore
from theory.machines.equivariant import EquivariantScore
from theory.machines.equivariant_local import EquivariantLocalScore
from theory.machines.ideal import IdealScore
from theory.machines.local import LocalScore
from theory.machines.wiener import WienerScore
from theory.schedules import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    LinearSchedule,
    OffsetCosineSchedule,
    ddim,
)

__all__ = [
    "AttentionScore",
    "ConsensusScore",
    "CosineSchedule",
    "EDMSchedule",
    "EquivariantLocalScore",
    "EquivariantScore",
    "ExponentialSchedule",
    "IdealScore",
    "ImageRangeWarning",
    "InnovationScore",
    "LinearSchedule",
    "LocalScore",
    "OffsetCosineSchedule",
    "PairScore",
    "UserError",
    "WienerScore",
    "ddim",
]
