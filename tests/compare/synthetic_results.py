"""Results with made-up images, for tests of what is said about a result."""

import numpy as np
import xarray as xr

from compare.measure.consistency import FLAGS
from compare.measure.measure import Measure
from compare.result.identity import MachineIdentity, NetworkIdentity
from compare.result.provenance import provenance
from compare.result.schema import Generation, Prediction, build, variable
from compare.study.fit import median_choice
from compare.study.images import NEAREST
from compare.study.windows import WindowFits, fit_variables

TOY_SAMPLES = 40
TOY_MACHINES = {identity.label: identity for identity in (
    MachineIdentity("ideal"), MachineIdentity("wiener"), MachineIdentity("local", patch_size=5),
    MachineIdentity("equivariant_local", patch_size=3), MachineIdentity("equivariant_local", patch_size=5),
    MachineIdentity("evidence_sharing", "uniform", patch_size=3, strength=0.1),
    MachineIdentity("equivariant_local", setting="fitted", fitted_to="cnn", window_rule="cosine"),
    MachineIdentity("evidence_sharing", "uniform", "fitted", "cnn", window_rule="cosine"))}


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
    result = build(truth, [Prediction(identity, images[name], [identity.patch_size or 3] * 5,
                                       [identity.strength or 0.0] * 5) for name, identity in TOY_MACHINES.items()],
                   [Generation(NetworkIdentity("cnn", seed, steps), near(0.3)) for seed in (0, 1)
                    for steps in (20, 150)],
                   Measure(FLAGS, judge), attrs | {"training_images": 7})
    return result.assign_coords(
        calibration_sample=variable("calibration_sample", [0, 1], "index of the calibration sample"))


IMAGE_SAMPLES, IMAGE_STEPS = 30, 20
IMAGE_MACHINES = {identity.label: identity for identity in (
    MachineIdentity("ideal"), MachineIdentity("wiener"),
    MachineIdentity("equivariant_local", setting="fitted", window_rule="entropy"),
    *(MachineIdentity(kind, "", "fitted", variant, window_rule="cosine")
      for variant in ("resnet", "resnet-identity") for kind in ("local", "equivariant_local")),
    MachineIdentity("evidence_sharing", "identity", "fitted", "resnet-identity", window_rule="cosine"))}


def image_result():
    """30 samples, eight machines; resnet with two training seeds and resnet-identity with one, at 20 and 150 steps.

    The fits: ELS k(t) = 3 in the first half and 5 in the second; lambda = 0.1 throughout.
    """
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(IMAGE_SAMPLES, 1, 5, 6))
    near = lambda noise: (truth + noise * rng.normal(size=truth.shape)).astype(np.float32)
    distance = {"ideal": 2.0, "wiener": 1.0, "identity fitted to resnet-identity": 0.2}
    sizes = np.repeat([3, 5], IMAGE_STEPS // 2)
    attrs = provenance(command="", config={"seed": 3, "steps": IMAGE_STEPS, "dataset": "mnist", "published": "mnist",
                                           "boundary": "zeros", "conditional": False},
                       seeds={"seed": 3}, data_fingerprint="", device="cpu", wall_seconds=1.0)
    judge = lambda images: {"nearest_image": np.zeros(len(images), int), "nearest_distance": images.std((1, 2, 3))}
    networks = [("resnet", 0), ("resnet", 1), ("resnet-identity", 0)]
    result = build(
        near(1.0), [Prediction(identity, near(distance.get(name, 0.5)), sizes, 0.0 * sizes)
                    for name, identity in IMAGE_MACHINES.items()],
        [Generation(NetworkIdentity(*network, steps), near(0.3)) for network in networks for steps in (20, 150)],
        Measure(NEAREST, judge), attrs | {"training_images": 5000, "validation_images": "test split"})
    wanted = lambda candidates, values: median_choice(
        candidates, np.abs(np.reshape(candidates, (-1, 1, 1)) - values) + 1e-3 * rng.random((1, 4, IMAGE_STEPS)))
    k = wanted([3, 5, 7], sizes.astype(float))
    fits = {"resnet": WindowFits({"cosine": k, "entropy": k, "local": k}, None),
            "resnet-identity": WindowFits({"cosine": k, "entropy": k, "local": k},
                                          wanted([0.0, 0.1], np.full(IMAGE_STEPS, 0.1)))}
    path = rng.uniform(0.5, 1.0, size=(len(IMAGE_MACHINES), 2, 3, IMAGE_STEPS))
    training = np.linspace(0.1, 0.9, 4)[None, :, None] + 0.05 * rng.random((len(IMAGE_MACHINES), 4, IMAGE_SAMPLES))
    more = {
        "diagnosed_sample": variable("diagnosed_sample", np.arange(3), "sample whose path was followed"),
        "path_pearson_r": variable(("machine", "fitted_variant", "diagnosed_sample", "step"), path, "r on the path"),
        "snapshot_step": variable("snapshot_step", [10, 100, 1000, 9000], "training steps"),
        "snapshot_pearson_r": variable(("machine", "snapshot_step", "sample"), training, "r along the training"),
    }
    return xr.merge([result, fit_variables(fits), xr.Dataset(more)], combine_attrs="override", join="exact",
                    compat="no_conflicts")
