"""Compiled code kept on disk is the code of these sources, whichever processes compiled it, in whichever order."""

import importlib
import os
import pkgutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

import theory._kernels
from tests import naive
from theory._kernels.cache import drop_stale

SIGMAS = 1.0, 1e-7  # windows are compared by products at the one, by squares at the other
SESSION = """
import sys
import numpy as np
from theory import EquivariantLocalScore
from theory.engine import posterior
from theory.engine.geometry import equivariant_axis
from theory.engine.scan_options import ScanOptions

folder, sigmas, what = sys.argv[1], [float(sigma) for sigma in sys.argv[2:4]], sys.argv[4:]
x, images = np.load(f"{folder}/x.npy"), np.load(f"{folder}/images.npy")
machine, out = EquivariantLocalScore(images, 3), {}
if "denoise" in what:
    out["denoise"] = [machine.denoise(x, sigma)[0] for sigma in sigmas]
if "evidence" in what:
    request = ScanOptions(machine._bank.blocks_of(), None)
    axes = [equivariant_axis(size, 3, "zeros") for size in x.shape[2:]]
    evidence = lambda sigma: posterior.image_evidence(x[0], sigma, machine._bank, request, *axes).evidence
    out["evidence"] = [evidence(sigma) for sigma in sigmas]
np.savez(f"{folder}/out.npz", **out)
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", [("denoise", "evidence"), ("evidence", "denoise")])
def test_code_from_different_processes_works_together(tmp_path, order):
    """numba keeps what a kernel calls beside it, by its name and a number that each process counts for itself."""
    rng = np.random.default_rng(0)
    x, images = rng.normal(size=(1, 1, 6, 5)), rng.uniform(-1.0, 1.0, (7, 1, 6, 5))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "images.npy", images)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for what in [order[:1], order[1:], order]:
        session = [sys.executable, "-c", SESSION, str(tmp_path), *map(str, SIGMAS), *what]
        subprocess.run(session, env=environment, check=True)
    images = images.astype(np.float32)  # as a machine keeps them
    with np.load(tmp_path / "out.npz") as out:
        for i, sigma in enumerate(SIGMAS):
            expected = naive.patch_machine(x[0], images, sigma, 3)
            np.testing.assert_allclose(out["denoise"][i], expected, atol=1e-6)
            np.testing.assert_allclose(out["evidence"][i], naive.evidence(x[0], images, sigma, 3)[0], rtol=1e-9)


def test_no_two_kernels_share_a_name():
    names = [f"theory._kernels.{module.name}" for module in pkgutil.iter_modules(theory._kernels.__path__)]
    everything = [value for name in names for value in vars(importlib.import_module(name)).values()]
    kernels = {id(kernel): kernel.py_func for kernel in everything if isinstance(kernel, CPUDispatcher)}
    names = [(function.__module__, function.__qualname__) for function in kernels.values()]
    assert len(names) > 20
    assert len(set(names)) == len(names)


def test_changed_sources_drop_the_compiled_code(tmp_path):
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    cache.mkdir()
    (sources / "inner.py").write_text("a = 1")
    kernel = SimpleNamespace(stats=SimpleNamespace(cache_path=str(cache)), __module__="theory.made_up", __name__="scan")
    drop_stale([kernel], sources)
    compiled = [cache / "made_up.scan-12.py311.nbi", cache / "made_up.scan-12.py311.1.nbc"]
    others = cache / "made_up.scan_more-12.py311.nbi"
    for file in (*compiled, others):
        file.write_text("code")
    drop_stale([kernel], sources)
    assert all(file.exists() for file in compiled)
    (sources / "inner.py").write_text("a = 2")
    drop_stale([kernel], sources)
    assert not any(file.exists() for file in compiled)
    assert others.exists()
    compiled[0].write_text("code")
    drop_stale([kernel], sources)
    assert compiled[0].exists()
