"""k(t) by four rules, and lambda(t) with k(t) given, fitted step by step and kept in the run's folder.

    cosine      ELS against the network at its own trajectory's points, smallest angle of eps [KG2025]
    mse         the same points, smallest squared difference of x0
    validation  no network: smallest squared error of ELS in denoising images that are not in D
    entropy     no network: the smallest window at which the entropy of the local machine's posterior over training
                images, at the same noisy images, has fallen to a share of ln N
LS has its own k(t), by cosine. Where the candidates are not given, the windows of ELS are tried from the choice of the
step before outwards, until none of the seeds prefers the outermost one tried (of the validation images: until their
mean does not): about half of them, and the same choice as from all unless a loss has two minima.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.pointwise import squared_error
from compare.result.schema import variable
from compare.result.words import NETWORK_FREE
from compare.study.config import StudyConfig
from compare.study.fit import (
    Fit,
    at_patch_sizes,
    at_strengths,
    cosine_distance,
    expanding_search,
    first_below,
    mean_choice,
    median_choice,
    posterior_entropy,
)
from compare.study.lineup import els_by, fitted
from compare.study.networks import NetworkEntry, first_of_each
from compare.study.pipeline import Fitted, Run
from compare.study.sampling import Trajectory, calibration_samples, held_out_noise, trajectory
from theory.errors import UserError

LOCAL = "local"
"""The entry of LS's own k(t) beside the rules of ELS."""


class WindowFits(NamedTuple):
    """What was fitted to one variant: k(t) by each rule and of LOCAL; lambda(t) given k(t) by cosine, or None."""

    patch_size: dict[str, Fit]
    strength: Fit | None


def fit(run: Run, attention: Mapping[str, str | None]) -> Fitted:
    """Fit to each variant, on its first network, from samples that are never evaluation samples.

    attention: the rule whose lambda(t) is fitted to a variant, or None for none.
    UserError: a rule among the study's that needs validation images where there are none.
    """
    sizes = candidate_sizes(run)
    free = _network_free(run, sizes)
    rules = getattr(run.config, "rules", ())
    if not free and not set(rules).isdisjoint(NETWORK_FREE):
        raise UserError(f"rules: got {', '.join(rules)}, but there are no validation images; want a data set "
                        "with a test split, a smaller subset, or other rules")
    first = first_of_each(run.networks)
    found = run.folder.each(lambda network: fit_network(run, network, sizes, free, attention[network.variant]), first,
                            "calibration")
    fits = {network.variant: of_variant for network, of_variant in zip(first, found)}
    settings = {}
    for variant, found in fits.items():
        settings[fitted("local", variant)] = found.patch_size[LOCAL].chosen, None
        for rule in set(found.patch_size) - {LOCAL}:
            settings[els_by(rule, "" if rule in NETWORK_FREE else variant)] = found.patch_size[rule].chosen, None
        if found.strength is not None:
            attending = fitted("evidence_sharing", variant, attention[variant])
            settings[attending] = found.patch_size["cosine"].chosen, found.strength.chosen
    return Fitted(settings, fit_variables(fits))


def candidate_sizes(run: Run) -> list[int]:
    """Return the window sizes to try, see `StudyConfig.patch_sizes`."""
    if run.config.patch_sizes is not None:
        return list(run.config.patch_sizes)
    fields = [network.receptive_field for network in run.networks]
    side = min(run.training.images.shape[-2:])
    largest = side if None in fields else min(side, max(fields))
    return list(range(3, max(largest, 3) + 1, 2))


def _search(config: StudyConfig):
    """All candidates where they are given, else outwards."""
    if config.patch_sizes is None:
        return expanding_search
    return lambda count, start, loss, preferred: np.stack([loss(j) for j in range(count)])


def _network_free(run: Run, sizes: list[int]) -> dict[str, Fit]:
    """The rules "validation" and "entropy", where there are validation images and the study asks for some."""
    config, found, count = run.config, run.training.validation, getattr(run.config, "validation_images", 0)
    if found is None or not count:
        return {}
    images = found.images[:count].astype(np.float64)
    labels = None if found.labels is None else found.labels[:count]
    noise = held_out_noise(config, len(images), images.shape[1:])
    els, local, search = run.machines("equivariant_local"), run.machines("local"), _search(config)

    def losses(i: int, before: dict | None) -> dict[str, np.ndarray]:
        sigma = float(run.schedule.sigma((i + 1) / config.steps))
        x = images + sigma * noise
        error = lambda j: squared_error(images, at_patch_sizes(els, x, sigma, sizes[j : j + 1], labels))[0]
        best = lambda loss: loss.mean(axis=1).argmin()
        entropy = posterior_entropy(local, x, sigma, sizes, run.training.count(labels), labels)
        return {"validation": search(len(sizes), best(before["validation"]) if before else 0, error, best),
                "entropy": entropy}

    parts = run.folder.cached_steps("validation images", config.steps, losses, chained=True)
    return {"validation": mean_choice(sizes, parts["validation"]),
            "entropy": first_below(sizes, parts["entropy"], config.entropy_share)}


def fit_network(run: Run, network: NetworkEntry, sizes: list[int], free: Mapping[str, Fit],
                attention: str | None) -> WindowFits:
    path, labels = calibration_path(run, network)
    els, local, search = run.machines("equivariant_local"), run.machines("local"), _search(run.config)

    def losses(i: int, before: dict | None) -> dict[str, np.ndarray]:
        def both(j: int) -> np.ndarray:
            x0 = at_patch_sizes(els, *path.query(i), sizes[j : j + 1], labels)
            return np.concatenate([cosine_distance(path, i, x0), squared_error(path.x0[i], x0)])

        start = int(np.median(before["cosine"].argmin(axis=0))) if before else 0
        found = search(len(sizes), start, both, lambda loss: loss.argmin(axis=0))                  # (K, 2, B)
        at_local = at_patch_sizes(local, *path.query(i), sizes, labels)
        return {"cosine": found[:, 0], "mse": found[:, 1], LOCAL: cosine_distance(path, i, at_local)}

    parts = run.folder.cached_steps(f"calibration {network.name}", run.config.steps, losses, chained=True)
    chosen = {name: median_choice(sizes, loss) for name, loss in parts.items()}
    ordered = {rule: chosen[rule] for rule in ("cosine", "mse")} | dict(free) | {LOCAL: chosen[LOCAL]}
    return WindowFits(ordered, None if attention is None else
                      _strength(run, network, attention, path, chosen["cosine"].chosen, labels))


def _strength(run: Run, network: NetworkEntry, attention: str, path: Trajectory, patch_sizes: np.ndarray,
              labels: np.ndarray | None) -> Fit:
    strengths, attend = run.config.strengths, run.machines("evidence_sharing", attention)

    def losses(i: int, _) -> dict[str, np.ndarray]:
        x0 = at_strengths(attend, *path.query(i), strengths, patch_sizes[i], labels)
        return {"cosine": cosine_distance(path, i, x0)}

    parts = run.folder.cached_steps(f"strength {network.name}", run.config.steps, losses)
    return median_choice(strengths, parts["cosine"])


def calibration_path(run: Run, network: NetworkEntry) -> tuple[Trajectory, np.ndarray | None]:
    """Return the network's trajectories from the calibration samples, and their labels."""
    noise, labels = run.start(calibration_samples(run.config.calibration_samples))
    return followed(run, f"trajectory {network.name}", network, noise, labels), labels


def followed(run: Run, name: str, network: NetworkEntry, noise: np.ndarray, labels: np.ndarray | None) -> Trajectory:
    """Return the network's own trajectory, kept in the folder."""
    denoiser = network.denoiser
    return Trajectory(**run.folder.cached(name, lambda: trajectory(denoiser, noise, denoiser.schedule,
                                                                   run.config.steps, labels)._asdict()))


# The fits as variables


def fit_variables(fits: Mapping[str, WindowFits]) -> xr.Dataset:
    """Return what was chosen, by each draw alone, and the losses, over fitted_variant and rule."""
    windows = xr.concat([xr.concat([_one(fit, "patch_size", "window side k by the rule").expand_dims(rule=[rule])
                                    for rule, fit in of_variant.patch_size.items()], "rule")
                         .expand_dims(fitted_variant=[variant]) for variant, of_variant in fits.items()],
                        "fitted_variant")
    windows["rule"].attrs = {"long_name": "how k(t) is chosen: of ELS by cosine, mse, validation or entropy; local: "
                             "of LS by cosine", "units": "1"}
    windows["fitted_variant"].attrs = {"long_name": "variant to which k(t) and lambda(t) are fitted", "units": "1"}
    strengths = {variant: fit.strength for variant, fit in fits.items() if fit.strength is not None}
    if not strengths:
        return windows
    attended = xr.concat([_one(fit, "strength", "attention strength lambda by cosine")
                          .expand_dims(attention_variant=[variant]) for variant, fit in strengths.items()],
                         "attention_variant")
    attended["attention_variant"].attrs = {"long_name": "variant with a fitted lambda(t)", "units": "1"}
    return xr.merge([windows, attended], join="outer", compat="no_conflicts")


def _one(fit: Fit, what: str, long_name: str) -> xr.Dataset:
    """One fit: the choice (step), by draw (draw, step), and the loss (candidate, draw, step); NaN where not tried."""
    loss = np.where(np.isinf(fit.loss), np.nan, fit.loss)
    return xr.Dataset({
        f"fitted_{what}": variable("step", fit.chosen, long_name),
        f"fitted_{what}_by_draw": variable(("draw", "step"), fit.by_draw.astype(float), f"{long_name}, of the draw"),
        f"{what}_loss": variable((f"candidate_{what}", "draw", "step"), loss, "what the rule goes by: 1 - cosine of "
                                  "eps, squared difference of x0, or entropy as a share of ln N; NaN: not tried"),
    }, {
        f"candidate_{what}": variable(f"candidate_{what}", fit.candidates, f"candidate {what.replace('_', ' ')}"),
        "draw": variable("draw", np.arange(fit.loss.shape[1]), "calibration noise sample, or validation image"),
    })
