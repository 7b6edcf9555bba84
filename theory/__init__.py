"""What should a diffusion network draw? Closed-form posterior means of the training set, machine by machine."""

from theory.schedule import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    LinearSchedule,
    OffsetCosineSchedule,
    ddim,
)

__all__ = [
    "CosineSchedule",
    "EDMSchedule",
    "ExponentialSchedule",
    "LinearSchedule",
    "OffsetCosineSchedule",
    "ddim",
]
