import hashlib
import json

import numpy as np
import pytest
import torch
from scipy.stats import binomtest

from empirical import checkpoint
from empirical.networks import ResNet, ToyCNN, UNet
from empirical.toy_networks import CHECKPOINTS, COLLECTIONS, SEEDS, VARIANTS, shipped, shipped_config
from empirical.training.sample_grid import judge
from empirical.training.toy_config import TrainConfig
from theory.errors import UserError

EVERY = [(collection, name, seed) for collection, names in COLLECTIONS.items() for name in names for seed in SEEDS]


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


def test_missing_and_mismatched(tmp_path):
    with pytest.raises(ValueError, match="^checkpoint: found no nothing.safetensors and .json, want .*: .*cnn-0,"):
        checkpoint.load("nothing")
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config | {"width": 9}})
    with pytest.raises(ValueError, match="^checkpoint: net.safetensors does not fit net.json") as error:
        checkpoint.load(tmp_path / "net")
    assert "\n" not in str(error.value)


def test_the_digest_is_that_of_the_file_of_weights(tmp_path):
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config})
    expected = hashlib.sha256((tmp_path / "net.safetensors").read_bytes()).hexdigest()
    assert checkpoint.digest(tmp_path / "net") == checkpoint.digest(str(tmp_path / "net")) == expected
    assert checkpoint.load(tmp_path / "net").metadata["weights_sha256"] == expected
    with pytest.raises(UserError, match="^checkpoint: found no .*other.safetensors, want the weights"):
        checkpoint.digest(tmp_path / "other")


def damaged(content):
    header = 8 + int.from_bytes(content[:8], "little")
    yield from (b"", b"half", content[:-1], content + b"x", content[:header])
    for at in np.random.default_rng(0).integers(len(content), size=20):
        yield content[:at] + bytes([content[at] ^ 16]) + content[at + 1:]


def test_damaged_weights_are_one_line(tmp_path):
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config})
    path = tmp_path / "net.safetensors"
    message = ("has the SHA-256 .*, its record says .*, want it as it was written: copy it again, or delete it and "
               "train it again$")
    for content in list(damaged(path.read_bytes())):
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"^checkpoint: {path} {message}"):
            checkpoint.load(tmp_path / "net")


def test_damaged_weights_of_a_record_without_digest_are_one_line(tmp_path):
    """Records from before there were digests."""
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config})
    (tmp_path / "net.json").write_text(json.dumps({"network": network.config}))
    path = tmp_path / "net.safetensors"
    for content in list(damaged(path.read_bytes()))[:5]:
        path.write_bytes(content)
        with pytest.raises(UserError, match="^checkpoint: net.safetensors does not fit net.json") as error:
            checkpoint.load(tmp_path / "net")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [
    b"", b"{", b"\xff\xfe", b"[" * 10**6, b'{"a":' * 10**6, b"[]", b"3", b"null", b"{}", b'{"network": 3}',
    b'{"network": null}', b'{"network": {"width": "x"}}', b'{"network": {"width": -1}}', b'{"network": {"colour": 1}}',
    b'{"network": {"width": 1e400}}', b'{"network": {}, "architecture": ["resnet"]}',
], ids=lambda content: content[:30].decode("latin-1"))
def test_damaged_records_are_one_line(tmp_path, content):
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config})
    (tmp_path / "net.json").write_bytes(content)
    with pytest.raises(UserError, match=r"^checkpoint: .*net\.json") as error:
        checkpoint.load(tmp_path / "net")
    assert "\n" not in str(error.value)


def test_a_record_says_what_it_lacks(tmp_path):
    network = ToyCNN(width=8)
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config})
    with pytest.raises(UserError, match="^checkpoint: net.json has no 'data_fingerprint', want it as it was written"):
        checkpoint.load(tmp_path / "net").metadata["data_fingerprint"]
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config, "config": {"datasEt": "toy"}})
    with pytest.raises(UserError, match="^checkpoint: net.json has no 'dataset', want it as it was written"):
        checkpoint.read_record(tmp_path / "net")["config"]["dataset"]
    checkpoint.save_network(tmp_path / "net", network, {"network": network.config, "config": "toy"})
    with pytest.raises(UserError, match="^checkpoint: .*net.json has config 'toy', want an object"):
        checkpoint.read_record(tmp_path / "net")


def test_records_from_before_a_new_name_are_read(tmp_path):
    network = ResNet(width=4, depth=3, parametrization="v")
    config = {"prediction" if name == "parametrization" else name: value for name, value in network.config.items()}
    checkpoint.save_network(tmp_path / "net", network, {"architecture": "resnet", "network": config})
    assert checkpoint.load(tmp_path / "net").network.config == network.config


@pytest.mark.parametrize("collection, name, seed", EVERY)
def test_shipped_checkpoints_are_of_the_recipe(collection, name, seed):
    network, metadata = checkpoint.load(f"{collection}/{name}-{seed}")
    assert checkpoint.find(f"{collection}/{name}-{seed}") == shipped(name, seed, collection)
    config = shipped_config(name, seed, collection)
    assert TrainConfig.from_json(metadata["config"]) == config
    assert metadata["data_fingerprint"] == config.load().fingerprint
    assert metadata["step"] == config.steps
    assert network.config["attention"] == VARIANTS[name]
    attention = VARIANTS[name] or "none"
    assert metadata["command"].startswith(f"python -m empirical.train --attention {attention} ")
    assert f" --seed {seed} " in metadata["command"]


def test_the_default_collection_goes_without_its_name():
    assert checkpoint.find("cnn-learned-1") == shipped("cnn-learned", 1) == checkpoint.find("toy/cnn-learned-1")


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_shipped_checkpoints_are_small(collection):
    files = sorted((CHECKPOINTS / collection).iterdir())
    want = [shipped(name, seed, folder) for folder, name, seed in EVERY if folder == collection]
    assert files == sorted(stem.with_name(f"{stem.name}.{end}") for stem in want for end in ("json", "safetensors"))
    assert sum(file.stat().st_size for file in files) < 9e6


def test_a_window_of_the_gap_collection_sees_its_own_pair_only():
    layout = shipped_config("cnn", collection="toy-gap").layout
    cells = layout.corners.astype(int)
    reach = abs(cells[:, None, :, None] - cells[None, :, None, :]).max(-1)  # (pair, pair, side, side), Chebyshev
    own = np.eye(layout.pairs, dtype=bool)
    assert reach[own].max() <= 2 < reach[~own].min()


@pytest.mark.parametrize("collection, name, seed", EVERY)
def test_shipped_networks_draw_as_their_record_says(collection, name, seed):
    """Fresh samples: the stated share lies in the 99.9 % interval around theirs."""
    network, metadata = checkpoint.load(shipped(name, seed, collection))
    stated = next(row for row in metadata["samples"] if row["steps"] == 20)
    fresh = judge(network, shipped_config(name, seed, collection).load(), steps=20, n=256, seed=1)
    for what in ("consistent", "clean"):
        interval = binomtest(fresh[what], fresh["n"]).proportion_ci(0.999)
        assert interval.low <= stated[what] / stated["n"] <= interval.high, what


def test_unknown_networks():
    with pytest.raises(ValueError, match="^name: got 'unet', want one of: cnn, cnn-top1, cnn-identity, cnn-learned"):
        shipped("unet")
    with pytest.raises(ValueError, match="^seed: got 7, shipped are 0, 1, 2"):
        shipped("cnn", 7)
    with pytest.raises(ValueError, match="^name: got 'cnn-top1', want one of: cnn, cnn-learned$"):
        shipped("cnn-top1", collection="toy-gap")
    with pytest.raises(ValueError, match="^collection: got 'mnist', want one of: toy, toy-gap$"):
        shipped_config("cnn", collection="mnist")


@pytest.mark.parametrize("path", sorted(CHECKPOINTS.glob("*/*.safetensors")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_shipped_records_hold_the_digest_of_their_weights(path):
    record = checkpoint.read_record(path.with_suffix(""))
    assert record["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_records_are_json():
    for path in CHECKPOINTS.glob("toy*/*.json"):
        assert set(json.loads(path.read_text())) >= {"network", "config", "schedule", "prediction", "samples", "losses"}
