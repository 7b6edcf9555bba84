import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from empirical.networks import NETWORKS
from empirical.training.command_line import config_from, parser
from empirical.training.image_config import ImageTrainConfig

CONFIG = ImageTrainConfig(dataset="mnist", subset=50, steps=100, batch=8)


@pytest.fixture
def labelled(tmp_path):
    x = np.zeros((12, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(12) % 3)
    np.savez(tmp_path / "b.npz", x=x)
    return tmp_path


@pytest.mark.parametrize("network", ["resnet", "unet"])
@pytest.mark.parametrize("name", ["tiny", "small", "paper"])
def test_every_preset_builds_its_network(labelled, name, network):
    config = ImageTrainConfig.preset(name, dataset=f"npz:{labelled}/a.npz", network=network, conditional=True, subset=9)
    architecture, arguments = config.architecture(config.load())
    assert architecture == network and arguments["classes"] == 3 and arguments["channels"] == 3
    if name == "paper":
        assert arguments.get("width", arguments.get("widths")) == {"resnet": 256, "unet": [64, 128, 256]}[network]
        assert arguments.get("depth", 8) == 8
    else:
        NETWORKS[architecture](**arguments)


def test_paper_is_kamb_and_gangulis_recipe():
    config = ImageTrainConfig.preset("paper", dataset="mnist")
    assert (config.batch, config.lr, config.decay, config.conditional) == (128, 1e-4, 0.999965, False)
    assert config.parametrization == "eps"
    assert config.steps == 300 * 60_000 // 128
    assert config.learning_rate(1000) == pytest.approx(1e-4 * 0.999965**1000)
    assert ImageTrainConfig.preset("paper", dataset="cifar10", subset=1280).steps == 3000
    assert ImageTrainConfig.preset("paper", dataset="cifar10").conditional
    with pytest.raises(ValueError, match="^steps: got none, want them for 'folder:x', whose size is not known"):
        ImageTrainConfig.preset("paper", dataset="folder:x")
    assert ImageTrainConfig.preset("paper", dataset="folder:x", steps=7).steps == 7


def test_overrides_win():
    config = ImageTrainConfig.preset("small", dataset="fashion-mnist", width=5, conditional=False, attention="top1")
    assert (config.width, config.conditional, config.attention, config.network) == (5, False, "top1", "resnet")


def test_times_are_uniform_and_stratified():
    t = replace(CONFIG, batch=1000).times(np.random.default_rng(0))
    assert (np.histogram(t, bins=1000, range=(0, 1))[0] == 1).all()


def test_the_default_learning_rate_is_half_a_cosine():
    rates = [CONFIG.learning_rate(step) for step in range(1, 101)]
    assert max(rates) == CONFIG.lr == rates[4] and rates[-1] < 0.01 * CONFIG.lr


def test_labels_are_needed_only_where_they_are_used(labelled):
    config = ImageTrainConfig(dataset=f"npz:{labelled}/b.npz")
    assert config.architecture(config.load())[1]["classes"] is None
    with pytest.raises(ValueError, match="^conditional: got True, but npz:.* has no labels"):
        replace(config, conditional=True).load()


@pytest.mark.parametrize("change, name", [
    (dict(steps=0), "steps"), (dict(batch=0), "batch"), (dict(width=0), "width"), (dict(depth=0), "depth"),
    (dict(size=0), "size"), (dict(subset=0), "subset"), (dict(lr=0.0), "lr"), (dict(decay=1.5), "decay"),
    (dict(ema=1.0), "ema"), (dict(seed=-1), "seed"), (dict(data_seed=-1), "data_seed"),
    (dict(network="vit"), "network"), (dict(parametrization="x0"), "parametrization"), (dict(dtype="float16"), "dtype"),
])
def test_bad_config(change, name):
    with pytest.raises(ValueError, match=f"^{name}: got .*, want "):
        replace(CONFIG, **change)


@pytest.mark.parametrize("change", [dict(preset="huge"), dict(network="vit")])
def test_bad_presets(change):
    name, = change
    with pytest.raises(ValueError, match=f"^{name}: got .*, want one of"):
        ImageTrainConfig.preset(change.get("preset", "tiny"), dataset="mnist", network=change.get("network", "resnet"))


def test_config_survives_json():
    config = replace(CONFIG, attention="learned", decay=0.9, conditional=True)
    before = config.to_json()
    before["prediction"] = before.pop("parametrization")  # its name in older records
    assert ImageTrainConfig.from_json(before | {"prediction": "eps"}) == replace(config, parametrization="eps")
    assert ImageTrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    with pytest.raises(ValueError, match="^config: got unknown entries momentum"):
        ImageTrainConfig.from_json(config.to_json() | {"momentum": 0.9})


def test_rectangles_bad_files_and_mirror_images_pass_through_json(tmp_path, capsys):
    for i in range(3):
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (9, 12), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    arguments = ["--dataset", f"folder:{tmp_path}", "--out", "x", "--steps", "1", "--size", "6", "8", "--subset", "2",
                 "--skip-bad", "--augment", "flip"]
    config = config_from(parser().parse_args(arguments))
    assert ImageTrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert (config.size, config.skip_bad, config.augment) == ((6, 8), True, "flip")
    dataset = config.load()
    assert dataset.images.shape == (4, 1, 6, 8) and dataset.files[2:] == dataset.files[:2]
    np.testing.assert_array_equal(dataset.images[2:], dataset.images[:2, ..., ::-1])
    assert f"left out 1 files that cannot be read:\n  {tmp_path}/bad.png" in capsys.readouterr().err
    with pytest.raises(ValueError, match="^augment: got 'turn', want one of None, flip$"):
        ImageTrainConfig.preset("tiny", dataset="mnist", augment="turn")
    assert config_from(parser().parse_args([*arguments[:6], "--size", "8", "8"])).size == 8
