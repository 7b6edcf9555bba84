"""What should a diffusion network draw? Closed-form posterior means of the training set, machine by machine.

The bibliography, which docstrings cite by key:

.. [KG2025] Mason Kamb and Surya Ganguli. An analytic theory of creativity in convolutional diffusion models. 2025.
   arXiv 2412.20292.
.. [FKTB2025] Emma Finn, T. Anderson Keller, Manos Theodosis and Demba Ba. Origins of creativity in attention-based
   diffusion models. 2025. arXiv 2506.17324.
.. [LW2004] Olivier Ledoit and Michael Wolf. A well-conditioned estimator for large-dimensional covariance matrices.
   Journal of Multivariate Analysis 88, 2004.
.. [LYSS2025] Artem Lukoianov, Chenyang Yuan, Justin Solomon and Vincent Sitzmann. Locality in image diffusion models
   emerges from data statistics. 2025. arXiv 2509.09672.
.. [NZWM2025] Matthew Niedoba, Berend Zwartsenberg, Kevin Murphy and Frank Wood. Towards a mechanistic explanation of
   diffusion model generalization. 2025. arXiv 2411.19339.
.. [NZW2026] Matthew Niedoba, Berend Zwartsenberg and Frank Wood. Patch posterior denoisers by query precision, response
   weight and source. 2026. arXiv 2605.24192.
.. [SBS2025] Christopher Scarvelis, Haitz Saez de Ocariz Borde and Justin Solomon. Closed-form diffusion models. 2025.
   arXiv 2310.12395.
.. [WV2024] Binxu Wang and John Vastola. The unreasonable effectiveness of Gaussian score approximation for diffusion
   models and its applications. 2024. arXiv 2412.09726.
"""

from theory.errors import ImageRangeWarning, UserError
from theory.guidance import Guided
from theory.likelihood import LogLikelihood, log_likelihood
from theory.machines.attention.consensus import ConsensusScore
from theory.machines.attention.evidence_sharing import AttentionScore
from theory.machines.attention.innovation import InnovationScore
from theory.machines.attention.joint_matching import PairScore
from theory.machines.attention.strength import derived_strength
from theory.machines.cost import Cost
from theory.machines.covariance_local import CovarianceLocalScore
from theory.machines.equivariant import EquivariantScore
from theory.machines.equivariant_local import EquivariantLocalScore
from theory.machines.filtered import FilteredScore
from theory.machines.gaussian_mixture import GaussianMixtureScore
from theory.machines.ideal import IdealScore
from theory.machines.local import LocalScore
from theory.machines.patch_set import PatchSetScore
from theory.machines.sharded import Sharded
from theory.machines.smoothed import SmoothedScore
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
    "Cost",
    "CovarianceLocalScore",
    "EDMSchedule",
    "EquivariantLocalScore",
    "EquivariantScore",
    "ExponentialSchedule",
    "FilteredScore",
    "FlowSchedule",
    "GaussianMixtureScore",
    "Guided",
    "IdealScore",
    "ImageRangeWarning",
    "InnovationScore",
    "LinearSchedule",
    "LocalScore",
    "LogLikelihood",
    "OffsetCosineSchedule",
    "PairScore",
    "PatchSetScore",
    "Schedule",
    "Sharded",
    "SmoothedScore",
    "UserError",
    "WienerScore",
    "ddim",
    "derived_strength",
    "euler",
    "heun",
    "log_likelihood",
]
