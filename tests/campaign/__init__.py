"""Long searches for faults: what CI does in seconds, for as long as one likes.

  python -m tests.campaign --minutes 60

A part of the campaign is a module of PARTS with a docstring, whose first line says what it searches, and

    run(seed: int, minutes: float) -> Counter

It goes on until its minutes are over (or what it has to try is at an end) and counts what it did, by names in plain
words, as "calls fuzzed" or "processes killed". A fault that it finds does not end it: it is one more count, under FAULT
and one line that says how to see it again. The same seed tries the same things in the same order. Tests of CI call the
functions of the same modules with a few fixed seeds.
"""

from __future__ import annotations

FAULT = "fault: "
"""How the names of counted faults begin."""

PARTS: tuple[str, ...] = ("tests.campaign.damage", "tests.campaign.run_folders", "tests.campaign.machines")
"""Modules, in the order in which they are run; each gets the same share of the time."""
