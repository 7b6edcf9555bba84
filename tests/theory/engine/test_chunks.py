"""Threads: none is lost to a forked child, and a call that is interrupted ends at once."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from theory import EquivariantLocalScore
from theory._kernels.numerics import CHUNKS
from theory.engine.chunks import run_in_threads

SECONDS = 60  # after which a child that does not answer counts as hanging


def denoised(machine, x):
    return machine.denoise(x, 0.3)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_machine_that_was_used_answers_in_a_child(rng, method):
    images = rng.uniform(-1, 1, (40, 1, 6, 5)).astype(np.float32)
    machine = EquivariantLocalScore(images, 3)
    here = machine.denoise(images[:2], 0.3)
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert_array_equal(pool.apply_async(denoised, (machine, images[:2])).get(SECONDS), here)
    assert_array_equal(machine.denoise(images[:2], 0.3), here)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_parts_are_cancelled_when_one_fails(error):
    """Those that wait never begin, and those that run are told, and have ended when the call returns."""
    begun, ended = [], []

    def kernel(stop, part, state):
        begun.append(part[0])
        if part[0] == 0:
            raise error
        ended.append(wait_for(stop))

    with pytest.raises(error):
        run_in_threads(kernel, np.arange(10 * CHUNKS), (), [np.zeros(CHUNKS)])
    assert ended == [True] * (len(begun) - 1)
    assert len(begun) < CHUNKS


def wait_for(stop):
    """Whether stop[0] became true in time."""
    end = time.monotonic() + SECONDS
    while not stop[0] and time.monotonic() < end:
        time.sleep(0.01)
    return bool(stop[0])


INTERRUPTED = """
import signal
import numpy as np
from theory import EquivariantLocalScore

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
images = np.random.default_rng(0).uniform(-1, 1, (3000, 1, 28, 28)).astype(np.float32)
machine = EquivariantLocalScore(images, 7)
machine.denoise(images[:1], 0.3)
print("begun", flush=True)
machine.denoise(np.repeat(images[:16], 20, axis=0), 0.3)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_minutes_of_work_at_once():
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment, text=True) as process:
        process.stdout.readline()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        try:
            _, errors = process.communicate(timeout=15)
        finally:
            process.kill()
    assert "KeyboardInterrupt" in errors
