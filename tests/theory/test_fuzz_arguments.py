"""Nonsense for every argument of samplers, schedules and engines: one line names it. Machines: test_bad_input.py."""

import numpy as np
import pytest

from theory import (
    CosineSchedule,
    EDMSchedule,
    ExponentialSchedule,
    FlowSchedule,
    IdealScore,
    LinearSchedule,
    OffsetCosineSchedule,
    Schedule,
    UserError,
    ddim,
    euler,
    heun,
)

IMAGES = np.linspace(-1, 1, 18).reshape(2, 1, 3, 3)
MACHINE, SCHEDULE, SIGMAS = IdealScore(IMAGES), CosineSchedule(), [1.0, 0.5, 0.0]
MASKED = np.ma.masked_invalid([1.0, np.nan])
NONSENSE = [object(), {}, {1}, "word", "", "0.5", b"x", 1j, [[1.0, 2.0], [3.0]], [None], ["1"], True, np.array(True),
            np.array(["a"]), np.array([None, 1.0]), np.datetime64("2020"), np.nan, np.inf, -np.inf, MASKED, 2**2000]


class Anything:
    def denoise(self, x, sigma, **options):
        return x


def calls():
    """Function, good arguments, and the name of one."""
    sampled = {"denoiser": MACHINE, "x": IMAGES, "sigmas": SIGMAS}
    asked = {"machine": Anything(), "phi_1": IMAGES, "schedule": SCHEDULE, "steps": 2, "patch_sizes": [3, 3],
             "strengths": [0.1, 0.1], "callback": None}
    functions = {"ddim": (ddim, asked), "euler": (euler, sampled), "heun": (heun, sampled),
                 "cosine": (CosineSchedule, {"stretch": 1.1}), "exponential": (ExponentialSchedule, {"horizon": 1.0}),
                 "offset": (OffsetCosineSchedule, {"offset": 0.1, "max_beta": 0.9, "train_steps": 10}),
                 "linear": (LinearSchedule, {"beta_start": 0.1, "beta_end": 0.2, "train_steps": 10}),
                 "edm": (EDMSchedule, {"sigma_min": 0.1, "sigma_max": 2.0, "rho": 7.0}),
                 "grid": (EDMSchedule().grid, {"steps": 5}),
                 "table": (Schedule.from_alphas_cumprod, {"alphas_cumprod": [0.9, 0.5]})}
    table = Schedule.from_alphas_cumprod([0.9, 0.5])
    for schedule in (SCHEDULE, OffsetCosineSchedule(), LinearSchedule(), EDMSchedule(), FlowSchedule(), table):
        name = type(schedule).__name__
        functions |= {f"{name}.{method}": (getattr(schedule, method), {"t": 0.5}) for method in ("alpha_bar", "sigma")}
        functions[f"{name}.time"] = schedule.time, {"sigma": 0.5}
    for called, (function, good) in functions.items():
        for name in good:
            yield pytest.param(function, good, name, id=f"{called}-{name}")


def refused(function, good, name, value):
    """Check that the value is refused in one line that begins with the argument's name."""
    with pytest.raises(UserError) as caught:
        function(**good | {name: value})
    said = str(caught.value)
    assert said.startswith(f"{name}: ") and "want" in said and "\n" not in said and len(said) < 300, value


@pytest.mark.parametrize("function, good, name", list(calls()))
def test_nonsense_is_refused(function, good, name):
    for value in NONSENSE:
        infinite = name == "sigma" and isinstance(value, float) and np.isinf(value)  # beyond a schedule's end: that end
        if not infinite:
            refused(function, good, name, value)


@pytest.mark.parametrize("given, name", [("cpu:x", "device"), (None, "device"), ([], "device"), (0, "memory_bytes"),
                                         (True, "memory_bytes"), ("1", "memory_bytes"), (1.5, "memory_bytes")])
def test_torch_backend(given, name):
    pytest.importorskip("torch")
    from theory.engine.torch_backend import TorchBackend

    refused(TorchBackend, {}, name, given)
