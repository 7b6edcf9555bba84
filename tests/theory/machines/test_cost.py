"""What a call will cost: pairs as counted one by one, seconds as the trials say."""

import numpy as np
import pytest

from tests import naive
from tests.theory.cases import MACHINES, data
from theory import CovarianceLocalScore, FilteredScore, LocalScore, PatchSetScore, UserError, WienerScore
from theory.machines import cost

COUNTED = {"ideal": 1, "local": 20, "equivariant": 20, "els-circular": 400}


@pytest.mark.parametrize("name", COUNTED)
def test_pairs_are_those_of_the_loops(rng, name):
    assert MACHINES[name](data(rng, (2, 5, 4), 7)).cost(3, 0.5).pairs == 3 * 7 * COUNTED[name]


def test_pairs_of_the_boundary_broken_machine_and_of_other_sizes(rng):
    machine = MACHINES["els-zeros"](data(rng, (2, 5, 4), 7))
    for k in (3, 5):
        each = sum(len(naive.candidates(a, b, 5, 4, k, "zeros", True, False)) for a in range(5) for b in range(4))
        assert machine.cost(2, 0.5, patch_size=k).pairs == 2 * 7 * each


def test_pairs_of_patches_and_filters(rng):
    images = data(rng, (2, 5, 4), 7)
    ones = np.ones((3, 2, 5, 4))
    for machine, each in ((PatchSetScore(images, 3), 6), (PatchSetScore(images, masks=ones), 3),
                          (FilteredScore(images, ones, ones, "translates"), 60), (CovarianceLocalScore(images), 40)):
        assert machine.cost(2, 0.5).pairs == 2 * 7 * each


def test_all_machines_say_what_they_take(rng):
    images = data(rng, (2, 5, 4), 7)
    for make in (*MACHINES.values(), WienerScore):
        found = make(images).cost(2, 0.5)
        assert found.seconds > 0.0 and found.bytes >= images.nbytes


@pytest.mark.parametrize("fixed", [0.0, 5.0])
def test_seconds_follow_from_a_trial_of_a_part(monkeypatch, fixed):
    """A call of 0.01 s a block, with or without a fixed part, on a clock of our own."""
    clock, asked = [0.0], []

    def run(order):
        asked.append(len(order))
        clock[0] += fixed + 0.01 * len(order)

    monkeypatch.setattr(cost.time, "perf_counter", lambda: clock[0])
    whole = cost.predicted_seconds(run, np.arange(4000), 1)
    assert whole == pytest.approx(fixed + 40.0, rel=1e-6)
    assert max(asked) < 400


def test_what_is_refused(rng):
    machine = LocalScore(data(rng, (1, 3, 3)), 3)
    with pytest.raises(UserError, match="batch: got 0, want an integer of at least 1"):
        machine.cost(0, 0.5)
    with pytest.raises(UserError, match="sigma: got"):
        machine.cost(1, -1.0)
    with pytest.raises(UserError, match="steps: got an option that LocalScore has not"):
        machine.cost(1, 0.5, steps=3)
