"""What long work will take, said before it and while it goes on."""

import io
import time

import pytest

from empirical import progress
from empirical.progress import Forecast, Progress, announce, free_memory, used_memory

WORK = Forecast("100 samples", 3200.0, 2656.0, 1_100_000_000, 2, {"first": 100.0, "second": 200.0})


def test_a_line_before_the_work():
    assert WORK.line() == "100 samples: about 9 min on 2 threads, 1.1 GB; resuming at 83 %"
    assert Forecast("work", 40.0, 0.0, 10**9, 1).line() == "work: about 40 s on 1 thread, 1.0 GB"


@pytest.mark.parametrize("seconds, memory, free, said", [
    (3500.0, 10**9, 2 * 10**9, []),
    (9000.0, 10**9, 2 * 10**9, ["this takes about 2.5 h; a stopped run goes on where it was; fewer samples"]),
    (60.0, 3 * 10**9, 2 * 10**9, ["this needs 3.0 GB and there are 2.0 GB free; fewer samples"]),
    (60.0, 3 * 10**9, None, []),
])
def test_warned_of_more_than_an_hour_and_more_than_there_is(seconds, memory, free, said):
    assert Forecast("work", seconds, 0.0, memory, 2).warnings(free, "fewer samples") == said


def test_what_is_done_already_is_not_warned_of():
    assert Forecast("work", 9000.0, 8000.0, 0, 2).warnings(None, "") == []


def test_announced_on_stderr(capsys, monkeypatch):
    monkeypatch.setattr(progress, "free_memory", lambda: 10**9)
    announce("prog", WORK, "fewer samples")
    told, warned = capsys.readouterr().err.splitlines()
    assert told == f"prog: {WORK.line()}"
    assert warned == "prog: warning: this needs 1.1 GB and there are 1.0 GB free; fewer samples"


def test_share_and_time_left_follow_the_pace(monkeypatch):
    """At half the foretold pace, what is left takes twice as long; work that goes on counts by its time."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    told = Progress("prog", Forecast("work", 400.0, 0.0, 0, 2, {"first": 100.0, "second": 200.0}), io.StringIO())
    with told.part("first"):
        clock[0] = 200.0
    assert told.line() == "prog: 25 % done, about 10 min left\n"
    with told.part("second"):
        clock[0] = 300.0
        assert told.line() == "prog: 50 % done, about 5 min left\n"
        clock[0] = 5000.0
        assert told.line().startswith("prog: 75 % done")  # no more than the part, however late it is
    told.add(100.0)
    assert told.line().startswith("prog: 100 % done")


def test_a_part_that_fails_is_not_done():
    told = Progress("prog", WORK, io.StringIO())
    with pytest.raises(ValueError), told.part("first"):
        raise ValueError
    assert told.done == WORK.done and not told._running


def test_a_log_gets_lines_while_work_goes_on(monkeypatch):
    monkeypatch.setattr(progress, "LOG_EVERY", 0.01)
    log = io.StringIO()
    with Progress("prog", WORK, log):
        end = time.monotonic() + 30.0
        while log.getvalue().count("\n") < 2 and time.monotonic() < end:
            time.sleep(0.01)
    lines = log.getvalue().splitlines()
    assert len(lines) >= 2 and all(line.startswith("prog: 83 % done, about ") for line in lines)


def test_memory_is_that_of_the_system():
    before, block = used_memory(), bytearray(300_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert used_memory() > before or used_memory() > 300_000_000
    assert free_memory() is None or free_memory() > used_memory()
