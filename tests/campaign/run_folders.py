"""Runs that die or fail at each of their writes, and runs killed at any time, are taken up to the identical result."""

from __future__ import annotations

import errno
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tests.campaign import FAULT
from tests.campaign.commands import (
    COMMANDS,
    LEFTOVER,
    Command,
    Ended,
    brief,
    call,
    copy,
    ended,
    fork,
    forked,
    one_thread,
    outcome,
    sandbox,
    state,
)
from tests.campaign.interception import intercepted, line_of_code

DIES = "dies"
FAULTS = (DIES, "ENOSPC", "EIO", "EACCES")
LASTING = ("ENOSPC",)  # a full disk stays full until the process has ended
WRITES = ("open", "write", "fsync", "replace", "rename", "mkdir")
ROUND = 60  # cases of one walk
BY_CHANCE = 0.3  # share of the time for kills at any time


class Case(NamedTuple):
    """A run that met a fault at its n-th call, in a folder of its own."""

    number: int
    call: str
    path: str
    fault: str
    folder: str
    status: int | None
    said: str


class Warm:
    """A command that ran once in this process, so that forked children start at once, and what it left then."""

    def __init__(self, name: str, top: Path):
        one_thread()
        self.name, self.command, self.top = name, COMMANDS[name], top / name
        self.top.mkdir()
        first = sandbox(self.top / "first")
        here = Path.cwd()
        try:
            os.chdir(first)
            assert call(self.command) == 0, f"{name} does not run"
        finally:
            os.chdir(here)
        started = time.monotonic()
        self.fresh = sandbox(self.top / "fresh")
        once = forked(lambda: call(self.command), copy(self.fresh, self.top / "once"))
        assert once.status == 0, once.said
        self.seconds, self.expected = time.monotonic() - started, outcome(self.top / "once")
        assert self.expected == outcome(first), f"{name} is no function of its command"
        self.resumed: dict[str, str | None] = {}

    def resume(self, folder: Path) -> str | None:
        """Run the command again in a folder; return what is wrong with it then, or None. Each state is tried once."""
        found = state(folder)
        if found not in self.resumed:
            self.resumed[found] = self.verdict(forked(lambda: call(self.command), folder), folder)
        return self.resumed[found]

    def verdict(self, run: Ended, folder: Path) -> str | None:
        """Return what is wrong with a run that met no fault itself, or None."""
        if run.status != 0:
            return None if is_one_line(run) else f"then {how_it_ended(run)}"
        left = outcome(folder)
        differ = sorted(name for name in {*left, *self.expected} if left.get(name) != self.expected.get(name))
        return f"then differs in {', '.join(differ)}" if differ else None


def run(seed: int, minutes: float) -> Counter:
    """Search until the minutes are over; see `tests.campaign`."""
    end, counts, rng = time.monotonic() + 60 * minutes, Counter(), np.random.default_rng(seed)
    with brief(), tempfile.TemporaryDirectory() as top:
        warm = [Warm(name, Path(top)) for name in tqdm(COMMANDS, desc="commands", disable=None)]
        started = time.monotonic()
        for i, command in enumerate(warm):
            share = started + (1 - BY_CHANCE) * (end - started) * (i + 1) / len(warm)
            counts += every_call(command, rng, until=share)
        while time.monotonic() < end:
            counts += kills(warm[rng.integers(len(warm))], rng)
    return counts


def few(seed: int, names: Sequence[str], cases: int) -> Counter:
    """Try so many cases of each command, and kill it until it is done: what CI has time for."""
    rng, counts = np.random.default_rng(seed), Counter()
    with brief(), tempfile.TemporaryDirectory() as top:
        for name in names:
            warm = Warm(name, Path(top))
            counts += every_call(warm, rng, most=cases) + kills(warm, rng)
    return counts


def every_call(warm: Warm, rng: np.random.Generator, until: float = np.inf, most: int | None = None) -> Counter:
    """Let a run die, and fail, at its calls that change files: at one of each line of code first, then at the others.

    most: how many cases; none but those of a line's first if there are enough
    """
    calls = _calls(warm)
    firsts, others = _wanted(calls, rng)
    counts = Counter({f"{warm.name}: calls there are, with each fault": len(firsts) + len(others),
                      f"{warm.name}: lines of code there are, with each fault": len(firsts)})
    order = [*firsts, *others][:most]
    with tqdm(total=len(order), desc=f"{warm.name}: calls", disable=None) as bar:
        for start in range(0, len(order), ROUND):
            for case in _cases(warm, sorted(order[start : start + ROUND]), until):
                bar.update()
                counts[f"{warm.name}: died at a call" if case.fault == DIES else f"{warm.name}: a call failed"] += 1
                counts[f"{warm.name}: lines of code tried, with each fault"] += (case.number, case.fault) in firsts
                wrong = _wrong(warm, case)
                if wrong:
                    at = f"call {case.number} ({case.call} of {case.path}, {calls[case.number][1]})"
                    counts[f"{FAULT}{warm.name}, {at}, {case.fault}: {wrong}"] += 1
    return counts


def kills(warm: Warm, rng: np.random.Generator) -> Counter:
    """Run a command to its end through kills at any time."""
    counts, folder = Counter(), Path(tempfile.mkdtemp(dir=warm.top))
    work = copy(warm.fresh, folder / "work")
    for _ in range(20):
        run = forked(lambda: call(warm.command), work, kill_after=10 ** rng.uniform(-1.5, 0.1) * warm.seconds)
        if run.status != -signal.SIGKILL:
            break
        counts[f"{warm.name}: killed at any time"] += 1
    else:
        run = forked(lambda: call(warm.command), work)
    wrong = warm.verdict(run, work)
    counts[f"{warm.name}: finished through kills"] += 1
    if wrong:
        counts[f"{FAULT}{warm.name}, killed {counts[f'{warm.name}: killed at any time']} times: {wrong}"] += 1
    return counts


def is_one_line(run: Ended) -> bool:
    """Whether a run ended as on a user's error."""
    lines = [line for line in run.said.splitlines() if "made again" not in line and ": about " not in line]
    return run.status == 2 and len(lines) == 1 and "error: " in lines[0]


def how_it_ended(run: Ended) -> str:
    """The last line of what a run said, or for one that hung the line of code in which it did."""
    lines = run.said.strip().splitlines() or ["nothing said"]
    if run.status is not None:
        return f"ended with status {run.status}: {lines[-1][-300:]}"
    return "hung: " + next((line.strip() for line in lines if line.startswith("  File ")), lines[-1])[-300:]


# The walk: one run, which at each of its calls is forked for each fault, in a copy of the sandbox


def _wanted(calls: Sequence[tuple[str, str]], rng: np.random.Generator) -> tuple[list, list]:
    """(number of the call, fault): one for each line of code, call and fault, by chance; and all others."""
    cases = [(number, fault) for number, (name, _) in enumerate(calls) for fault in FAULTS
             if fault == DIES or name in WRITES]
    order = [cases[i] for i in rng.permutation(len(cases))]
    firsts = list({(*calls[number], fault): (number, fault) for number, fault in order}.values())
    chosen = set(firsts)
    return firsts, [case for case in order if case not in chosen]


def _calls(warm: Warm) -> list[tuple[str, str]]:
    """Name and line of code of the calls of a whole run."""
    log = warm.top / "calls"

    def work():
        with log.open("w") as file, intercepted(lambda name, _: print(name, line_of_code(), file=file, flush=True)):
            return call(warm.command)

    run = forked(work, copy(warm.fresh, Path(tempfile.mkdtemp(dir=warm.top)) / "work"))
    assert run.status == 0, run.said
    return [(name, line) for name, _, line in (text.partition(" ") for text in log.read_text().splitlines())]


def _cases(warm: Warm, wanted: Sequence[tuple[int, str]], until: float) -> Iterator[Case]:
    """Yield each case when its run has ended."""
    top = Path(tempfile.mkdtemp(dir=warm.top))
    log, work = top / "cases", copy(warm.fresh, top / "work")
    log.touch()
    walker = fork(lambda: _walk(warm.command, wanted, top, log, until), work, top / "walker.stderr")
    read, done = 0, False
    while not done:
        done = os.waitpid(walker, os.WNOHANG)[0] != 0
        lines = log.read_text().splitlines()
        for line in lines[read:]:
            yield Case(*json.loads(line))
        read = len(lines)
        time.sleep(0.01)


def _walk(command: Command, wanted: Sequence[tuple[int, str]], top: Path, log: Path, until: float) -> int:
    at: dict[int, list[str]] = {}
    for number, fault in wanted:
        at.setdefault(number, []).append(fault)
    state = {"number": -1, "fault": None}

    def before(name: str, path: str) -> None:
        if state["fault"]:  # in a child, after its fault
            if state["fault"] in LASTING and name in WRITES:
                _fail(state["fault"], name, path)
            return
        state["number"] += 1
        for fault in at.get(state["number"], ()):
            if time.monotonic() > until:
                os._exit(0)
            case = top / f"{state['number']}-{fault}"
            said = case.with_name(case.name + ".stderr")
            child = os.fork()
            if not child:
                state["fault"] = fault
                _move(case, said)
                _fail(fault, name, path)
            status = ended(child, 240.0)
            with log.open("a") as file:
                file.write(json.dumps([state["number"], name, path, fault, str(case), status, said.read_text()]) + "\n")

    with intercepted(before):
        return call(command)


def _move(case: Path, said: Path) -> None:
    """Go on in a copy of the sandbox, with the files that are open for writing too."""
    from tests.campaign.commands import speak_into

    here = Path.cwd()
    copy(here, case)
    for entry in os.listdir("/proc/self/fd"):
        try:
            path = Path(os.readlink(f"/proc/self/fd/{entry}"))
        except OSError:  # the listing's own
            continue
        if path.is_relative_to(here) and path.is_file():
            offset = os.lseek(int(entry), 0, os.SEEK_CUR)
            again = _open(case / path.relative_to(here), os.O_RDWR)
            os.lseek(again, offset, os.SEEK_SET)
            os.dup2(again, int(entry))
            os.close(again)
    os.chdir(case)
    speak_into(said)


_open: Callable = os.open  # as it is before it is intercepted


def _fail(fault: str, name: str, path: str) -> None:
    if fault == DIES:
        os.kill(os.getpid(), signal.SIGKILL)
    number = getattr(errno, fault)
    raise OSError(number, os.strerror(number), *([path] if name not in ("write", "fsync") else []))


def _wrong(warm: Warm, case: Case) -> str | None:
    """Return what is wrong with a case, or None."""
    folder = Path(case.folder)
    run = Ended(case.status, case.said)
    if case.fault == DIES:
        return warm.resume(folder)
    if case.status == 0:  # the call was one that a run does without
        return warm.verdict(run, folder)
    if not is_one_line(run):
        return how_it_ended(run)
    left = [path.name for path in folder.rglob("*") if LEFTOVER in path.name]
    if left:
        return f"left {', '.join(left)}"
    return warm.resume(folder)
