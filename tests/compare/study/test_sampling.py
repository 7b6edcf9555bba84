import numpy as np
import pytest
from numpy.testing import assert_array_equal

from compare.study import folder as folders
from compare.study import sampling
from compare.study.folder import RunFolder
from compare.study.sampling import initial_noise, sample
from tests.compare.fakes import Blur
from theory.samplers import ddim
from theory.schedules import CosineSchedule

SCHEDULE = CosineSchedule()
NOISE = initial_noise(0, range(5), (1, 6, 7))
STEPS = 4
OPTIONS = dict(schedule=SCHEDULE, steps=STEPS, patch_sizes=[1, 3, 5, 3])


class Counted(Blur):
    """Counts its calls, and is killed at the one given."""

    def __init__(self, kill_at=None):
        super().__init__()
        self.calls, self.kill_at = 0, kill_at

    def denoise(self, x, sigma, patch_size=None, labels=None, strength=None):
        self.calls += 1
        if self.calls == self.kill_at:
            raise KeyboardInterrupt
        x0 = super().denoise(x, sigma, patch_size, strength=strength)
        return x0 + (0 if labels is None else labels[:, None, None, None])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Groups of three and two samples, and every step kept."""
    monkeypatch.setattr(folders, "KEEP_EVERY", 0.0)
    monkeypatch.setattr(sampling, "GROUP", 3)
    return RunFolder(tmp_path / "run", {})


def test_groups_do_not_show(folder):
    assert_array_equal(sample(folder, "a b", Blur(), NOISE, **OPTIONS, grouped=True), ddim(Blur(), NOISE, **OPTIONS))
    assert {path.name.rpartition("-")[0] for path in (folder.path / "parts").iterdir()} == {"a-b-0-2", "a-b-3-4"}


def test_together_is_one_part_that_is_read_back(folder):
    strengths = [0.0, 0.1, 0.2, 0.3]
    once = Counted()
    got = sample(folder, "a b", once, NOISE, **OPTIONS, strengths=strengths)
    assert_array_equal(got, ddim(Counted(), NOISE, **OPTIONS, strengths=strengths))
    assert [path.name.rpartition("-")[0] for path in (folder.path / "parts").iterdir()] == ["a-b"]
    assert_array_equal(sample(folder, "a b", once, NOISE, **OPTIONS, strengths=strengths), got)
    assert once.calls == STEPS


def test_labels_go_with_their_samples(folder):
    labels = np.arange(5)
    whole = ddim(Counted(), NOISE, SCHEDULE, STEPS, labels=labels)
    got = sample(folder, "a", Counted(), NOISE, SCHEDULE, STEPS, labels=labels, grouped=True)
    assert_array_equal(got, whole)


@pytest.mark.parametrize("kill_at", range(1, 9))
def test_a_kill_loses_at_most_one_step(folder, kill_at):
    """Two groups of 4 steps: killed at any of the 8 calls, the rest takes 9 - kill_at calls, and the same bits."""
    with pytest.raises(KeyboardInterrupt):
        sample(folder, "a", Counted(kill_at), NOISE, **OPTIONS, grouped=True)
    rest = Counted()
    got = sample(folder, "a", rest, NOISE, **OPTIONS, grouped=True)
    assert rest.calls == 9 - kill_at
    assert_array_equal(got, ddim(Blur(), NOISE, **OPTIONS))
    assert not [*(folder.path / "parts").glob("*steps*")]


def test_time_counts_every_sitting(folder, monkeypatch):
    clock = iter(np.arange(0.0, 1000.0))
    monkeypatch.setattr(folders.time, "monotonic", lambda: next(clock))
    with pytest.raises(KeyboardInterrupt):
        sample(folder, "a", Counted(3), NOISE, **OPTIONS, grouped=True)
    sample(folder, "a", Counted(), NOISE, **OPTIONS, grouped=True)
    assert folder.seconds == 2 * STEPS
