"""Does a closed form predict what networks with attention draw? Toy networks on one training set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from compare.measure.consistency import chance_rates, flag_measure
from compare.result.identity import MachineIdentity
from compare.result.schema import variable
from compare.result.words import CLOSED_FORMS, NETWORK_MAP_FORMS
from compare.study.config import AttentionConfig
from compare.study.folder import RunFolder
from compare.study.joint_fit import JointFit, candidate_losses, joint_choice
from compare.study.lineup import DERIVED, derived_form, fitted, fitted_form
from compare.study.networks import NetworkEntry, first_of_each, load_toy
from compare.study.pipeline import Fitted, Run, Study
from compare.study.same_points import at_noised_images, on_own_paths
from compare.study.windows import calibration_path
from theory.errors import UserError


def attention_study(config: AttentionConfig, stems: list[Path], folder: RunFolder) -> Study:
    """Return the study. UserError: networks of several training sets, or two of one variant and training seed."""
    networks, training = load_toy(stems, config.device)
    if len({network.name for network in networks}) < len(networks):
        raise UserError("networks: got two of one variant and training seed, want each once")
    calibrated_on = {network.variant: network.name for network in first_of_each(networks)}
    judged = flag_measure(training.images, training.layout)
    return Study(config, training, networks, _machines(config, networks), judged, folder.config, fit=_fit,
                 probes=(at_noised_images, on_own_paths),
                 attributes={"chance_json": json.dumps(chance_rates(training.images, training.layout)),
                             "calibrated_on_json": json.dumps(calibrated_on)})


def _machines(config: AttentionConfig, networks: list[NetworkEntry]) -> list[MachineIdentity]:
    """The ideal score, forms as derived, and of each variant ELS, forms by each network's map, and the others."""
    own = [form for form in config.closed_forms if form in NETWORK_MAP_FORMS]
    shared = [form for form in config.closed_forms if form not in NETWORK_MAP_FORMS]
    machines = [MachineIdentity("ideal"), *(derived_form(form) for form in shared if form in DERIVED)]
    machines += [derived_form(form, network) for network in networks if network.attention for form in own]
    for first in first_of_each(networks):
        seeds = [network for network in networks if network.variant == first.variant and network.attention]
        machines += [fitted("equivariant_local", first.variant),
                     *(fitted_form(form, network) for network in seeds for form in own),
                     *(fitted_form(form, first) for form in shared)]
    return machines


def _fit(run: Run) -> Fitted:
    """Every closed form to each variant, on its first network."""
    settings, networks = {}, first_of_each(run.networks)
    found = run.folder.each(lambda first: _fits(run, first), networks, "calibration")
    fits = {first.variant: of_variant for first, of_variant in zip(networks, found)}
    for first in networks:
        of_variant = fits[first.variant]
        settings[fitted("equivariant_local", first.variant)] = next(iter(of_variant.values())).local_patch_size, None
        for form, fit in of_variant.items():
            settings |= {fitted_form(form, network): (fit.patch_size, fit.strength) for network in run.networks
                         if network.variant == first.variant}
    return Fitted(settings, _variables(fits, run.config), fits)


def _fits(run: Run, first: NetworkEntry) -> dict[str, JointFit]:
    config = run.config
    asked = {form: run.machines(*CLOSED_FORMS[form], along=first) for form in config.closed_forms
             if first.attention or form not in NETWORK_MAP_FORMS}
    path, _ = calibration_path(run, first)
    candidates = config.patch_sizes, config.strengths
    found = run.folder.cached_steps(f"calibration {first.name}", config.steps,
                                    lambda i, _: candidate_losses(asked, path, i, *candidates))
    return {form: joint_choice(*found[form], *candidates) for form in asked}


def _variables(fits: Mapping[str, Mapping[str, JointFit]], config: AttentionConfig) -> xr.Dataset:
    """What was chosen, over (fitted_variant, fitted_form); NaN where a form is not fitted to the variant."""
    long_names = {"local_patch_size": "window side k of ELS", "patch_size": "window side k, chosen with the strength",
                  "strength": "strength lambda, chosen with the window",
                  "residual_strength": "strength of the residual test"}
    over = ("fitted_variant", "fitted_form")
    shape, forms = (len(fits), len(config.closed_forms)), list(config.closed_forms)
    grid = (len(config.patch_sizes), len(config.strengths), config.steps)
    values = {name: np.full((*shape, config.steps), np.nan) for name in long_names}
    losses = np.full((*shape, *grid), np.nan)
    for v, of_variant in enumerate(fits.values()):
        for form, fit in of_variant.items():
            f = forms.index(form)
            losses[v, f] = fit.loss
            for name in long_names:
                values[name][v, f] = getattr(fit, name)
    variables = {f"fitted_{name}": variable((*over, "step"), values[name], long_name)
                 for name, long_name in long_names.items()}
    variables["fit_loss"] = variable((*over, "candidate_patch_size", "candidate_strength", "step"), losses,
                                      "mean cosine distance of machine and network on the calibration samples")
    return xr.Dataset(variables, {
        "fitted_variant": variable("fitted_variant", list(fits), "variant that the forms are fitted to"),
        "fitted_form": variable("fitted_form", forms, "closed form that is fitted"),
        "candidate_patch_size": variable("candidate_patch_size", list(config.patch_sizes), "window side k"),
        "candidate_strength": variable("candidate_strength", list(config.strengths), "strength lambda"),
    })
