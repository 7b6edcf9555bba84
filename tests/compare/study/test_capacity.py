"""Capacity and training against the bound of the window, on networks of a few training steps."""

import json
import shutil

import matplotlib.style
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from compare import approach as command
from compare.measure.denoising_loss import noisy_training_images
from compare.report import capacity as report
from compare.report.plots import STYLE
from compare.result import capacity as own
from compare.result import schema as results
from compare.result import summary
from compare.study.config import CapacityConfig
from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.training.loop import train
from empirical.training.toy_config import TrainConfig
from theory import AttentionScore, EquivariantLocalScore, PairScore
from theory.samplers import ddim
from theory.schedules import CosineSchedule

pytestmark = pytest.mark.slow  # whole studies

SMALL = dict(count=24, batch=16)
OPTIONS = ["--samples", "6", "--points", "5", "--jobs", "1"]


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    """Width 8 for 4 steps, with a snapshot at 2, two seeds; width 12, with attention and depth."""
    folder = tmp_path_factory.mktemp("networks")
    for seed in (0, 1):
        train(TrainConfig(**SMALL, width=8, steps=4, seed=seed), folder / f"cnn-{seed}", snapshots=[2])
    train(TrainConfig(**SMALL, width=12, depth=1, steps=3, attention="learned", optimizer="muon"), folder / "deep")
    return [str(folder / name) for name in ("deep", "cnn-0", "cnn-1", "cnn-0-2")]


@pytest.fixture(scope="module")
def run(stems, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "approach"
    assert command.main(["--networks", *stems, *OPTIONS, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def dataset(run):
    return results.read(run / "approach.nc")


def test_every_network_is_named_by_its_capacity_and_training(dataset):
    results.validate(dataset)
    assert summary.variants_of(dataset) == ["cnn, width 8, 2 of 4 steps", "cnn, width 8, 4 steps",
                                            "cnn-learned, width 12, depth 1, muon, 3 steps"]
    assert dataset.training_step.values.tolist() == [2, 4, 4, 3]
    assert dataset.planned_steps.values.tolist() == [4, 4, 4, 3]
    assert dataset.subject.values.tolist()[1:3] == [f"cnn, width 8, 4 steps-{seed}" for seed in (0, 1)]


def test_losses_and_samples_are_those_of_networks_and_machines(dataset, stems):
    network, record = checkpoint.load(stems[0])
    images, schedule = TrainConfig.from_json(record["config"]).load().images, CosineSchedule()
    denoiser, local = NetworkDenoiser(network, schedule), EquivariantLocalScore(images, 5)
    assert own.window_machine(dataset) == "els k=5"
    for i in (3, 12):
        x0, x, sigma = noisy_training_images(images, 5, 0, schedule, (i + 1) / 20)
        of_network = dataset.network_loss.sel(subject="cnn-learned, width 12, depth 1, muon, 3 steps-0")
        of_machine = dataset.machine_loss.sel(machine="els k=3")
        for losses, output in ((of_network, denoiser.denoise(x, sigma)),
                               (of_machine, local.denoise(x, sigma, patch_size=3))):
            kept = losses.isel(step=i)
            assert_allclose(kept, ((output - x0) ** 2).mean(axis=(1, 2, 3)) / sigma**2, rtol=1e-5)
    drawn = dataset.generated.sel(network="cnn-learned, width 12, depth 1, muon, 3 steps/seed0/150")
    assert_allclose(drawn, ddim(denoiser, dataset.noise.values, schedule, steps=150), atol=1e-5)
    expected = ddim(local, dataset.noise.values, schedule, steps=20, patch_sizes=[3] * 20)
    assert_allclose(dataset.predicted.sel(machine="els k=3"), expected, atol=1e-5)


def test_closed_forms_are_asked_as_derived(dataset, stems):
    _, record = checkpoint.load(stems[0])
    images, schedule = TrainConfig.from_json(record["config"]).load().images, CosineSchedule()
    assert own.closed_forms(dataset) == ["pair as derived", "uniform as derived"]
    x0, x, sigma = noisy_training_images(images, 5, 0, schedule, 0.5)
    for name, machine, strength in (("pair as derived", PairScore(images, 5), 1.0),
                                    ("uniform as derived", AttentionScore(images, 5), 0.04)):
        output = machine.denoise(x, sigma, patch_size=5, strength=strength)
        kept = dataset.machine_loss.sel(machine=name).isel(step=9)
        assert_allclose(kept, ((output - x0) ** 2).mean(axis=(1, 2, 3)) / sigma**2, rtol=1e-5)
        drawn = ddim(machine, dataset.noise.values, schedule, steps=20, patch_sizes=[5] * 20, strengths=[strength] * 20)
        assert_allclose(dataset.predicted.sel(machine=name), drawn, atol=1e-5)
        assert dataset.strength.sel(machine=name).values.tolist() == [strength] * 20


def test_closed_forms_can_be_left_out(stems, tmp_path, drawn):
    out = tmp_path / "bare"
    assert command.main(["--networks", stems[1], *OPTIONS, "--closed-forms", "--out", str(out)]) == 0
    bare = results.read(out / "approach.nc")
    assert own.machines(bare) == ["ideal", "els k=3", "els k=5"] and not own.closed_forms(bare)
    assert "derived" not in (out / "table.txt").read_text()
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert titles == ["loss of eps above els k=5", "median r2 with els k=5", "share consistent"]


def test_loss_is_over_all_seeds_and_paired_with_the_bound(dataset):
    name = "cnn, width 8, 4 steps"
    each = [dataset.network_loss.sel(subject=f"{name}-{seed}").mean() for seed in (0, 1)]
    bound = dataset.machine_loss.sel(machine="els k=5").mean()
    assert_allclose(own.loss(dataset, name).estimate, np.mean(each), rtol=1e-6)
    above = own.loss(dataset, name, "els k=5")
    assert_allclose(above.estimate, np.mean(each) - bound, rtol=1e-5)
    assert above.low > 0.0                                          # networks of four steps do not reach the optimum
    assert own.loss(dataset, "ideal").estimate <= bound


def test_it_writes_a_table_and_a_figure(run, dataset):
    text = (run / "table.txt").read_text()
    assert "median r2 with els k=5  with ideal" in text and "with els k=3  " in text
    assert "mean r2 above els k=5: pair as derived" in text
    assert "cnn, width 8, 2 of 4 steps" in text and "loss minus els k=5" in text and "nan" not in text
    assert (np.asarray(Image.open(run / "figures" / "approach.png").convert("RGB")) != 255).any(axis=-1).mean() > 0.01
    shown = Figure()
    with matplotlib.style.context(STYLE):
        report.REPORT.pictures(dataset)["approach.png"].draw(shown, dataset)
    loss, _, _, first_form, _, _ = shown.axes
    curve = next(drawn for drawn in loss.containers if drawn.get_label() == dataset.capacity.values[1])
    above = [own.loss(dataset, f"cnn, width 8, {steps}", "els k=5").estimate for steps in ("2 of 4 steps", "4 steps")]
    assert curve.lines[0].get_xdata().tolist() == [2, 4]
    assert_allclose(curve.lines[0].get_ydata().astype(float), above)
    assert first_form.get_title() == f"r2 above els k=5:\n{own.closed_forms(dataset)[0]}"


def test_a_finished_run_is_left_alone(run, stems, capsys):
    before = (run / "approach.nc").read_bytes()
    assert command.main(["--networks", *stems, *OPTIONS, "--out", str(run)]) == 0
    assert (run / "approach.nc").read_bytes() == before and "is done" in capsys.readouterr().err


def test_weights_are_in_the_record(dataset, stems):
    config = json.loads(dataset.attrs["config_json"])
    assert_array_equal(config["networks"], stems)
    assert set(config["weights"]) == set(stems) and len(set(config["weights"].values())) == 4


@pytest.mark.parametrize("wrong, said", [
    (["--networks", "nothing"], "nothing"),
    (["--networks", "mnist/resnet"], "toy networks"),
    (["--networks", "toy/cnn-0", "--patch-sizes", "4"], "patch_sizes"),
    (["--networks", "toy/cnn-0", "--points", "0"], "points"),
    (["--networks", "toy/cnn-0", "toy/cnn-0"], "each once"),
])
def test_user_errors_take_one_line(wrong, said, tmp_path, capsys):
    assert command.main([*wrong, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_two_of_one_training_are_refused(stems, tmp_path, capsys):
    copy = tmp_path / "copy"
    for end in ("json", "safetensors"):
        shutil.copy(f"{stems[1]}.{end}", f"{copy}.{end}")
    assert command.main(["--networks", stems[1], str(copy), *OPTIONS, "--out", str(tmp_path / "out")]) == 2
    assert "two of one capacity, training and seed" in capsys.readouterr().err


def test_a_config_knows_what_it_cannot_be():
    with pytest.raises(ValueError, match="^network_steps: got 0, want at least 1"):
        CapacityConfig(network_steps=(0,))
    with pytest.raises(ValueError, match="^closed_forms: got pair pair, want each once"):
        CapacityConfig(closed_forms=("pair", "pair"))
