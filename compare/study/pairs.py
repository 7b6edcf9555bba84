"""Rows of real images with a shared hue: what attention adds to a network, and whether a closed form predicts it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from compare.measure.agreement import agreement
from compare.measure.consistency import flag_measure
from compare.measure.pointwise import squared_error
from compare.result.identity import MachineIdentity
from compare.result.schema import variable
from compare.study.config import PairsConfig
from compare.study.differences import held_out_images, pairs_of, what_attention_adds
from compare.study.fit import at_strengths, cosine_distance, mean_choice, median_choice
from compare.study.lineup import WHOLE_IMAGE, fitted
from compare.study.networks import NetworkEntry, TrainingSet
from compare.study.pipeline import Fitted, Run, Study
from compare.study.sampling import calibration_samples, initial_noise
from compare.study.windows import calibration_path, candidate_sizes, fit_network, fit_variables
from empirical.training.image_config import ImageTrainConfig
from theory import ddim, derived_strength
from theory.errors import UserError

SHARES = (0.3, 1.0)
"""Strengths of evidence sharing asked without a fit, in units of 1 / k^2, where each noisy pixel counts once."""

BLENDS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Candidates for the weight of the ideal score in the constant blend."""


def recipes(dataset: str, attention: Sequence[str] = ("learned",), training_seeds: Sequence[int] = (0,),
            training_steps: int | None = None) -> list[ImageTrainConfig]:
    """Return how networks without and with attention are trained, each rule with each seed."""
    steps = {} if training_steps is None else {"steps": training_steps}
    return [ImageTrainConfig.preset(dataset=dataset, attention=rule, seed=seed, **steps)
            for rule in (None, *attention) for seed in training_seeds]


def pairs_study(networks: Sequence[NetworkEntry], training: TrainingSet, config: PairsConfig,
                record: Mapping) -> Study:
    """Return the study. UserError: networks without a match, or a training set without held-out images."""
    if training.validation is None:
        raise UserError("dataset: got one without held-out combinations, want held_out greater than 0")
    pairs = pairs_of(networks)
    return Study(config, training, networks, _machines(pairs), flag_measure(training.images, training.layout), record,
                 fit=_fit, probes=[what_attention_adds], grouped=True,
                 attributes={"chance": training.layout.layout.chance, "stretch_json": json.dumps(config.stretch)})


def _machines(pairs) -> list[MachineIdentity]:
    """The whole-image scores, ELS, and by how the strength is set: evidence sharing, the blend; then joint matching."""
    local, attending = pairs[0].local.variant, pairs[0].attending.variant
    shared = [_derived("evidence_sharing", local)]
    shared += [fitted("evidence_sharing", variant, "uniform") for variant in (local, attending)]
    shared += [_share(share, local) for share in SHARES]
    return [*WHOLE_IMAGE, fitted("equivariant_local", local), *shared, _derived("joint_matching", local),
            fitted("ideal_interpolation", attending)]


def _derived(kind: str, local: str) -> MachineIdentity:
    """A form whose strength is derived, with the CNN's window."""
    return MachineIdentity(kind, "uniform", "derived", local)


def _share(share: float, local: str) -> MachineIdentity:
    """Evidence sharing with a share of 1 / k^2, with the CNN's window."""
    return MachineIdentity("evidence_sharing", "uniform", "fixed", local, strength=share)


def _fit(run: Run) -> Fitted:
    """k(t) along the first CNN's paths; strengths by held-out images, and along the first network with attention."""
    first = pairs_of(run.networks)[0]
    windows = fit_network(run, first.local, candidate_sizes(run), {}, None)
    k = windows.patch_size["cosine"].chosen
    local, attending = first.local.variant, first.attending.variant
    denoising, along = _strength_by_denoising(run, k), _strength_along(run, first.attending, k)
    weight, blend = _blend_weight(run, first.attending, k)
    derived = _derived_strength(run, k)
    settings = {fitted("equivariant_local", local): (k, None),
                _derived("evidence_sharing", local): (k, derived),
                _derived("joint_matching", local): (k, np.ones(len(k))),
                fitted("evidence_sharing", local, "uniform"): (k, denoising.chosen / k**2),
                fitted("evidence_sharing", attending, "uniform"): (k, along.chosen / k**2),
                fitted("ideal_interpolation", attending): (k, np.full(len(k), weight))}
    settings |= {_share(share, local): (k, share / k**2) for share in SHARES}
    return Fitted(settings, xr.merge([fit_variables({local: windows}),
                                      _variables(run, derived * k**2, denoising, along, blend)]))


def _derived_strength(run: Run, k: np.ndarray) -> np.ndarray:
    """The strength that the training set itself asks for, of each step."""
    sigma = run.schedule.sigma(np.arange(1, run.config.steps + 1) / run.config.steps)
    by_size = {size: derived_strength(run.training.images, size, sigma) for size in set(k.tolist())}
    return np.array([by_size[size][i] for i, size in enumerate(k.tolist())])


def _strength_by_denoising(run: Run, k: np.ndarray):
    """The share of 1 / k^2 that denoises held-out images best, of each step."""
    machine, truth = run.machines("evidence_sharing", "uniform"), run.training.validation.images[: run.config.points]

    def losses(i: int, _) -> dict[str, np.ndarray]:
        x0 = at_strengths(machine, *held_out_images(run, i), np.array(run.config.strengths) / k[i] ** 2, k[i])
        return {"error": squared_error(truth, x0)}

    return mean_choice(run.config.strengths, run.folder.cached_steps("strength by denoising", run.config.steps,
                                                                     losses)["error"])


def _strength_along(run: Run, network: NetworkEntry, k: np.ndarray):
    """The share of 1 / k^2 that is nearest to a network with attention along its own calibration paths."""
    machine = run.machines("evidence_sharing", "uniform")
    path, _ = calibration_path(run, network)

    def losses(i: int, _) -> dict[str, np.ndarray]:
        x0 = at_strengths(machine, *path.query(i), np.array(run.config.strengths) / k[i] ** 2, k[i])
        return {"cosine": cosine_distance(path, i, x0)}

    return median_choice(run.config.strengths, run.folder.cached_steps(f"strength along {network.name}",
                                                                       run.config.steps, losses)["cosine"])


def _blend_weight(run: Run, network: NetworkEntry, k: np.ndarray) -> tuple[float, np.ndarray]:
    """The weight whose images from the calibration noises are nearest to the network's in mean r2, and all r2."""
    noise = initial_noise(run.config.seed, calibration_samples(run.config.calibration_samples), run.noise.shape[1:])
    machine, steps = run.machines("ideal_interpolation"), run.config.steps

    def r2() -> dict[str, np.ndarray]:
        target = ddim(network.denoiser, noise, run.schedule, steps=max(run.config.network_steps))
        drawn = [ddim(machine, noise, run.schedule, steps=steps, patch_sizes=k, strengths=np.full(steps, weight))
                 for weight in BLENDS]
        return {"r2": np.stack([agreement(images, target).r2 for images in drawn])}

    found = run.folder.cached("blend weight", r2)["r2"]
    return BLENDS[found.mean(axis=1).argmax()], found


def _variables(run: Run, derived: np.ndarray, denoising, along, blend: np.ndarray) -> xr.Dataset:
    """What the strengths were chosen by, in units of 1 / k^2."""
    return xr.Dataset({
        "derived_share": variable("step", derived, "strength times k^2, as derived from the training set"),
        "fitted_share": variable("step", denoising.chosen, "strength times k^2 that denoises held-out images best"),
        "share_error": variable(("candidate_share", "step"), denoising.loss.mean(axis=1),
                                 "mean squared error on held-out images"),
        "fitted_share_along": variable("step", along.chosen, "strength times k^2 nearest to the first network with "
                                        "attention"),
        "blend_r2": variable(("candidate_weight", "calibration_sample"), blend,
                              "r2 of the constant blend with the first network with attention"),
    }, {"candidate_share": variable("candidate_share", list(run.config.strengths), "strength times k^2"),
        "candidate_weight": variable("candidate_weight", list(BLENDS), "weight of the ideal score")})
