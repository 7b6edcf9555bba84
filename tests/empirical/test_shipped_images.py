"""The shipped networks for images: of the small recipe, of the data that they state, and drawing what was trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from empirical import checkpoint
from empirical.datasets.idx import DEBIAN
from empirical.networks.parametrization import error_scale
from empirical.toy_networks import CHECKPOINTS, COLLECTIONS
from empirical.training.image_config import ImageTrainConfig
from empirical.training.loop import training_batch

SHIPPED = sorted(f"{path.parent.name}/{path.stem}" for path in CHECKPOINTS.glob("*/*.safetensors")
                 if path.parent.name not in COLLECTIONS)
debian = pytest.mark.skipif(not Path(DEBIAN).is_dir(), reason="Debian's dataset-fashion-mnist is not installed")


def test_there_are_some():
    assert {"fashion-mnist/resnet", "mnist/resnet"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_it_is_the_small_recipe(name):
    network, record = checkpoint.load(name)
    config = ImageTrainConfig.from_json(record["config"])
    chosen = {key: getattr(config, key) for key in ("subset", "attention", "conditional", "steps")}
    assert config == ImageTrainConfig.preset("small", dataset=config.dataset, network=config.network, **chosen)
    assert record["step"] == config.steps and record["architecture"] == config.network
    assert record["command"].startswith("python -m empirical.train ")
    assert (CHECKPOINTS / f"{name}.safetensors").stat().st_size < 10e6
    phi, t = torch.zeros(1, network.config["channels"], 32, 32), torch.ones(1)
    labels = torch.zeros(1, dtype=torch.long) if network.config["classes"] else None
    assert network(phi, t, labels).shape == phi.shape


@debian
@pytest.mark.parametrize("name", [name for name in SHIPPED if name.startswith("fashion-mnist/")])
def test_its_data_and_its_loss_are_as_stated(name):
    """The same training set is loaded again, and on it the network has the loss at which its training ended."""
    network, record = checkpoint.load(name)
    config = ImageTrainConfig.from_json(record["config"])
    data = config.load()
    assert data.fingerprint == record["data_fingerprint"]
    losses = []
    for step in range(1, 9):
        phi, t, eps, which = training_batch(config, torch.from_numpy(data.images), 10**6 + step)
        with torch.no_grad():
            error = network(phi, t, torch.from_numpy(data.labels)[which]) - eps
            error = error_scale(config.parametrization, t) * error
        losses.append(error.square().mean().item())
    assert np.mean(losses) == pytest.approx(record["losses"][-1], rel=0.15)
