"""Compiled code kept on disk is the code of these sources, whichever processes compiled it, in whichever order."""

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

import theory._kernels
from tests import naive
from theory._kernels.cache import by_dtype, drop_stale

ROOT = Path(__file__).parents[3]

SIGMAS = 1.0, 1e-7  # windows are compared by products at the one, by squares at the other
SESSION = """
import sys
import numpy as np
from theory import EquivariantLocalScore
from theory.engine.geometry import equivariant_axis
from theory.engine.image_evidence import image_evidence
from theory.engine.scan_options import ScanOptions

folder, sigmas, what = sys.argv[1], [float(sigma) for sigma in sys.argv[2:4]], sys.argv[4:]
x, images = np.load(f"{folder}/x.npy"), np.load(f"{folder}/images.npy")
machine, out = EquivariantLocalScore(images, 3), {}
if "denoise" in what:
    out["denoise"] = [machine.denoise(x, sigma)[0] for sigma in sigmas]
if "evidence" in what:
    request = ScanOptions(machine._bank.blocks_of(), None)
    axes = [equivariant_axis(size, 3, "zeros") for size in x.shape[2:]]
    evidence = lambda sigma: image_evidence(x[0], sigma, machine._bank, request, *axes).evidence
    out["evidence"] = [evidence(sigma) for sigma in sigmas]
np.savez(f"{folder}/out.npz", **out)
"""


@pytest.mark.slow
def test_code_from_different_processes_works_together(tmp_path):
    """numba keeps what a kernel calls beside it, by its name and a number that each process counts for itself."""
    rng = np.random.default_rng(0)
    x, images = rng.normal(size=(1, 1, 6, 5)), rng.uniform(-1.0, 1.0, (7, 1, 6, 5))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "images.npy", images)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for what in [("denoise",), ("evidence",), ("denoise", "evidence")]:
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


KERNEL = """
from theory._kernels.cache import compiled

@compiled
def twice(x):
    return 2 * x

print(twice(21), sum(twice.stats.cache_hits.values()), twice.stats.cache_path is not None)
"""


def compiled_anew(folder, **environment):
    """What a process of its own prints: the answer, the hits in the cache, and whether there is one."""
    if not (folder / "kernel.py").exists():
        (folder / "kernel.py").write_text(KERNEL)
    environment = {**os.environ, "NUMBA_CACHE_DIR": "", "PYTHONPATH": str(ROOT), **environment}
    run = subprocess.run([sys.executable, "-c", "import kernel"], cwd=folder, env=environment, check=True,
                         capture_output=True, text=True)
    return run.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.0, 0.5], ids=["empty", "truncated"])
@pytest.mark.parametrize("ending", [".nbi", ".nbc"])
def test_damaged_files_are_compiled_again(tmp_path, ending, keep):
    assert compiled_anew(tmp_path) == ["42", "0", "True"]
    assert compiled_anew(tmp_path) == ["42", "1", "True"]
    damaged = [file for file in (tmp_path / "__pycache__").iterdir() if file.suffix == ending]
    assert damaged
    for file in damaged:
        file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    assert compiled_anew(tmp_path) == ["42", "0", "True"]
    assert compiled_anew(tmp_path) == ["42", "1", "True"]


def test_a_place_where_nothing_can_be_written(tmp_path):
    """Neither beside the sources nor at home: files stand where folders would be made."""
    shutil.copytree(ROOT / "theory", tmp_path / "theory", ignore=shutil.ignore_patterns("__pycache__"))
    for place in ("home", "__pycache__", "theory/_kernels/__pycache__"):
        (tmp_path / place).write_text("no folder")
    (tmp_path / "kernel.py").write_text(KERNEL + "import theory")
    nowhere = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home"), "PYTHONPATH": "",
               "PYTHONDONTWRITEBYTECODE": "1"}
    assert compiled_anew(tmp_path, **nowhere) == ["42", "0", "False"]


def test_a_function_that_a_copy_would_change_is_refused():
    def kernel(x, scale=2.0):
        return scale * x

    with pytest.raises(TypeError, match="kernel: got a closure or defaults"):
        by_dtype(kernel)
