"""A few damaged files of every kind that is read: one line, or the right answer."""

import subprocess
import sys

import pytest

from tests.campaign import FAULT

SCRIPT = """
from collections import Counter
from tests.campaign.damage import KINDS, few
print(*sum((few(3, name, 6) for name in KINDS), Counter()), sep="\\n")
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and reads /proc")
def test_damaged_files_are_one_line_or_right():
    """In a process of its own: one that has threads is not forked."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "result.nc: one line" in done.stdout and "part of a run: the right answer" in done.stdout
    assert FAULT not in done.stdout, done.stdout
