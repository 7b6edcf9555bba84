"""Threads, processes and machines of other kinds: the same numbers, whoever asks at the same time and from where."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import theory.engine.posterior
from compare.measure import intervals
from compare.measure.agreement import agreement
from compare.measure.nearest import nearest
from tests import naive
from tests.theory.cases import MACHINES, data, noised
from theory import InnovationScore, UserError, WienerScore

ROOT = Path(__file__).parents[2]
THREADS = 6


def at_once(calls):
    """What each call answers when all begin together, in threads of their own."""
    gate = threading.Barrier(len(calls))

    def begin(call):
        gate.wait(timeout=60)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [job.result(timeout=120) for job in [pool.submit(begin, call) for call in calls]]


@pytest.mark.parametrize("name", [*MACHINES, "wiener", "innovation"])
def test_threads_share_a_machine(rng, name):
    """Each thread has queries, noise and settings of its own; what a machine keeps is filled by several at once."""
    built = {**MACHINES, "wiener": WienerScore, "innovation": lambda D: InnovationScore(D, 3, draws=1)}
    images = data(rng, (1, 4, 3), N=6)
    machine, sigmas = built[name](images), np.repeat([0.6, 0.9, 1.4], THREADS // 3)
    x = [noised(rng, images, sigma, 2) for sigma in sigmas]
    calls = [lambda q=q, s=s: machine.denoise(q, s) for q, s in zip(x, sigmas)]
    calls += [lambda q=q, s=s: machine.leave_out(q, s, 1) for q, s in zip(x[:2], sigmas)]
    found = at_once(calls)
    alone = built[name](images)  # which has kept nothing yet
    for answer, q, s in zip(found, x, sigmas):
        assert_array_equal(answer, alone.denoise(q, s))
    for answer, q, s in zip(found[len(x):], x, sigmas):
        assert_array_equal(answer, alone.leave_out(q, s, 1))


def test_threads_fail_by_themselves(rng):
    """One thread's mistake is its own; the others' answers stand."""
    images = data(rng, (1, 4, 3))
    machine, x = MACHINES["els-zeros"](images), images[:2]

    def mistaken():
        with pytest.raises(UserError, match="^sigma: "):
            machine.denoise(x, -1.0)

    found = at_once([mistaken, lambda: machine.denoise(x, 0.5)] * 3)
    for answer in found[1::2]:
        assert_array_equal(answer, machine.denoise(x, 0.5))


def test_threads_share_the_measures(rng):
    images = rng.uniform(-1, 1, (8, 3, 6, 6))
    calls = (lambda: intervals.bootstrap_interval(images[:, 0, 0, 0], seed=3),
             lambda: nearest(images[:4], images[4:]), lambda: agreement(images[:4], images[4:]).r2)
    for call in calls:
        alone = call()
        for found in at_once([call] * THREADS):
            assert_array_equal(found, alone)


ASK = """
import sys
import numpy as np
from theory import EquivariantLocalScore
x, images = np.load(sys.argv[1]).values()
np.save(sys.argv[2], EquivariantLocalScore(images, 3).denoise(x, 0.4))
"""


@pytest.mark.parametrize("environment", [
    {"NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue"}, {"NUMBA_THREADING_LAYER": "no such layer"}],
    ids=["one", "none"])
def test_other_environments(rng, tmp_path, environment):
    """One thread and the simplest of numba's threading layers, or none that it can load: they are not used."""
    images = data(rng, (1, 4, 3))
    x = noised(rng, images, 0.4, 2)
    np.savez(tmp_path / "asked.npz", x, images)
    subprocess.run([sys.executable, "-c", ASK, str(tmp_path / "asked.npz"), str(tmp_path / "found.npy")], check=True,
                   cwd=ROOT, env={**os.environ, **environment})
    expected = [naive.patch_machine(q, images, 0.4, 3) for q in x]
    assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-9)


def test_without_compiling_there_is_one_line():
    """Kernels are written in vectors, which plain Python has not."""
    run = subprocess.run([sys.executable, "-c", "import theory"], cwd=ROOT, capture_output=True, text=True,
                         env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert run.returncode == 1 and run.stderr.splitlines()[-1].startswith("ImportError: NUMBA_DISABLE_JIT: got 1, want")


FULL = """
import errno, os, tempfile
import numba.core.caching as caching

def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")

caching.IndexDataCacheFile._open_for_write = full
caching.IndexDataCacheFile.save = full
"""


def test_a_full_cache_folder(tmp_path):
    """What is compiled cannot be kept, and is used all the same."""
    code = FULL + """
from theory._kernels.cache import compiled

def twice(x):
    return 2 * x

kernel = compiled(twice)
print(kernel(21), kernel(1.5))
"""
    (tmp_path / "kernel.py").write_text(code)
    run = subprocess.run([sys.executable, str(tmp_path / "kernel.py")], check=True, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert run.stdout.split() == ["42", "3.0"] and run.stderr == ""


def test_large_calls_in_threads(rng, monkeypatch):
    """The float32 scans too."""
    monkeypatch.setattr(theory.engine.posterior, "FLOAT64_PAIRS", 0)
    images = data(rng, (1, 6, 5), N=40)
    machine, x = MACHINES["els-circular"](images), noised(rng, images, 0.3, 4)
    alone = machine.denoise(x, 0.3)
    for found in at_once([lambda: machine.denoise(x, 0.3)] * THREADS):
        assert_array_equal(found, alone)
