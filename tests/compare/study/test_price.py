"""What a study will take, asked before it is carried out."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.study.folder import RunFolder
from compare.study.images import image_study
from compare.study.machines import Machines
from compare.study.pipeline import FITS_ALONE, WHOLE, carry_out
from compare.study.place import Here
from compare.study.price import Meter, PricedMachines, _neighbours, foretell
from tests.compare.study.test_images import CONFIG, RECORD, networks, training
from theory.machines.cost import Cost


def study(data=None):
    data = data or training()
    return image_study(networks(data), data, CONFIG, RECORD)


@pytest.fixture
def priced(monkeypatch):
    """Machines that say to take a second a query."""
    monkeypatch.setattr("theory.machines.machine.ScoreMachine.cost",
                        lambda _, batch, sigma, **options: Cost(batch, 0, float(batch)))


def test_every_part_is_foretold_and_no_file_touched(tmp_path, priced):
    asked, path = study(), tmp_path / "run"
    forecast = foretell(lambda *_: asked, WHOLE, path, CONFIG.to_json(), "", Here(), 2)
    assert not path.exists()
    folder = RunFolder(path, CONFIG.to_json())
    carry_out(asked, folder, "")
    folder.close()
    made = {file.name for file in (path / "parts").iterdir()}
    assert {folder.part_file(name).name for name in forecast.parts} == made
    assert forecast.done == 0.0 and forecast.work == "3 networks, 11 machines, 3 samples"
    times = lambda: {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}
    before = times()
    again = foretell(lambda *_: asked, WHOLE, path, CONFIG.to_json(), "", Here(), 2)
    assert_allclose(again.done, again.seconds)
    folder.part_file("predicted ideal 0-2").unlink()
    some = foretell(lambda *_: asked, WHOLE, path, CONFIG.to_json(), "", Here(), 2)
    assert_allclose(some.left, some.parts["predicted ideal 0-2"])
    assert times().items() < before.items()


def test_a_machine_s_samples_take_its_steps(tmp_path, priced):
    """Three samples of one of two classes each, four steps: half of the training set counts for each query."""
    forecast = foretell(lambda *_: study(), WHOLE, tmp_path / "run", CONFIG.to_json(), "", Here(), 2)
    assert_allclose(forecast.parts["predicted els fitted to resnet 0-2"], 3 * 4 / 2)
    fits = foretell(lambda *_: study(), FITS_ALONE, tmp_path / "run", CONFIG.to_json(), "", Here(), 2)
    assert fits.seconds < forecast.seconds and not any("predicted" in name for name in fits.parts)


def test_a_folder_of_another_run_is_refused_before_any_work(tmp_path):
    RunFolder(tmp_path / "run", {"samples": 1}).close()
    with pytest.raises(ValueError, match="holds a run with other samples"):
        foretell(lambda *_: pytest.fail("worked"), WHOLE, tmp_path / "run", {"samples": 2}, "", Here(), 2)


def test_prices_between_the_sizes_that_are_tried(monkeypatch):
    asked = []

    def cost(_, batch, sigma, patch_size):
        asked.append(patch_size)
        return Cost(0, 0, 100.0 * patch_size)

    monkeypatch.setattr("theory.machines.machine.ScoreMachine.cost", cost)
    meter, data = Meter(), replace(training(), labels=None)
    els = PricedMachines(Machines(data), meter)("equivariant_local")
    x = np.zeros((16, 1, 6, 7))
    for k in (5, 5, 7):
        els.denoise(x, 1.0, patch_size=k)
    assert_allclose(meter.seconds, 500.0 + 500.0 + 700.0)
    assert asked == [3, 7]
    els.denoise_scales(x[:8], 1.0, [3, 7])
    assert_allclose(meter.seconds, 1700.0 + 150.0 + 350.0)
    assert [_neighbours(k) for k in (1, 3, 5, 9, 15, 23)] == [[1], [3], [3, 7], [7, 15], [15], [15, 31]]
