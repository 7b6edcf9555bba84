"""What should a diffusion network draw? Closed-form posterior means of the training set, machine by machine.

The bibliography, which docstrings cite by key:

.. [KG2025] Mason Kamb and Surya Ganguli. An analytic theory of creativity in convolutional diffusion models. 2025.
   arXiv 2412.20292.
.. [FKTB2025] Emma Finn, T. Anderson Keller, Manos Theodosis and Demba Ba. Origins of creativity in attention-based
   diffusion models. 2025. arXiv 2506.17324.
.. [LW2004] Olivier Ledoit and Michael Wolf. A well-conditioned estimator for large-dimensional covariance matrices.
   Journal of Multivariate Analysis 88, 2004.
.. [WV2024] Binxu Wang and John Vastola. The unreasonable effectiveness of Gaussian score approximation for diffusion
   models and its applications. 2024. arXiv 2412.09726.
"""

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
from theory.samplers import ddim, euler, heun
from theory.schedules import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    FlowSchedule,
    LinearSchedule,
    OffsetCosineSchedule,
    Schedule,
)

__all__ = [
    "AttentionScore",
    "ConsensusScore",
    "CosineSchedule",
    "EDMSchedule",
    "EquivariantLocalScore",
    "EquivariantScore",
    "ExponentialSchedule",
    "FlowSchedule",
    "IdealScore",
    "ImageRangeWarning",
    "InnovationScore",
    "LinearSchedule",
    "LocalScore",
    "OffsetCosineSchedule",
    "PairScore",
    "Schedule",
    "UserError",
    "WienerScore",
    "ddim",
    "euler",
    "heun",
]
