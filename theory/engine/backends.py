"""Which engine computes: numba on the CPU, or torch on the device where the query is."""

from __future__ import annotations

import sys

import theory.engine.numba_backend
from theory import arguments
from theory.engine.engine import Engine
from theory.errors import UserError

BACKENDS = ("numba", "torch")


def engine(backend, x) -> Engine:
    """The engine by name, or the one that fits x: torch for a tensor on a device of its own, numba otherwise.

    backend: None, "numba", "torch", or an `Engine` such as a configured `TorchBackend`.
    """
    device = str(x.device) if "torch" in sys.modules and hasattr(x, "detach") else "cpu"
    if backend is None:
        backend = "numba" if device == "cpu" else "torch"
    if hasattr(backend, "posterior"):
        return backend
    if not isinstance(backend, str) or backend not in BACKENDS:
        raise UserError(f"backend: got {arguments.shown(backend)}, want one of: {', '.join(BACKENDS)}")
    if backend == "numba":
        return theory.engine.numba_backend
    from theory.engine.torch_backend import default_backend

    return default_backend(device)
