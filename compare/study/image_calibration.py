"""The fits of an image study, step by step and kept in its folder: k(t) by four rules, and lambda(t).

    cosine      ELS against the network at its own trajectory's points, smallest angle of eps (Kamb & Ganguli 2025)
    mse         the same points, smallest squared difference of x0
    validation  no network: smallest squared error of ELS in denoising images that are not in D
    entropy     no network: the smallest window at which the entropy of the local machine's posterior over training
                images, at the same noisy images, has fallen to a share of ln N
LS has its own k(t), by cosine. lambda(t) is chosen by cosine with k(t) given. Entry i belongs to t = (i + 1) / steps.
The windows of ELS are tried from the choice of the step before outwards, until none of the seeds prefers the outermost
one tried (of the validation images: until their mean does not): about half of them, and the same choice as from all
unless a loss has two minima.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from compare.result.image_names import NETWORK_FREE
from compare.result.schema import described
from compare.study import calibration
from compare.study.calibration import Calibration, Trajectory
from compare.study.folder import RunFolder
from compare.study.image_config import ImageConfig
from compare.study.image_machines import Fit, Machines
from compare.study.image_networks import ImageNetwork, first_of_each
from compare.study.noise import calibration_samples, evaluation_samples, initial_noise, sample_labels
from theory.schedules import Schedule


def calibrate(networks: Sequence[ImageNetwork], machines: Machines, config: ImageConfig,
              folder: RunFolder) -> dict[str, Fit]:
    """The fits to each variant, on its first network in `networks`; from samples that are never evaluation samples.

    ValueError: a rule among config.rules that needs validation images where there are none.
    """
    samples = calibration_samples(config.calibration_samples)
    if not set(samples).isdisjoint(evaluation_samples(config.samples)):
        raise AssertionError("calibration and evaluation share samples")
    sizes = _candidates(networks, machines, config)
    schedule = networks[0].denoiser.schedule
    free = _network_free(machines, sizes, schedule, config, folder)
    if not free and not set(config.rules).isdisjoint(NETWORK_FREE):
        raise ValueError(f"rules: got {', '.join(config.rules)}, but there are no validation images; want a data set "
                         "with a test split, a smaller subset, or other rules")
    return {network.variant: _fit(network, machines, sizes, free, config, folder)
            for network in first_of_each(networks)}


def _candidates(networks: Sequence[ImageNetwork], machines: Machines, config: ImageConfig) -> list[int]:
    """Window sizes to try, see `ImageConfig.patch_sizes`."""
    if config.patch_sizes is not None:
        return list(config.patch_sizes)
    fields = [network.receptive_field for network in networks]
    side = min(machines.training.images.shape[-2:])
    largest = side if None in fields else min(side, max(fields))
    return list(range(3, max(largest, 3) + 1, 2))


def _network_free(machines: Machines, sizes: list[int], schedule: Schedule, config: ImageConfig,
                  folder: RunFolder) -> dict[str, Calibration]:
    """The rules "validation" and "entropy", where there are validation images."""
    found = machines.training.validation
    if found is None:
        return {}
    images = found.images[: config.validation_images].astype(np.float64)
    labels = None if found.labels is None else found.labels[: config.validation_images]
    start = calibration_samples(config.calibration_samples).stop
    noise = initial_noise(config.seed, range(start, start + len(images)), images.shape[1:])

    def losses(i: int, before: dict | None) -> dict[str, np.ndarray]:
        sigma = float(schedule.sigma((i + 1) / config.steps))
        x = images + sigma * noise
        error = lambda j: calibration.squared_error(
            images, calibration.at_patch_sizes(machines.els, x, sigma, sizes[j : j + 1], labels))[0]
        best = lambda loss: loss.mean(axis=1).argmin()
        start = best(before["validation"]) if before else 0
        return {"validation": calibration.outwards(len(sizes), start, error, best),
                "entropy": calibration.posterior_entropy(machines.local, x, sigma, sizes,
                                                         machines.training.count(labels), labels)}

    parts = folder.steps("validation images", config.steps, losses)
    return {"validation": calibration.mean_choice(sizes, parts["validation"]),
            "entropy": calibration.first_below(sizes, parts["entropy"], config.entropy_share)}


def _fit(network: ImageNetwork, machines: Machines, sizes: list[int], free: Mapping[str, Calibration],
         config: ImageConfig, folder: RunFolder) -> Fit:
    samples, training = calibration_samples(config.calibration_samples), machines.training
    labels = None if training.labels is None else sample_labels(config.seed, samples, training.classes)
    noise = initial_noise(config.seed, samples, training.images.shape[1:])
    path = Trajectory(**folder.part(f"trajectory {network.name}", lambda: calibration.trajectory(
        network.denoiser, noise, network.denoiser.schedule, config.steps, labels)._asdict()))

    def losses(i: int, before: dict | None) -> dict[str, np.ndarray]:
        def both(j: int) -> np.ndarray:
            x0 = calibration.at_patch_sizes(machines.els, *path.query(i), sizes[j : j + 1], labels)
            return np.concatenate([calibration.cosine_distance(path, i, x0), calibration.squared_error(path.x0[i], x0)])

        start = int(np.median(before["cosine"].argmin(axis=0))) if before else 0
        els = calibration.outwards(len(sizes), start, both, lambda loss: loss.argmin(axis=0))     # (K, 2, B)
        local = calibration.at_patch_sizes(machines.local, *path.query(i), sizes, labels)
        return {"cosine": els[:, 0], "mse": els[:, 1], "local": calibration.cosine_distance(path, i, local)}

    parts = folder.steps(f"calibration {network.name}", config.steps, losses)
    chosen = {name: calibration.median_choice(sizes, loss) for name, loss in parts.items()}
    local = chosen.pop("local")
    strength = None
    if network.attention is not None:
        strength = _strength(network, machines, path, chosen["cosine"].chosen, labels, config, folder)
    return Fit({**chosen, **free}, local, strength)


def _strength(network: ImageNetwork, machines: Machines, path: Trajectory, patch_sizes: np.ndarray, labels,
              config: ImageConfig, folder: RunFolder) -> Calibration:
    attend = machines.attention(network.attention)

    def losses(i: int, _) -> dict[str, np.ndarray]:
        x0 = calibration.at_strengths(attend, *path.query(i), config.strengths, patch_sizes[i], labels)
        return {"cosine": calibration.cosine_distance(path, i, x0)}

    parts = folder.steps(f"strength {network.name}", config.steps, losses)
    return calibration.median_choice(config.strengths, parts["cosine"])


def fit_variables(fits: Mapping[str, Fit]) -> dict[str, tuple]:
    """Coordinates and variables of the fits, for a dataset: what was chosen, by each draw alone, and the losses."""
    of_rules = {variant: {**fit.els, "local": fit.local} for variant, fit in fits.items()}
    some = next(iter(of_rules.values()))
    draws = max(len(c.by_draw) for c in some.values())
    stacked = lambda field: np.stack([np.stack([field(c) for c in by_rule.values()]) for by_rule in of_rules.values()])
    known = lambda values: np.where(np.isinf(values), np.nan, values)
    missing = lambda values: [(0, 0)] * (values.ndim - 2) + [(0, draws - values.shape[-2]), (0, 0)]
    padded = lambda values: np.pad(known(values).astype(float), missing(values), constant_values=np.nan)
    fitted = ("fitted_variant", "rule")
    variables = {
        "fitted_variant": described("fitted_variant", list(fits), "variant to which k(t) and lambda(t) are fitted"),
        "rule": described("rule", list(some), "how k(t) is chosen: of ELS by cosine, mse, validation or entropy; "
                          "local: of LS by cosine"),
        "draw": described("draw", np.arange(draws), "calibration noise sample, or validation image"),
        "candidate_patch_size": described("candidate_patch_size", some["local"].candidates, "candidate window side k"),
        "fitted_patch_size": described((*fitted, "step"), stacked(lambda c: c.chosen), "window side k by the rule"),
        "fitted_patch_size_by_draw": described((*fitted, "draw", "step"), stacked(lambda c: padded(c.by_draw)),
                                               "window side k that the draw alone would choose"),
        "patch_size_loss": described(
            (*fitted, "candidate_patch_size", "draw", "step"), stacked(lambda c: padded(c.loss)),
            "what the rule goes by: 1 - cosine of eps, squared difference of x0, or entropy as a share of ln N; NaN "
            "where it was not tried"),
    }
    strengths = {variant: fit.strength for variant, fit in fits.items() if fit.strength is not None}
    if strengths:
        found = list(strengths.values())
        variables |= {
            "attention_variant": described("attention_variant", list(strengths), "variant with attention"),
            "candidate_strength": described("candidate_strength", found[0].candidates,
                                            "candidate attention strength lambda"),
            "fitted_strength": described(("attention_variant", "step"), np.stack([c.chosen for c in found]),
                                         "attention strength lambda by cosine"),
            "fitted_strength_by_draw": described(
                ("attention_variant", "draw", "step"), np.stack([padded(c.by_draw) for c in found]),
                "attention strength lambda that the draw alone would choose"),
            "strength_loss": described(
                ("attention_variant", "candidate_strength", "draw", "step"), np.stack([padded(c.loss) for c in found]),
                "1 - cosine of the network's eps and the machine's"),
        }
    return variables
