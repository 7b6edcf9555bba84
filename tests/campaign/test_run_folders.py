"""A handful of the campaign's faults: runs that die, fail or are killed are taken up to the identical result."""

import subprocess
import sys

import pytest

from tests.campaign import FAULT

SCRIPT = """
import sys
from tests.campaign.run_folders import few
print(*few(1, sys.argv[1:], 10), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc")
@pytest.mark.parametrize("name", ["training", "novelty", "toy"])
def test_a_run_survives_what_stops_it(name):
    """In a process of its own: one that has threads is not forked."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{name}: finished through kills" in done.stdout and f"{name}: a call failed" in done.stdout
    assert FAULT not in done.stdout, done.stdout
