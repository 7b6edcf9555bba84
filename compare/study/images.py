"""Images: networks of any architecture, held against local machines whose windows are fitted to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from compare.measure.consistency import flag_measure
from compare.measure.measure import Measure
from compare.measure.nearest import nearest
from compare.result.identity import MachineIdentity
from compare.result.words import NETWORK_FREE
from compare.study.config import ImageConfig
from compare.study.diagnosis import along_paths, along_training
from compare.study.lineup import ATTENTION_FITTED, WHOLE_IMAGE, els_by, fitted
from compare.study.networks import NetworkEntry, TrainingSet
from compare.study.pipeline import Study
from compare.study.windows import fit

NEAREST = {"nearest_image": "training image nearest to the sample, by its place in the training set",
           "nearest_distance": "root mean squared difference a pixel from that image"}


def image_study(networks: Sequence[NetworkEntry], training: TrainingSet, config: ImageConfig, record: Mapping,
                snapshots: Mapping[int, NetworkEntry] | None = None) -> Study:
    """Return the study of networks that were trained on `training`.

    record: the resolved configuration. snapshots: the first network, by training step, on its way to what it is;
    sampled at its finest only.
    """
    attention = {network.variant: ATTENTION_FITTED.get(network.attention) for network in networks}
    probes = [along_paths] + [partial(along_training, snapshots=snapshots)] * bool(snapshots)
    chance = {} if training.layout is None else {"chance": training.layout.layout.chance}
    validation = "none" if training.validation is None else training.validation.source
    return Study(config, training, networks, _machines(attention, config.rules), _judged(training), record,
                 fit=partial(fit, attention=attention), probes=probes,
                 attributes={"validation_images": validation, **chance}, grouped=True, rounded=True)


def nearest_measure(training: np.ndarray) -> Measure:
    """Return the measure of how near a sample is to the training set."""
    return Measure(NEAREST, lambda images: dict(zip(NEAREST, nearest(images, training))))


def _judged(training: TrainingSet) -> Measure:
    """How near a sample is to the training set, and of rows of images their flags."""
    near = nearest_measure(training.images)
    if training.layout is None:
        return near
    flags = flag_measure(training.images, training.layout)
    return Measure(near.variables | flags.variables, lambda images: near.compute(images) | flags.compute(images))


def _machines(attention: Mapping[str, str | None], rules: tuple[str, ...]) -> list[MachineIdentity]:
    """Those without a window, then the network-free windows, then what is fitted to each variant."""
    machines = [*WHOLE_IMAGE]
    machines += [els_by(rule) for rule in rules if rule in NETWORK_FREE]
    for variant, attended in attention.items():
        machines.append(fitted("local", variant))
        machines += [els_by(rule, variant) for rule in rules if rule not in NETWORK_FREE]
        machines.append(els_by("cosine", variant))
        machines += [fitted("evidence_sharing", variant, attended)] if attended else []
    return machines
