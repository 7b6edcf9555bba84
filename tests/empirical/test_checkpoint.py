import json
import os

import pytest
import torch
from scipy.stats import binomtest

from empirical import checkpoint
from empirical.config import TrainConfig
from empirical.datasets import load
from empirical.final_samples import judge
from empirical.networks import ResNet, ToyCNN, UNet
from empirical.toy_networks import SEEDS, VARIANTS, recipe, shipped

EVERY = [(name, seed) for name in VARIANTS for seed in SEEDS]


def test_what_is_saved_is_loaded(tmp_path):
    network = ToyCNN(width=8, attention="learned")
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config, "note": "here"})
    phi, t = torch.randn(2, 3, 4, 2), torch.rand(2)
    for name in ("net", "net.safetensors", "net.json"):
        loaded, metadata = checkpoint.load(tmp_path / name)
        assert metadata["note"] == "here" and not loaded.training
        assert torch.equal(loaded(phi, t), network(phi, t))


@pytest.mark.parametrize("architecture, network", [
    ("resnet", ResNet(channels=3, width=4, depth=3, classes=2, attention="learned")),
    ("unet", UNet(channels=3, widths=(4, 8), classes=2, padding="circular", attention="identity")),
])
def test_networks_for_images_are_loaded_too(tmp_path, architecture, network):
    record = {"architecture": architecture, "network": network.config}
    checkpoint.save_network(tmp_path / "net", network, record)
    loaded, metadata = checkpoint.load(tmp_path / "net")
    phi, t, labels = torch.randn(2, 3, 4, 6), torch.rand(2), torch.tensor([1, 0])
    assert metadata["network"] == json.loads(json.dumps(network.config))
    assert torch.equal(loaded(phi, t, labels), network.eval()(phi, t, labels))
    checkpoint.save_network(tmp_path / "net", network, record | {"architecture": "vit"})
    with pytest.raises(ValueError, match="^checkpoint: net.json has architecture 'vit', want toy-cnn, resnet, unet"):
        checkpoint.load(tmp_path / "net")


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "file"
    checkpoint.write_atomically(path, b"old")

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    checkpoint.write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def test_missing_and_mismatched(tmp_path):
    with pytest.raises(ValueError, match="^checkpoint: found no nothing.safetensors and .json, want .*: .*cnn-0,"):
        checkpoint.load("nothing")
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config | {"width": 9}})
    with pytest.raises(ValueError, match="^checkpoint: net.safetensors does not fit net.json") as error:
        checkpoint.load(tmp_path / "net")
    assert "\n" not in str(error.value)
    (tmp_path / "net.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match="^checkpoint: net.safetensors does not fit"):
        checkpoint.load(tmp_path / "net")


@pytest.mark.parametrize("name, seed", EVERY)
def test_shipped_checkpoints_are_of_the_recipe(name, seed):
    network, metadata = checkpoint.load(f"{name}-{seed}")
    assert checkpoint.find(f"{name}-{seed}") == shipped(name, seed)
    assert TrainConfig.from_json(metadata["config"]) == recipe(name, seed)
    assert metadata["data_fingerprint"] == load("toy").fingerprint
    assert metadata["step"] == recipe(name, seed).steps
    assert network.config["attention"] == VARIANTS[name]
    attention = VARIANTS[name] or "none"
    assert metadata["command"].startswith(f"python -m empirical.train --attention {attention} --seed {seed} ")


def test_shipped_checkpoints_are_small():
    files = list(checkpoint.SHIPPED.iterdir())
    assert sorted(p.name for p in files) == sorted(f"{n}-{s}.{e}" for n, s in EVERY for e in ("json", "safetensors"))
    assert sum(p.stat().st_size for p in files) < 9e6


@pytest.mark.parametrize("name, seed", EVERY)
def test_shipped_networks_draw_as_their_record_says(name, seed):
    """Fresh samples: the stated share lies in the 99.9 % interval around theirs."""
    network, metadata = checkpoint.load(shipped(name, seed))
    stated = next(row for row in metadata["samples"] if row["steps"] == 20)
    fresh = judge(network, load("toy"), steps=20, n=256, seed=1)
    for what in ("consistent", "clean"):
        interval = binomtest(fresh[what], fresh["n"]).proportion_ci(0.999)
        assert interval.low <= stated[what] / stated["n"] <= interval.high, what


def test_unknown_networks():
    with pytest.raises(ValueError, match="^name: got 'unet', want one of: cnn, cnn-top1, cnn-identity, cnn-learned"):
        shipped("unet")
    with pytest.raises(ValueError, match="^seed: got 7, shipped are 0, 1, 2"):
        shipped("cnn", 7)


def test_records_are_json():
    for path in checkpoint.SHIPPED.glob("*.json"):
        assert set(json.loads(path.read_text())) >= {"network", "config", "schedule", "prediction", "samples", "losses"}
