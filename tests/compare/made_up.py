"""Results with made-up images, for tests of what is said about a result."""

import numpy as np

from compare.provenance import provenance
from compare.results import Generation, Prediction, build, described
from compare.toy_study import JUDGED

TOY_SAMPLES = 40
TOY_MACHINES = ["ideal", "wiener", "local k=5", "els k=3", "els k=5", "uniform k=3 lambda=0.1", "els fitted to cnn",
                "uniform fitted to cnn"]


def toy_result():
    """40 samples, eight machines, the variant cnn with two training seeds at 20 and 150 steps."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(TOY_SAMPLES, 3, 4, 2))
    near = lambda noise: truth + noise * rng.normal(size=truth.shape)
    images = {name: near(1.0) for name in TOY_MACHINES}
    images["uniform k=3 lambda=0.1"] = near(0.2)
    images["uniform fitted to cnn"] = images["els fitted to cnn"]
    judge = lambda images: {name: images.mean((1, 2, 3)) > cut
                            for name, cut in (("consistent", 0.0), ("clean", -9.0), ("novel", 9.0))}
    attrs = provenance(command="", config={"seed": 3, "steps": 5, "fixed_patch_size": 3, "fixed_strength": 0.1},
                       seeds={"seed": 3, "calibrated_on_training_seed": 0}, data_fingerprint="", device="cpu",
                       wall_seconds=1.0)
    result = build(truth, [Prediction(name, images[name], [3] * 5, [0.0] * 5) for name in TOY_MACHINES],
                   [Generation("cnn", seed, steps, near(0.3)) for seed in (0, 1) for steps in (20, 150)], judge, JUDGED,
                   attrs | {"training_images": 7})
    return result.assign_coords(
        calibration_sample=described("calibration_sample", [0, 1], "index of the calibration sample"))
