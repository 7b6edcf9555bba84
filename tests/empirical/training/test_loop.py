import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from empirical import checkpoint
from empirical import train as command
from empirical.datasets import load
from empirical.toy import ToyLayout
from empirical.training.command_line import config_from, parser
from empirical.training.loop import Stopped, train, training_batch
from empirical.training.sample_grid import judge
from empirical.training.toy_config import TrainConfig
from theory.errors import UserError
from theory.schedules import CosineSchedule

ROOT = Path(__file__).parents[3]
SMALL = TrainConfig(count=64, width=8, steps=12, batch=16, attention="top1", seed=3)


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    monkeypatch.setattr("empirical.training.sample_grid.EVAL_SAMPLES", 8)
    monkeypatch.setattr("empirical.training.sample_grid.EVAL_STEPS", (2,))


def weights(out):
    return load_file(f"{out}.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stop_after(steps):
    """A `stop` that says yes when it is asked for the steps-th time."""
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= steps


# --- the batch and the learning rate ---------------------------------------------------------------------------------


def test_batch_is_a_function_of_seed_and_step():
    images = torch.from_numpy(load("toy", count=64).images)
    for one, two in zip(training_batch(SMALL, images, 5), training_batch(SMALL, images, 5)):
        assert torch.equal(one, two)
    for other in (training_batch(SMALL, images, 6), training_batch(replace(SMALL, seed=4), images, 5)):
        assert not torch.equal(training_batch(SMALL, images, 5)[2], other[2])


def test_batch_noises_training_images():
    images = torch.from_numpy(load("toy", count=8).images)
    phi, t, eps, which = training_batch(replace(SMALL, batch=200), images, 1)
    abar = torch.from_numpy(CosineSchedule().alpha_bar(t.double().numpy())).float()[:, None, None, None]
    some = t < 0.9
    x0 = ((phi - (1 - abar).sqrt() * eps) / abar.sqrt())[some]
    distance = (x0[:, None] - images[None]).abs().amax(dim=(2, 3, 4)).amin(dim=1)
    assert distance.max() < 1e-4
    torch.testing.assert_close(x0, images[which[some]], atol=1e-4, rtol=0)
    assert eps.mean().abs() < 0.05 and (eps.std() - 1).abs() < 0.05


@pytest.mark.parametrize("share", [0.0, 0.8, 1.0])
def test_times_have_their_share_in_the_window(share):
    images = torch.from_numpy(load("toy", count=8).images)
    config = replace(SMALL, batch=1000, time_window=(0.3, 0.5), window_share=share)
    t = training_batch(config, images, 1)[1]
    inside = ((t >= 0.3) & (t <= 0.5)).float().mean().item()
    assert inside == pytest.approx(share + (1 - share) * 0.2, abs=0.005)
    assert t.min() >= 0 and t.max() <= 1
    if share == 0.0:
        np.testing.assert_allclose(np.histogram(t, bins=10, range=(0, 1))[0], 100, atol=1)


def test_learning_rate_warms_up_and_falls_to_almost_nothing():
    config = replace(SMALL, steps=100, lr=1.0)
    rates = [config.learning_rate(step) for step in range(1, 101)]
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(a > b for a, b in zip(rates[4:], rates[5:])) and 0 < rates[-1] < 1e-3
    assert rates[52] == pytest.approx(0.5 * (1 + math.cos(math.pi * 48 / 96)), abs=0.01)


# --- the run ---------------------------------------------------------------------------------------------------------


def test_the_loss_falls(tmp_path):
    train(replace(SMALL, steps=150, width=16, batch=64, attention=None), tmp_path / "net")
    losses = json.loads((tmp_path / "net.json").read_text())["losses"]
    assert len(losses) == 100
    assert losses[0] > 0.9 and np.mean(losses[-10:]) < 0.75


def test_two_runs_agree_to_the_bit_and_seeds_differ(tmp_path):
    one, two = train(SMALL, tmp_path / "one"), train(SMALL, tmp_path / "two")
    assert same(weights(one), weights(two))
    assert not same(weights(one), weights(train(replace(SMALL, seed=4), tmp_path / "three")))


@pytest.mark.parametrize("change", [dict(attention=None), dict(attention="top1"), dict(attention="learned"),
                                    dict(depth=2, attention="identity"), dict(count=None),
                                    dict(attention="learned", optimizer="muon")])
@pytest.mark.parametrize("killed_at", [1, 7])
def test_a_stopped_run_resumes_to_the_same_bits(tmp_path, change, killed_at):
    config = replace(SMALL, **change)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(Stopped, match=f"after step {killed_at}$"):
        train(config, tmp_path / "halves", stop=stop_after(killed_at))
    assert not (tmp_path / "halves.safetensors").exists()
    torch.manual_seed(99)  # the state of the generator must not matter
    halves = train(config, tmp_path / "halves")
    assert same(weights(whole), weights(halves))
    records = [json.loads(Path(f"{out}.json").read_text()) for out in (whole, halves)]
    assert records[0]["losses"] == records[1]["losses"] and records[0]["samples"] == records[1]["samples"]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"{name}.{end}" for name in ("halves", "whole") for end in ("json", "safetensors")
    ]


def test_a_kill_between_checkpoints_loses_only_the_steps_since(tmp_path):
    whole = train(SMALL, tmp_path / "whole")

    def power_cut():
        nonlocal left
        left -= 1
        if left == 0:
            raise MemoryError
        return False

    left = 8
    with pytest.raises(MemoryError):
        train(SMALL, tmp_path / "halves", checkpoint_every=5, stop=power_cut)
    _, record = checkpoint.load_state(tmp_path / "halves.resume.safetensors")
    assert record["step"] == 5
    assert same(weights(whole), weights(train(SMALL, tmp_path / "halves")))


def test_training_leaves_the_callers_generator_alone(tmp_path):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train(SMALL, tmp_path / "net")
    assert torch.equal(torch.rand(3), expected)


def test_the_record_says_what_was_run(tmp_path):
    out = train(SMALL, tmp_path / "net", command="python -m somewhere")
    network, metadata = checkpoint.load(out)
    assert TrainConfig.from_json(metadata["config"]) == SMALL
    assert metadata["data_fingerprint"] == load("toy", count=64).fingerprint
    assert (metadata["seed"], metadata["step"], metadata["command"]) == (3, 12, "python -m somewhere")
    assert metadata["samples"] == [judge(network, load("toy", count=64), steps=2)]
    assert not network.training


def test_a_finished_run_is_left_alone(tmp_path):
    out = train(SMALL, tmp_path / "net")
    before = os.stat(f"{out}.safetensors").st_mtime_ns
    assert train(SMALL, tmp_path / "net") == out
    assert os.stat(f"{out}.safetensors").st_mtime_ns == before


def test_a_kill_before_the_state_is_removed_leaves_none(tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(MemoryError))
        train(SMALL, tmp_path / "net")
    assert (tmp_path / "net.json").exists() and (tmp_path / "net.resume.safetensors").exists()
    train(SMALL, tmp_path / "net")
    assert not (tmp_path / "net.resume.safetensors").exists()


def test_another_config_does_not_overwrite(tmp_path):
    train(SMALL, tmp_path / "net")
    with pytest.raises(ValueError, match="^out: net.json is from a run with other lr, seed, want"):
        train(replace(SMALL, lr=1e-3, seed=9), tmp_path / "net")
    with pytest.raises(Stopped):
        train(SMALL, tmp_path / "half", stop=stop_after(2))
    with pytest.raises(ValueError, match="^out: half.resume.safetensors is from a run with other layout"):
        train(replace(SMALL, layout=ToyLayout(gap=1)), tmp_path / "half")


def damaged_states(content):
    """(what was done, the state's bytes after it)."""
    header = 8 + int.from_bytes(content[:8], "little")
    yield "empty", b""
    yield "rubbish", b"rubbish" * 30
    yield "truncated", content[: len(content) // 2]
    for at in (3, 20, header // 2, header - 40, header + 1, (header + len(content)) // 2, len(content) - 1):
        yield f"bit {at}", content[:at] + bytes([content[at] ^ 4]) + content[at + 1:]


def test_a_damaged_state_is_one_line(tmp_path):
    with pytest.raises(Stopped):
        train(SMALL, tmp_path / "net", stop=stop_after(2))
    path = tmp_path / "net.resume.safetensors"
    for what, content in list(damaged_states(path.read_bytes())):
        path.write_bytes(content)
        message = "is not a training state, or was changed since it was written .*, delete it to start again$"
        with pytest.raises(UserError, match=f"^out: net.resume.safetensors {message}") as error:
            train(SMALL, tmp_path / "net")
        assert "\n" not in str(error.value), what


@pytest.mark.parametrize("gone", ["weight/conv1.weight", "average/head.3.bias", "adam/conv2.bias/exp_avg", "losses"])
def test_a_state_without_one_of_its_tensors_is_one_line(tmp_path, gone):
    with pytest.raises(Stopped):
        train(SMALL, tmp_path / "net", stop=stop_after(2))
    path = tmp_path / "net.resume.safetensors"
    tensors, record = checkpoint.load_state(path)
    for change in (None, torch.zeros(7, 7)):
        tensors.pop(gone, None)
        if change is not None and gone != "losses":
            tensors[gone] = change
        checkpoint.save_state(path, tensors, record)
        if change is not None and gone.startswith("adam"):
            break  # a moment of another shape is torch's to find, at the next step
        message = "^out: net.resume.safetensors is no whole training state .*, delete it to start again$"
        with pytest.raises(UserError, match=message) as error:
            train(SMALL, tmp_path / "net")
        assert "\n" not in str(error.value)


def test_a_damaged_result_is_not_overwritten(tmp_path):
    """It is no unfinished run: it may be the only copy of a long training."""
    train(SMALL, tmp_path / "net")
    for suffix in (".safetensors", ".json"):
        path = tmp_path / f"net{suffix}"
        whole = path.read_bytes()
        for content in (b"", whole[:100], b"[" * 10**5, whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:]):
            path.write_bytes(content)
            if suffix == ".json" and content[:1] == whole[:1] and len(content) == len(whole):
                continue
            with pytest.raises(UserError, match=f"^checkpoint: .*net{suffix} .*copy it again, or delete it") as error:
                train(SMALL, tmp_path / "net")
            assert "\n" not in str(error.value) and path.read_bytes() == content
        path.unlink()
        with pytest.raises(UserError, match="^out: .*net.* is there without net.* delete it to train again"):
            train(SMALL, tmp_path / "net")
        path.write_bytes(whole)
    train(SMALL, tmp_path / "net")


def test_a_kill_between_the_two_files_of_a_result_is_taken_up(tmp_path, monkeypatch):
    whole = train(SMALL, tmp_path / "whole")

    def kill(*_):
        raise MemoryError

    with monkeypatch.context() as patch, pytest.raises(MemoryError):
        patch.setattr(checkpoint, "write_text", kill)
        train(SMALL, tmp_path / "net")
    assert (tmp_path / "net.safetensors").exists() and not (tmp_path / "net.json").exists()
    monkeypatch.setattr("empirical.training.loop.TrainingRun.advance", kill)  # nothing is computed again
    assert same(weights(train(SMALL, tmp_path / "net")), weights(whole))


def test_a_stop_while_the_samples_are_drawn_loses_nothing(tmp_path, monkeypatch):
    whole = train(SMALL, tmp_path / "whole")
    with pytest.raises(Stopped, match="after step 12$"):
        train(SMALL, tmp_path / "net", stop=stop_after(12))
    monkeypatch.setattr("empirical.training.loop.TrainingRun.advance", lambda _: pytest.fail("a step was taken again"))
    assert same(weights(train(SMALL, tmp_path / "net")), weights(whole))


@pytest.mark.parametrize("steps", [1, 5])
def test_diverged_training_is_one_line(tmp_path, steps):
    config = replace(SMALL, steps=steps, lr=1e38, attention=None)
    with pytest.raises(UserError, match=r"^lr: got 1e\+38, and the training diverged .* at step .*, want a smaller"):
        train(config, tmp_path / "net")
    assert not (tmp_path / "net.json").exists()


def test_leftovers_of_killed_runs_are_removed(tmp_path):
    left = tmp_path / f".net.{'0' * 16}.tmp.safetensors"
    left.write_bytes(b"half")
    os.utime(left, (1, 1))
    train(SMALL, tmp_path / "net")
    assert not left.exists()


def test_average_is_not_the_last_weights(tmp_path):
    with pytest.raises(Stopped):
        train(SMALL, tmp_path / "net", stop=stop_after(11))
    tensors, _ = checkpoint.load_state(tmp_path / "net.resume.safetensors")
    assert not torch.equal(tensors["weight/conv1.weight"], tensors["average/conv1.weight"])


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="^out: got .*, want a name in an existing folder"):
        train(SMALL, tmp_path / "no" / "net")
    with pytest.raises(ValueError, match="^device: got 'tpu', want"):
        train(SMALL, tmp_path / "net", device="tpu")
    with pytest.raises(ValueError, match="^checkpoint_every: got 0"):
        train(SMALL, tmp_path / "net", checkpoint_every=0)


@pytest.mark.parametrize("change, name", [
    (dict(steps=0), "steps"), (dict(batch=0), "batch"), (dict(width=0), "width"), (dict(count=0), "count"),
    (dict(depth=-1), "depth"), (dict(lr=0.0), "lr"), (dict(time_window=(0.6, 0.3)), "time_window"),
    (dict(window_share=1.5), "window_share"), (dict(ema=1.0), "ema"), (dict(seed=-1), "seed"),
])
def test_bad_config(change, name):
    with pytest.raises(ValueError, match=f"^{name}: got .*, want "):
        replace(SMALL, **change)


def test_config_reaches_the_network():
    config = replace(SMALL, width=10, depth=2, padding="circular", attention=None)
    assert config.architecture(config.load()) == (
        "toy-cnn", dict(channels=3, width=10, depth=2, attention=None, padding="circular"))


def test_records_from_before_depth_are_of_depth_0():
    record = SMALL.to_json()
    del record["depth"]
    assert TrainConfig.from_json(record) == SMALL


def test_records_from_before_a_new_name_are_read():
    record = replace(SMALL, time_window=(0.1, 0.2)).to_json()
    record["window"] = record.pop("time_window")
    assert TrainConfig.from_json(record).time_window == (0.1, 0.2)


@pytest.mark.parametrize("damage", [
    lambda record: [record], lambda record: record | {"layout": 3}, lambda record: record | {"lr": "x"},
    lambda record: record | {"time_window": 3}, lambda record: record | {"layout": {"pears": 4}},
    lambda record: record | {"steps": None} | {"width": [1]}, lambda record: record | {"time_window": [0.1, "x"]},
])
def test_records_that_are_none_are_one_line(damage):
    with pytest.raises(UserError) as error:
        TrainConfig.from_json(damage(SMALL.to_json()))
    assert "\n" not in str(error.value)


def test_config_survives_json():
    config = replace(SMALL, layout=ToyLayout(gap=2, family="all"), time_window=(0.2, 0.7))
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ValueError, match="^config: got unknown entries momentum"):
        TrainConfig.from_json(config.to_json() | {"momentum": 0.9})


# --- the command -----------------------------------------------------------------------------------------------------

TINY = ["--count", "64", "--width", "8", "--steps", "12", "--batch", "16"]


def test_help_does_not_import_torch():
    code = (
        "import sys, empirical.train\n"
        "try: empirical.train.main(['--help'])\n"
        "except SystemExit as done: sys.exit(done.code or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "python -m empirical.train --attention learned --seed 1 --out runs/cnn-learned-1" in done.stdout


def test_command_end_to_end(tmp_path, capsys):
    out = tmp_path / "runs" / "net"
    arguments = ["--out", str(out), "--attention", "learned", "--seed", "2", "--threads", "1", "--device", "cpu", *TINY,
                 "--depth", "2"]
    assert command.main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{out}.safetensors  2 steps, 8 samples: consistent ")
    assert printed.err.startswith("python -m empirical.train: 12 training steps of ") and printed.err.count("\n") == 1
    network, metadata = checkpoint.load(out)
    assert network.config["attention"] == "learned" and network.config["depth"] == 2
    assert metadata["config"]["seed"] == 2 and metadata["threads"] == 1
    assert metadata["command"].startswith("python -m empirical.train --out ")


@pytest.mark.parametrize("arguments, message", [
    (["--steps", "0"], "steps: got 0, want at least 1"),
    (["--count", "0"], "count: got 0, want at least 1"),
    (["--depth", "-1"], "depth: got -1, want at least 0"),
    (["--gap", "-1"], "gap: got -1, want"),
    (["--window", "0.9", "0.1"], "time_window: got (0.9, 0.1), want"),
    (["--threads", "0"], "threads: got 0"),
])
def test_user_errors_are_one_line_and_status_2(tmp_path, capsys, arguments, message):
    assert command.main(["--out", str(tmp_path / "net"), *arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.out == ""


def test_all_images_can_be_asked_for():
    config = config_from(parser().parse_args(["--out", "net", "--count", "all", "--gap", "2"]))
    assert config == TrainConfig(count=None, layout=ToyLayout(gap=2))


@pytest.mark.parametrize("arguments", [["--attention", "soft"], ["--count", "every"], ["--colour", "red"]])
def test_unknown_arguments_are_one_line_and_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        command.main(["--out", "net", *arguments])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1 and arguments[0] in said


def test_options_by_their_older_names():
    arguments = ["--out", "net", "--window", "0.1", "0.2"]
    assert config_from(parser().parse_args(arguments)) == TrainConfig(time_window=(0.1, 0.2))
    arguments = ["--out", "net", "--dataset", "mnist", "--prediction", "eps"]
    assert config_from(parser().parse_args(arguments)).parametrization == "eps"


def test_a_users_error_is_traced_on_request_and_a_bug_always(tmp_path, monkeypatch):
    with pytest.raises(UserError):
        command.main(["--out", str(tmp_path / "net"), "--steps", "0", "--traceback"])
    monkeypatch.setattr("empirical.training.loop.train", lambda *_, **__: [] + 1)
    with pytest.raises(TypeError):
        command.main(["--out", str(tmp_path / "net")])


INTERRUPTED = """
import builtins, os, signal, sys
importing = builtins.__import__

def listen(name, *rest):
    if name.startswith(sys.argv[1]):
        builtins.__import__ = importing
        os.kill(os.getpid(), int(sys.argv[2]))
    return importing(name, *rest)

builtins.__import__ = listen
from empirical.train import main
sys.exit(main(["--out", sys.argv[3], "--steps", "1"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["numpy", "torch", "empirical.training.loop", "safetensors"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_first_seconds_ends_in_one_line(tmp_path, module, number):
    arguments = [sys.executable, "-c", INTERRUPTED, module, str(int(number)), str(tmp_path / "net")]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 128 + number
    assert done.stderr == "stopped while it was starting; the same command starts it again\n"


def test_a_process_that_another_one_stopped_ends_as_it_does(tmp_path, capsys, monkeypatch):
    """Under torchrun one process gets the signal, and all stop: those without it too, without a traceback."""
    def stopped(*_, **__):
        raise Stopped(3)

    monkeypatch.setattr("empirical.training.loop.train", stopped)
    assert command.main(["--out", str(tmp_path / "net")]) == 128 + signal.SIGTERM
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "stopped after step 3 of 7000; the same command goes on from there"


@pytest.mark.slow
def test_sigterm_leaves_a_state_that_resumes(tmp_path, capsys):
    arguments = ["--attention", "top1", "--device", "cpu", "--threads", "1", *TINY, "--steps", "100"]
    process = subprocess.Popen(
        [sys.executable, "-m", "empirical.train", "--out", "net", "--checkpoint-every", "1", *arguments],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )
    while not (tmp_path / "net.resume.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143 and "the same command goes on from there" in error and error.count("\n") == 2
    assert command.main(["--out", str(tmp_path / "net"), *arguments]) == 0
    assert command.main(["--out", str(tmp_path / "whole"), *arguments]) == 0
    assert same(weights(tmp_path / "net"), weights(tmp_path / "whole"))
    capsys.readouterr()
