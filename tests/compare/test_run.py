import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import compare.study.pipeline
import compare.study.sampling
from compare.measure.agreement import agreement
from compare.result import schema as results
from compare.run import main
from compare.study.price import PricedMachine, PricedNetwork
from compare.study.sampling import initial_noise
from empirical import consistency
from empirical.datasets import load
from tests.compare.commands import same_numbers, status

pytestmark = pytest.mark.slow  # whole runs

ARGUMENTS = ["--dataset", "toy", "--quick", "--samples", "3", "--seed", "5", "--steps", "4",
             "--variants", "cnn", "cnn-learned"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run's folder, complete."""
    out = tmp_path_factory.mktemp("runs") / "toy"
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    return out


@pytest.fixture
def folder(finished, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(finished, tmp_path / "toy")


def test_writes_what_it_says(finished):
    files = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    assert {"config.json", "result.nc", "table.txt", "figures/samples.png", "figures/consistency.png",
            "figures/r2.png"} <= files
    assert not [name for name in files if "tmp" in name]


def test_metrics_and_verdicts_follow_from_the_stored_images(finished):
    dataset = results.load(finished / "result.nc")
    again = agreement(dataset.predicted.values[:, None], dataset.generated.values[None])
    for name in again._fields:
        assert_allclose(dataset[name], getattr(again, name), rtol=1e-12)
    toy = load("toy")
    images = np.concatenate([dataset.predicted, dataset.generated])
    for source, sampled in zip(dataset.source.values, images):
        for quality in ("consistent", "clean"):
            assert_array_equal(dataset[quality].sel(source=source), getattr(consistency, quality)(sampled, toy.layout))
        assert_array_equal(dataset.novel.sel(source=source), consistency.novel(sampled, toy.images, toy.layout))


def test_same_noise_for_all_and_fits_on_other_samples(finished):
    dataset = results.load(finished / "result.nc")
    assert_array_equal(dataset.noise, initial_noise(5, range(3), (3, 4, 2)))
    machines = dataset.machine.values.tolist()
    assert {"ideal", "wiener", "local k=5", "els k=3", "els k=5", "uniform k=3 lambda=0.1", "els fitted to cnn",
            "uniform fitted to cnn-learned"} <= set(machines)
    assert_array_equal(dataset.patch_size.sel(machine="els k=3"), 3)
    assert_array_equal(dataset.patch_size.sel(machine="ideal"), 0)
    fitted = dataset.fitted_strength_by_draw.sel(attention_variant="cnn").quantile(0.5, "draw", method="lower")
    assert_array_equal(dataset.strength.sel(machine="uniform fitted to cnn"), fitted)


def test_says_where_it_came_from(finished):
    attrs = results.load(finished / "result.nc").attrs
    assert attrs["command"].startswith("python -m compare.run --dataset toy --quick")
    config = json.loads(attrs["config_json"])
    assert config["samples"] == 3 and set(config["networks"]) == {"cnn-0", "cnn-learned-0"}
    assert json.loads((finished / "config.json").read_text()) == config
    assert attrs["data_fingerprint"] == load("toy").fingerprint
    assert json.loads(attrs["seeds_json"])["calibration_samples"] == [1_000_000, 1_000_001]


def test_again_says_that_it_is_done(folder, capsys, monkeypatch):
    before = (folder / "result.nc").read_bytes()
    monkeypatch.setattr(compare.study.pipeline, "Run", lambda *_, **__: pytest.fail("ran again"))
    assert main([*ARGUMENTS, "--out", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert "is done" in err and out.startswith("2 trained networks and ")
    assert main([*ARGUMENTS, "--verbose", "--out", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("Toy set: 3 samples, seed 5")
    assert main([*ARGUMENTS, "--json", "--out", str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 3
    assert (folder / "result.nc").read_bytes() == before


def really(denoisers):
    """Those that did not only say what they would take."""
    return [denoiser for denoiser in denoisers if not isinstance(denoiser, PricedMachine | PricedNetwork)]


def test_takes_up_what_is_missing_only(folder, finished, monkeypatch, capsys):
    (folder / "result.nc").unlink()
    next((folder / "parts").glob("predicted-els-k=3-*.npz")).unlink()
    sampler, calls = compare.study.sampling.ddim, []
    monkeypatch.setattr(compare.study.sampling, "ddim", lambda *a, **k: calls.append(a[0]) or sampler(*a, **k))
    assert main([*ARGUMENTS, "--dry-run", "--out", str(folder)]) == 0
    assert not (folder / "result.nc").exists() and "; resuming at 9" in capsys.readouterr().err
    assert main([*ARGUMENTS, "--out", str(folder)]) == 0
    assert len(really(calls)) == 1
    same_numbers(results.load(folder / "result.nc"), results.load(finished / "result.nc"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_what_can_be_taken_up(number, finished, tmp_path, capsys, monkeypatch):
    """Stopped in the fifth sampling, the run ends with the signal's status and later in the very same numbers."""
    out, sampler, calls = tmp_path / "toy", compare.study.sampling.ddim, []

    def stopped(*args, **options):
        calls.extend(really(args[:1]))
        if really(args[:1]) and len(calls) == 5:
            os.kill(os.getpid(), number)
            time.sleep(5)
        return sampler(*args, **options)

    monkeypatch.setattr(compare.study.sampling, "ddim", stopped)
    assert main([*ARGUMENTS, "--out", str(out)]) == 128 + number
    forecast, stopped = capsys.readouterr().err.splitlines()
    assert ": about " in forecast and "goes on from what is done" in stopped
    assert not (out / "result.nc").exists() and not [*out.rglob("*.tmp*")]
    parts = {path.name: path.stat().st_mtime_ns for path in (out / "parts").iterdir()}
    assert len(parts) >= 4
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    assert all((out / "parts" / name).stat().st_mtime_ns == written for name, written in parts.items())
    same_numbers(results.load(out / "result.nc"), results.load(finished / "result.nc"))


def test_a_dry_run_says_what_it_would_take_and_leaves_nothing(tmp_path, capsys):
    assert main([*ARGUMENTS, "--dry-run", "--out", str(tmp_path / "toy")]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"python -m compare.run: 2 networks, 12 machines, 3 samples: about \S+ \S+ on \d threads?, "
                        r"\S+ GB\n", err) and not out
    assert not (tmp_path / "toy").exists()


def test_other_configuration_in_the_same_folder(finished, capsys):
    assert main([*ARGUMENTS, "--seed", "6", "--out", str(finished)]) == 2
    assert capsys.readouterr().err == (f"python -m compare.run: error: out: {finished} holds a run with other seed, "
                                       "want another folder or that configuration\n")


def test_the_same_numbers_as_zarr(finished, folder, monkeypatch):
    """In blocks of two of the three samples, from the parts that are there."""
    pytest.importorskip("zarr")
    monkeypatch.setattr(compare.study.pipeline, "BLOCK", 2)
    (folder / "result.nc").unlink()
    assert main([*ARGUMENTS, "--format", "zarr", "--out", str(folder)]) == 0
    assert not (folder / "result.nc").exists()
    same_numbers(results.load(folder / "result.zarr"), results.load(finished / "result.nc"))


def test_shares_in_processes_one_of_which_is_killed(finished, tmp_path):
    """Share 1 dies at its first part and is done again while share 2 works; the command without --shard merges."""
    out = tmp_path / "toy"
    start = lambda number: subprocess.Popen([sys.executable, "-m", "compare.run", *ARGUMENTS, "--shard", f"{number}/2",
                                             "--out", str(out)], stderr=subprocess.PIPE, text=True)
    one, two = start(1), start(2)
    while not [*out.glob("parts/*.npz")]:
        assert one.poll() is None and two.poll() is None
        time.sleep(0.01)
    one.kill()
    one.communicate()
    again = start(1)
    for share in (two, again):
        _, said = share.communicate(timeout=300)
        assert share.returncode == 0, said
    assert not (out / "result.nc").exists()
    assert main([*ARGUMENTS, "--out", str(out)]) == 0
    same_numbers(results.load(out / "result.nc"), results.load(finished / "result.nc"))


def test_trains_its_own_networks(tmp_path, monkeypatch):
    monkeypatch.setattr("empirical.training.sample_grid.EVAL_SAMPLES", 8)
    monkeypatch.setattr("empirical.training.sample_grid.EVAL_STEPS", (2,))
    arguments = ["--dataset", "toy", "--quick", "--retrain", "--training-steps", "3", "--variants", "cnn-top1",
                 "--samples", "2", "--steps", "2", "--out", str(tmp_path / "toy")]
    assert main(arguments) == 0
    assert (tmp_path / "toy" / "networks" / "cnn-top1-0.safetensors").is_file()
    config = json.loads(results.load(tmp_path / "toy" / "result.nc").config_json)
    assert config["networks"]["cnn-top1-0"]["steps"] == 3


@pytest.mark.parametrize("wrong", [
    ["--dataset", "minst"], [], ["--samples", "0"], ["--samples", "many"], ["--seed", "-1"], ["--steps", "0"],
    ["--network-steps", "0"], ["--network-steps", "20", "20"], ["--variants", "resnet"], ["--training-seeds", "7"],
    ["--training-steps", "5"], ["--retrain", "--training-steps", "0"], ["--jobs", "0"], ["--device", "tpu"],
    ["--unknown"], ["--subset", "5"], ["--preset", "tiny"], ["--attention", "learned"], ["--checkpoint", "a"],
])
def test_user_errors_take_one_line(wrong, tmp_path, capsys):
    dataset = [] if not wrong or "--dataset" in wrong else ["--dataset", "toy"]
    assert status(main, [*dataset, "--quick", "--out", str(tmp_path / "toy"), *wrong]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("python -m compare.run: error: ") and err.count("\n") == 1 and not out
    assert not (tmp_path / "toy").exists()


def test_folder_errors_take_one_line(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    for out in (tmp_path, tmp_path / "notes.txt", tmp_path / "notes.txt" / "toy"):
        assert main([*ARGUMENTS, "--out", str(out)]) == 2
        err = capsys.readouterr().err
        assert err.startswith("python -m compare.run: error: ") and err.count("\n") == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("module, example", [
    ("run", "python -m compare.run --dataset toy --samples 64"),
    ("run", "python -m compare.run --dataset fashion-mnist --subset 5000 --network resnet --samples 100"),
    ("calibrate", "python -m compare.calibrate runs/mnist-resnet.safetensors --samples 20"),
])
def test_help_is_quick(module, example):
    """Parsing happens before anything heavy is imported."""
    script = (f"import sys; from compare.{module} import main\n"
              "try: main(['--help'])\n"
              "except SystemExit as exit: assert exit.code == 0\n"
              "heavy = {'torch', 'numba', 'xarray', 'scipy', 'numpy', 'matplotlib', 'tqdm'} & set(sys.modules)\n"
              "assert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert example in done.stdout
