"""Machines used in any order against loops, and nonsense for each of their arguments."""

from __future__ import annotations

import time
import warnings
from collections import Counter

import numpy as np
from hypothesis import HealthCheck, Verbosity, seed, settings
from hypothesis.stateful import get_state_machine_test

from tests.campaign import FAULT
from tests.theory import test_bad_input, test_fuzz
from theory import UserError

LONG = settings(test_fuzz.CI, max_examples=40, stateful_step_count=12, derandomize=False, verbosity=Verbosity.quiet,
                suppress_health_check=list(HealthCheck))


def run(seed: int, minutes: float) -> Counter:
    """Use machines in rounds of 40 lives, and hand nonsense to 200 arguments between them."""
    counts: Counter = Counter()
    asked, end = list(test_bad_input.asked()), time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        lives(seed, counts)
        rng = np.random.default_rng(seed)
        for place in rng.integers(len(asked), size=200):
            hand_nonsense(*asked[place].values, rng, counts)
        seed += 1
    return counts


def lives(number: int, counts: Counter) -> None:
    """Forty machines in use, by one seed."""

    class Counted(test_fuzz.MachineInUse):
        def asked(self):
            counts["calls fuzzed"] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            seed(number)(get_state_machine_test(Counted, settings=LONG))()
        except Exception as error:
            counts[f"{FAULT}lives({number}): {type(error).__name__}: {' '.join(str(error).split())[:200]}"] += 1
    counts["machines used"] += LONG.max_examples


def hand_nonsense(function, good: dict, name: str, rng: np.random.Generator, counts: Counter) -> None:
    """One argument of one function, replaced by one thing that it cannot be."""
    options = test_bad_input.NONSENSE[name]
    value = options[rng.integers(len(options))]
    good = {argument: given for argument, given in good.items() if given is not None or argument == name}
    if value is None and good[name] is None and name != "no_such_option":
        return
    counts["nonsense handed in"] += 1
    called = f"{getattr(function, '__qualname__', function)}({name}={value!r})"
    try:
        function(**good | {name: value})
    except UserError as error:
        if not str(error).startswith(f"{name}: ") or "\n" in str(error):
            counts[f"{FAULT}{called}: {str(error)[:200]}"] += 1
    except Exception as error:
        counts[f"{FAULT}{called}: {type(error).__name__}"] += 1
    else:
        counts[f"{FAULT}{called}: accepted"] += 1
