"""compare.run and compare.calibrate on a small data set of the tests' own, from training to figures."""

import json
import os
import shutil
import signal
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import compare.study.folder
from compare import calibrate, run
from compare.result import schema as results
from compare.study.machines import training_set_of
from compare.study.networks import image_training_set as training_set
from compare.study.networks import recipes_of, snapshots
from empirical import checkpoint
from empirical.datasets import load
from tests.compare.commands import same_numbers, status

pytestmark = pytest.mark.slow  # trainings and whole runs

OPTIONS = ["--size", "8", "--preset", "tiny", "--training-steps", "4", "--quick", "--samples", "3", "--seed", "5",
           "--steps", "3", "--network-steps", "3", "4", "--patch-sizes", "3", "5"]


@pytest.fixture(scope="module", autouse=True)
def short_sheets():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("empirical.training.sample_grid.GRID_STEPS", 1)
        yield


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """24 training images of two classes, 8 test images, 8 x 8 in three colours."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "dots.npz"
    images = rng.integers(0, 256, size=(32, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(32) % 2
    np.savez(path, x_train=images[:24], y_train=labels[:24], x_test=images[24:], y_test=labels[24:])
    return path


@pytest.fixture(scope="module")
def finished(file, tmp_path_factory):
    """A run's folder, complete: ResNet with and without attention, class-conditional, their training followed."""
    out = tmp_path_factory.mktemp("runs") / "dots"
    assert run.main([*arguments(file), "--conditional", "--attention", "none", "identity", "--snapshots", "--out",
                     str(out)]) == 0
    return out


def arguments(file):
    return ["--dataset", f"npz:{file}", *OPTIONS]


def test_writes_what_it_says(finished):
    files = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert {"config.json", "result.nc", "table.txt", "networks/resnet-0.safetensors",
            "networks/resnet-identity-0.safetensors", *(f"figures/{name}.png" for name in (
                "pairs", "scatter", "scales", "path", "training"))} <= files
    assert not [name for name in files if "tmp" in name or "-steps-" in name]


def test_the_record_leads_back_to_data_and_networks(finished, file):
    result = results.load(finished / "result.nc")
    config = json.loads(result.attrs["config_json"])
    assert config["dataset"] == f"npz:{file}" and config["conditional"] and config["boundary"] == "zeros"
    assert config["networks"]["resnet-identity-0"]["attention"] == "identity"
    assert config["networks"]["resnet-identity-0"]["steps"] == 4
    fingerprint = result.attrs["data_fingerprint"]
    assert training_set_of(result).fingerprint == fingerprint == load(f"npz:{file}", size=8).fingerprint
    assert result.network.values.tolist() == [f"{variant}/seed0/{steps}" for variant in ("resnet", "resnet-identity")
                                              for steps in (3, 4)]
    assert result.snapshot_step.values.tolist() == [1, 2, 4]
    assert result.attrs["validation_images"] == "test split"
    assert "identity fitted to resnet-identity" in result.machine


def test_checkpoints_instead_of_training(finished, file, tmp_path, monkeypatch):
    """The networks of a run, given as files, make the same result."""
    monkeypatch.setattr("compare.report.report.Report.draw", lambda *_: [])
    stems = [str(finished / "networks" / name) for name in ("resnet-0.safetensors", "resnet-identity-0")]
    options = [option for option in arguments(file) if option not in ("--size", "8", "--preset", "tiny",
                                                                      "--training-steps", "4")]
    options[options.index("--network-steps") + 2:options.index("--network-steps") + 2] = ["4"]
    out = tmp_path / "again"
    assert run.main([*options, "--checkpoint", *stems, "--snapshots", "--out", str(out)]) == 0
    same_numbers(results.load(out / "result.nc"), results.load(finished / "result.nc"))
    assert not (out / "networks").exists()


def test_other_images_than_the_network_s_are_refused(finished, tmp_path, capsys):
    """The same file name with other content: the fingerprint tells."""
    stem = tmp_path / "resnet-0"
    for suffix in (".safetensors", ".json"):
        shutil.copy(finished / "networks" / f"resnet-0{suffix}", f"{stem}{suffix}")
    other, record = tmp_path / "other.npz", json.loads((tmp_path / "resnet-0.json").read_text())
    rng = np.random.default_rng(1)
    np.savez(other, x_train=rng.integers(0, 256, size=(24, 8, 8, 3), dtype=np.uint8), y_train=np.arange(24) % 2)
    record["config"]["dataset"] = f"npz:{other}"
    (tmp_path / "resnet-0.json").write_text(json.dumps(record))
    assert run.main(["--dataset", f"npz:{other}", "--checkpoint", str(stem), "--out", str(tmp_path / "run")]) == 2
    assert "want the images that it was trained on" in capsys.readouterr().err


def test_again_says_that_it_is_done(finished, file, capsys):
    before = (finished / "result.nc").read_bytes()
    assert run.main([*arguments(file), "--conditional", "--attention", "none", "identity", "--snapshots", "--out",
                     str(finished), "--verbose"]) == 0
    out, err = capsys.readouterr()
    assert "is done" in err and out.startswith(f"npz:{file}: 24 training images of 3 x 8 x 8, class-conditional, zeros")
    assert (finished / "result.nc").read_bytes() == before


def test_a_stop_leaves_what_can_be_taken_up(file, tmp_path, capsys, monkeypatch):
    """Stopped in a machine's sampling, the run ends with the signal's status, and later in the same numbers."""
    monkeypatch.setattr("compare.report.report.Report.draw", lambda *_: [])
    one, other = tmp_path / "one", tmp_path / "other"
    assert run.main([*arguments(file), "--out", str(other)]) == 0
    monkeypatch.setattr(compare.study.folder, "KEEP_EVERY", 0.0)
    denoise, calls = compare.study.folder.CachedDenoiser.denoise, []

    def stopped(self, *args, **options):
        calls.append(args)
        if len(calls) == 12:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return denoise(self, *args, **options)

    monkeypatch.setattr(compare.study.folder.CachedDenoiser, "denoise", stopped)
    capsys.readouterr()
    assert run.main([*arguments(file), "--out", str(one)]) == 128 + signal.SIGTERM
    forecast, stopped = capsys.readouterr().err.splitlines()
    assert ": about " in forecast and "goes on from what is done" in stopped and not (one / "result.nc").exists()
    assert [*(one / "parts").glob("*steps-*.npz")]
    assert run.main([*arguments(file), "--out", str(one)]) == 0
    same_numbers(results.load(one / "result.nc"), results.load(other / "result.nc"))


def test_calibrate_finds_what_run_finds(finished, tmp_path, capsys):
    """On the same seed; and writes only what it is for."""
    stems = [str(finished / "networks" / name) for name in ("resnet-0", "resnet-identity-0")]
    out = tmp_path / "scales"
    arguments = [*stems, "--samples", "2", "--steps", "3", "--seed", "5", "--patch-sizes", "3", "5", "--out", str(out)]
    assert calibrate.main(arguments) == 0
    assert capsys.readouterr().out.startswith("Fitted with 2 draws that are not evaluated, step 0 (least noise, t = 1/")
    alone, result = results.read(out / "calibration.nc"), results.load(finished / "result.nc")
    for name in ("fitted_patch_size", "fitted_patch_size_by_draw", "patch_size_loss"):
        assert_array_equal(alone[name], result[name])
    assert {path.name for path in out.iterdir()} - {".lock"} == {"config.json", "parts", "calibration.nc", "table.txt",
                                                               "summary.csv", "figures"}
    assert [path.name for path in (out / "figures").iterdir()] == ["scales.png"]
    assert json.loads(alone.attrs["seeds_json"])["calibration_samples"] == [1_000_000, 1_000_001]


def test_validation_images_are_none_of_the_training_images(finished, file, tmp_path):
    """From the test split; else from what the subset left; else none."""
    recipe = recipes_of([finished / "networks" / "resnet-0"])[0]
    data = training_set(recipe, 3)
    assert data.validation.source == "test split" and len(data.validation.images) == 3
    assert set(data.validation.labels) <= {0, 1} and data.classes.tolist() == [0, 1]
    assert data.count(np.array([0, 1, 1])).tolist() == [12, 12, 12] and data.count(None) == 24

    whole = tmp_path / "whole.npz"
    with np.load(file) as arrays:
        np.savez(whole, x=arrays["x_train"], y=arrays["y_train"])
    fields = recipe.to_json() | {"dataset": f"npz:{whole}", "subset": 20}
    data = training_set(type(recipe).from_json(fields), 3)
    assert data.validation.source == "images that the subset left" and len(data.validation.images) == 3
    taken = {image.tobytes() for image in data.images}
    assert len(data.images) == 20 and not [i for i in data.validation.images if i.tobytes() in taken]
    assert training_set(type(recipe).from_json(fields | {"subset": None}), 3).validation is None


def test_snapshots_are_in_order_and_none_of_others(finished):
    found = snapshots(finished / "networks" / "resnet-0")
    assert [(step, path.name) for step, path in found] == [(1, "resnet-0-1"), (2, "resnet-0-2")]
    assert checkpoint.load(found[0][1]).metadata["step"] == 1


@pytest.mark.parametrize("wrong, says", [
    (["--subset", "99"], "subset: got 99, want 1 to 24"),
    (["--network", "toy"], "invalid choice"),
    (["--attention", "top2"], "invalid choice"),
    (["--rules", "luck"], "rules: got 'luck', want some of: mse, validation, entropy"),
    (["--patch-sizes", "4"], "patch_sizes: got 4, want odd"),
    (["--samples", "0"], "samples: got 0"),
    (["--training-seeds", "1", "1"], "each variant and seed once"),
    (["--variants", "cnn"], "--variants: got it with --dataset npz:"),
    (["--retrain"], "--retrain: got it with"),
    (["--checkpoint", "nowhere"], "--size: got it with --checkpoint"),
    (["--training-steps", "0"], "steps: got 0"),
    (["--jobs", "0"], "--jobs: got 0"),
])
def test_user_errors_take_one_line(file, wrong, says, tmp_path, capsys):
    assert status(run.main, [*arguments(file), "--out", str(tmp_path / "out"), *wrong]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("python -m compare.run: error: ") and err.count("\n") == 1 and says in err and not out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("main, argv, says", [
    (run.main, ["--dataset", "npz:nowhere.npz"], "found no file nowhere.npz"),
    (run.main, ["--dataset", "mnist", "--checkpoint", "cnn-0"], "a toy network"),
    (run.main, ["--dataset", "mnist", "--checkpoint", "nowhere"], "found no nowhere"),
    (calibrate.main, ["nowhere"], "found no nowhere"),
    (calibrate.main, ["cnn-0"], "a toy network"),
    (calibrate.main, ["cnn-0", "--jobs", "0"], "--jobs: got 0"),
])
def test_errors_without_a_run_take_one_line(main, argv, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status(main, argv) == 2
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "error: " in err and says in err and not out
