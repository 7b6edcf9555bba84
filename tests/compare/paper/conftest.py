"""Small made-up results on images, in the schema of compare.run, and a small image network."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from compare.measure.measure import Measure
from compare.paper.source import Source
from compare.result import schema as results
from compare.result.identity import MachineIdentity, NetworkIdentity
from compare.result.schema import Generation, Prediction
from empirical.training.image_config import ImageTrainConfig
from empirical.training.loop import train

TOY = Path(__file__).parents[3] / "docs" / "results" / "toy" / "result.nc"
SIDE, STEPS, SAMPLES = 8, 20, 6


class MadeUp(Source):
    """With smooth random training images for every name."""

    def images(self, name, count):
        drawn = gaussian_filter(np.random.default_rng(3).normal(size=(count, 1, 16, 16)), (0, 0, 1.5, 1.5))
        return (drawn / np.abs(drawn).max()).astype(np.float32)


def result(variants, seed, conditional=False):
    """A result whose machines lie at stated distances from its networks: ELS near, LS farther, the ideal far."""
    rng = np.random.default_rng(seed)
    draw = lambda: rng.uniform(-1, 1, (SAMPLES, 1, SIDE, SIDE)).astype(np.float32)
    generations, predictions = [], [Prediction(MachineIdentity("ideal"), draw(), np.zeros(STEPS), np.zeros(STEPS))]
    for variant in variants:
        images = draw()
        generations += [Generation(NetworkIdentity(variant, 0, steps), images + 0.01 * steps * draw() / 150)
                        for steps in (20, 150)]
        for kind, apart in (("local", 0.6), ("equivariant_local", 0.2)):
            predictions.append(Prediction(MachineIdentity(kind, "", "fitted", variant, window_rule="cosine"),
                                          images + apart * draw(), np.repeat([3, 5, 7, 9], 5), np.zeros(STEPS)))
    config = {"dataset": "fashion-mnist", "boundary": "zeros", "conditional": conditional}
    attrs = dict(created_at="now", command="python -m compare.run", config_json=json.dumps(config), seeds_json="{}",
                 versions_json="{}", data_fingerprint="f", device="cpu", wall_seconds=1.0)
    return results.build(draw(), predictions, generations, Measure({}, lambda images: {}), attrs)


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """Two results on images beside the shipped toy result, and a network of two training steps."""
    top = tmp_path_factory.mktemp("figures")
    made = {"fashion-resnet": result(["resnet"], 0), "fashion-unet": result(["unet", "unet-identity"], 1),
            "toy": results.load(TOY)}
    for name, dataset in made.items():
        (top / name).mkdir()
        results.save(dataset, top / name / "result.nc")
    (top / "networks").mkdir()
    pixels = np.random.default_rng(2).integers(0, 255, (20, SIDE, SIDE), dtype=np.uint8)
    np.savez(top / "images.npz", x=pixels)
    train(ImageTrainConfig(dataset=f"npz:{top / 'images.npz'}", size=SIDE, width=4, depth=3, steps=2, batch=4),
          top / "networks" / "resnet-0")
    return MadeUp(top, top / "networks", quick=True)
