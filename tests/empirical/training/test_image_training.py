"""Training on images: the same loop as for the toy set, with labels, presets, samples, and several processes."""

import json
import os
import runpy
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from empirical import checkpoint
from empirical import train as command
from empirical.datasets import load
from empirical.networks import ResNet
from empirical.training.image_config import ImageTrainConfig
from empirical.training.loop import Stopped, _torch_seed, train, training_batch
from theory.schedules import CosineSchedule

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def short_samples(monkeypatch, tmp_path):
    monkeypatch.setattr("empirical.training.sample_grid.GRID_STEPS", 2)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path):
    """Blobs in three places, a place a class: npz file as a data set's name."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = np.zeros((60, 8, 8), np.uint8)
    for image, label in zip(images, labels):
        image[2:6, 1 + 2 * label : 3 + 2 * label] = rng.integers(150, 256)
    np.savez(tmp_path / "blobs.npz", x=images, y=labels, classes=np.array(["left", "middle", "right"]))
    return f"npz:{tmp_path}/blobs.npz"


def config(data, **changes):
    defaults = dict(network="resnet", size=8, steps=8, batch=6, width=4, depth=3, conditional=True, seed=3)
    return ImageTrainConfig.preset("tiny", dataset=data, **defaults | changes)


def weights(out):
    return load_file(f"{out}.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stop_after(steps):
    asked = iter(range(1, 10**6))
    return lambda: next(asked) >= steps


KINDS = [dict(parametrization="eps"), dict(network="unet", depth=2, attention="learned"),
         dict(attention="top1", conditional=False)]


@pytest.mark.parametrize("changes", KINDS)
def test_a_stopped_run_resumes_to_the_same_bits(tmp_path, data, changes):
    run = config(data, **changes)
    whole = train(run, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(run, tmp_path / "halves", stop=stop_after(5))
    torch.manual_seed(99)
    halves = train(run, tmp_path / "halves")
    assert same(weights(whole), weights(halves))
    records = [json.loads(Path(f"{out}.json").read_text()) for out in (whole, halves)]
    assert records[0]["losses"] == records[1]["losses"]
    assert (tmp_path / "whole.png").read_bytes() == (tmp_path / "halves.png").read_bytes()


@pytest.mark.slow
def test_the_loss_falls(tmp_path, data):
    run = config(data, network="unet", depth=2, width=8, steps=150, lr=5e-3)
    losses = json.loads(Path(f"{train(run, tmp_path / 'net')}.json").read_text())["losses"]
    assert losses[0] > 0.8 and np.mean(losses[-20:]) < 0.3


def test_the_network_is_told_the_labels_of_its_images(tmp_path, data, monkeypatch):
    told, forward = [], ResNet.forward

    def listen(self, phi, t, labels):
        told.append((phi, labels))
        return forward(self, phi, t, labels)

    monkeypatch.setattr(ResNet, "forward", listen)
    run = config(data, steps=3)
    train(run, tmp_path / "net")
    dataset = run.load()
    for step, (phi, labels) in enumerate(told[:3], start=1):
        batch, _, _, which = training_batch(run, torch.from_numpy(dataset.images), step)
        assert torch.equal(phi, batch) and labels.tolist() == dataset.labels[which].tolist()
    sheet_labels = told[3][1]
    assert sheet_labels.tolist() == [c % 3 for c in range(10)] * 4  # a class a column


def test_the_record_and_the_checkpoint(tmp_path, data):
    run = config(data, attention="learned", subset=40)
    out = train(run, tmp_path / "net", command="python -m somewhere")
    network, record = checkpoint.load(out)
    assert record["architecture"] == "resnet" and record["network"] == network.config
    assert ImageTrainConfig.from_json(record["config"]) == run
    assert record["data_fingerprint"] == run.load().fingerprint == load(data, size=8, subset=40).fingerprint
    assert (record["step"], record["processes"], record["command"]) == (8, 1, "python -m somewhere")
    assert record["seconds"] > 0 and record["cpu_seconds"] > 0
    assert record["samples"] == [{"steps": 2, "n": 40, "seed": 0, "sheet": "net.png"}]
    with Image.open(tmp_path / "net.png") as sheet:
        assert sheet.size == (160, 64) and sheet.mode == "L"


def test_the_sheet_of_colour_images_is_in_colour(tmp_path):
    np.savez(tmp_path / "c.npz", x=np.zeros((9, 8, 8, 3), np.uint8))
    train(config(f"npz:{tmp_path}/c.npz", conditional=False, steps=1), tmp_path / "net")
    with Image.open(tmp_path / "net.png") as sheet:
        assert sheet.mode == "RGB"


def test_the_loss_is_that_of_the_prediction(tmp_path, data):
    """At the first step both networks have the same weights; their losses are those of v and of eps."""
    for parametrization in ("eps", "v"):
        run = config(data, parametrization=parametrization, steps=1)
        torch.manual_seed(_torch_seed(run.seed, 0))
        _, arguments = run.architecture(run.load())
        network = ResNet(**arguments | {"parametrization": "eps"})
        dataset = run.load()
        phi, t, eps, which = training_batch(run, torch.from_numpy(dataset.images), 1)
        signal, noise = (torch.from_numpy(f(t.double().numpy()))[:, None, None, None] for f in (
            lambda t: CosineSchedule().alpha_bar(t) ** 0.5, lambda t: (1 - CosineSchedule().alpha_bar(t)) ** 0.5))
        target = eps if parametrization == "eps" else signal * eps - noise * torch.from_numpy(dataset.images)[which]
        expected = (network(phi, t, torch.from_numpy(dataset.labels)[which]) - target).square().mean().item()
        record = json.loads(Path(f"{train(run, tmp_path / parametrization)}.json").read_text())
        assert record["losses"] == [pytest.approx(expected, abs=1e-5)]


def test_snapshots_are_networks_on_the_way(tmp_path, data):
    train(config(data), tmp_path / "net", snapshots=(3, 6))
    for step in (3, 6):
        _, record = checkpoint.load(tmp_path / f"net-{step}")
        assert record["step"] == step and "samples" not in record
    assert not same(weights(tmp_path / "net-3"), weights(tmp_path / "net-6"))
    assert not (tmp_path / "net-8.json").exists()
    for step in (0, 8):
        with pytest.raises(ValueError, match=f"^snapshots: got {step}, want steps 1 to 7"):
            train(config(data), tmp_path / "other", snapshots=[step])


def test_batches_carry_the_labels_of_their_images(data):
    run = config(data, batch=50)
    dataset = run.load()
    images = torch.from_numpy(dataset.images)
    phi, t, eps, which = training_batch(run, images, 1)
    nearly_clean = t < 0.1
    x0 = images[which[nearly_clean]]
    assert ((phi[nearly_clean] - x0).abs().mean(dim=(1, 2, 3)) < 0.4).all()


def test_other_data_and_other_configs_do_not_mix(tmp_path, data):
    with pytest.raises(Stopped):
        train(config(data), tmp_path / "net", stop=stop_after(2))
    with pytest.raises(ValueError, match="^out: net.resume.safetensors is from a run with other width, want"):
        train(config(data, width=5), tmp_path / "net")
    path = data.removeprefix("npz:")
    np.savez(path, x=np.ones((60, 8, 8), np.uint8), y=np.arange(60) % 3, classes=np.array(["a", "b", "c"]))
    with pytest.raises(ValueError, match="^out: net.resume.safetensors is from a run on other data"):
        train(config(data), tmp_path / "net")


def test_bfloat16_is_the_forward_pass_alone(tmp_path, data):
    full, half = (train(config(data, dtype=dtype), tmp_path / dtype) for dtype in ("float32", "bfloat16"))
    assert all(weight.dtype == torch.float32 for weight in weights(half).values())
    assert not same(weights(full), weights(half))
    losses = [json.loads(Path(f"{out}.json").read_text())["losses"] for out in (full, half)]
    np.testing.assert_allclose(*losses, rtol=0.05)


# --- several processes ------------------------------------------------------------------------------------------------

TWO_PROCESSES = """
import json, sys, torch
from pathlib import Path
from empirical import checkpoint
from empirical.training.image_config import ImageTrainConfig
from empirical.training.distributed import worker_group
from empirical.training.loop import Stopped, TrainingRun, train

torch.set_num_threads(1)
config, out = ImageTrainConfig.from_json(json.loads(sys.argv[1])), Path(sys.argv[2])
group = worker_group("cpu")
run = TrainingRun(config, config.load(), group, None)
run.advance()
gradients = {name: weight.grad for name, weight in run.network.named_parameters()}
checkpoint.save_state(out / f"gradients{group.rank}of{group.count}", gradients, {"loss": run.losses[0]})
for stop in (3, 10**6):
    asked = iter(range(1, 10**6))
    try:
        train(config, out / f"net{group.count}", device="cpu", stop=lambda: group.rank == 0 and next(asked) >= stop)
    except Stopped as stopped:
        assert stopped.step == 3
"""


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path, data, monkeypatch):
    """Gradients, losses and weights of torchrun's two gloo processes, stopped by one of them and resumed."""
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)
    run = replace(config(data, attention="learned"), steps=6)
    arguments = [str(script), json.dumps(run.to_json()), str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(script))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*torchrun, *arguments], env=environment, stderr=subprocess.PIPE, text=True,
                               process_group=0)
    try:
        _, error = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # torchrun's workers too
        raise
    assert process.returncode == 0, error
    one, alone = checkpoint.load_state(tmp_path / "gradients0of1")
    for rank in (0, 1):
        part, together = checkpoint.load_state(tmp_path / f"gradients{rank}of2")
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-5)
        for name, gradient in one.items():
            torch.testing.assert_close(part[name], gradient, rtol=1e-4, atol=1e-7, msg=name)
    for name, weight in weights(tmp_path / "net1").items():
        torch.testing.assert_close(weights(tmp_path / "net2")[name], weight, rtol=0, atol=1e-3, msg=name)
    records = [json.loads((tmp_path / f"net{count}.json").read_text()) for count in (1, 2)]
    assert [record["processes"] for record in records] == [1, 2]
    np.testing.assert_allclose(records[1]["losses"], records[0]["losses"], rtol=2e-3)


# --- the command ------------------------------------------------------------------------------------------------------

TINY = ["--preset", "tiny", "--size", "8", "--steps", "4", "--width", "4", "--depth", "2", "--device", "cpu"]


@pytest.mark.parametrize("network", ["resnet", "unet"])
def test_command_end_to_end(tmp_path, data, network, capsys):
    out = tmp_path / "runs" / "net"
    assert command.main(["--dataset", data, "--network", network, "--conditional", "--out", str(out), *TINY]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{out}.safetensors  2 steps, loss ")
    assert printed.err.startswith("python -m empirical.train: 4 training steps of net: about ")
    assert printed.out.endswith(f"40 samples on {out}.png\n")
    _, record = checkpoint.load(out)
    assert record["config"]["conditional"] and record["architecture"] == network


def test_command_looks_into_the_data_folder(tmp_path, data, capsys):
    arguments = ["--dataset", "npz:blobs.npz", "--data-dir", str(tmp_path), "--out", str(tmp_path / "net"), *TINY]
    assert command.main(arguments) == 0
    assert not checkpoint.load(tmp_path / "net").metadata["config"]["conditional"]
    capsys.readouterr()


@pytest.mark.parametrize("arguments, message", [
    (["--dataset", "npz:nowhere.npz"], "npz: found no file nowhere.npz, want one"),
    (["--dataset", "svhn"], "name: got 'svhn', want one of: toy, mnist"),
    (["--dataset", "mnist", "--gap", "1"], "gap: got 1 for 'mnist', but it is for the toy set or pairs only"),
    (["--network", "unet"], "network: got 'unet' for 'toy', but it is for images only"),
    (["--dataset", "mnist", "--ema", "2"], "ema: got 2.0, want a decay in [0, 1)"),
    (["--dataset", "folder:x", "--preset", "paper"], "steps: got none, want them for 'folder:x'"),
])
def test_user_errors_are_one_line_and_status_2(tmp_path, capsys, arguments, message):
    assert command.main(["--out", str(tmp_path / "net"), *arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.err.count("\n") == 1 and printed.out == ""
