"""A run that is dealt out to several processes: each does its share, and together they are the run."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from compare.cli import shard
from compare.study.folder import Elsewhere, RunFolder, Share, SharedFolder
from compare.study.images import image_study
from compare.study.pipeline import WHOLE, Run, carry_out
from compare.study.sampling import sample
from tests.compare.fakes import Blur
from tests.compare.study.test_images import CONFIG, RECORD, networks, training
from tests.compare.study.test_sampling import NOISE, OPTIONS
from theory import UserError


def draw(folder, denoiser=None):
    return sample(folder, "predicted blur", denoiser or Blur(), NOISE, **OPTIONS, grouped=True)


@pytest.fixture(autouse=True)
def groups_of_one(monkeypatch):
    monkeypatch.setattr("compare.study.sampling.GROUP", 1)


def names(path):
    return {file.name for file in (path / "parts").glob("*.npz")}


def test_shares_do_what_is_theirs_and_no_more(tmp_path):
    seen = set()
    for number in (1, 2, 3):
        folder = SharedFolder(tmp_path / "run", {}, share=Share(number, 3))
        with pytest.raises(Elsewhere):
            draw(folder)
        folder.close()
        new = names(tmp_path / "run") - seen
        assert len(new) == {1: 2, 2: 2, 3: 1}[number]
        seen |= new
    whole = RunFolder(tmp_path / "run", {})
    images = draw(whole, denoiser=object())  # nothing is left to be asked
    alone = draw(RunFolder(tmp_path / "alone", {}))
    assert_array_equal(images, alone)


def test_what_all_need_is_made_once_at_a_time(tmp_path):
    """Two shares come to one part: the second waits for the first, and reads."""
    folders = [SharedFolder(tmp_path / "run", {}, share=Share(number, 2)) for number in (1, 2)]
    begun, go, made = threading.Event(), threading.Event(), []

    def make():
        made.append(1)
        begun.set()
        assert go.wait(30)
        return {"value": np.arange(3.0)}

    first = threading.Thread(target=folders[0].cached, args=("fit", make))
    first.start()
    assert begun.wait(30)
    second = threading.Thread(target=folders[1].cached, args=("fit", make))
    second.start()
    go.set()
    first.join(30)
    second.join(30)
    assert made == [1] and not first.is_alive() and not second.is_alive()


def test_a_lock_that_a_dead_process_left_binds_nobody(tmp_path):
    folder = SharedFolder(tmp_path / "run", {}, share=Share(1, 2))
    folder.part_file("fit").with_suffix(".lock").write_text("")
    (tmp_path / "run" / "parts" / ".fit.0123456789abcdef.tmp.npz").write_bytes(b"half")
    assert folder.cached("fit", lambda: {"value": np.ones(2)})["value"].sum() == 2.0


def test_shares_and_whole_runs_do_not_meet(tmp_path):
    share = SharedFolder(tmp_path / "run", {}, share=Share(1, 2))
    for kind in (SharedFolder, RunFolder):
        with pytest.raises(UserError, match="another process works in"):
            kind(tmp_path / "run", {}, share=Share(1, 2))
    other = SharedFolder(tmp_path / "run", {}, share=Share(2, 2))
    share.close()
    other.close()
    whole = RunFolder(tmp_path / "run", {})
    with pytest.raises(UserError, match="another process works in"):
        SharedFolder(tmp_path / "run", {}, share=Share(1, 2))
    whole.close()


@pytest.mark.slow
def test_three_shares_merged_are_the_study(tmp_path):
    data = training()
    study = lambda: image_study(networks(data), data, CONFIG, RECORD, snapshots={5: networks(data)[1]})
    for number in (3, 1, 2):
        folder = SharedFolder(tmp_path / "run", CONFIG.to_json(), share=Share(number, 3))
        with pytest.raises(Elsewhere):
            WHOLE.make(Run(study(), folder))
        folder.close()
    whole, alone = RunFolder(tmp_path / "run", CONFIG.to_json()), RunFolder(tmp_path / "alone", CONFIG.to_json())
    before = names(tmp_path / "run")
    merged = carry_out(study(), whole, "")
    assert names(tmp_path / "run") == before
    assert merged.drop_attrs(deep=False).identical(carry_out(study(), alone, "").drop_attrs(deep=False))


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2", ""])
def test_shares_are_numbered_from_one(text):
    assert shard("2/3") == (2, 3)
    with pytest.raises(Exception, match="want I/N with 1 <= I <= N"):
        shard(text)
