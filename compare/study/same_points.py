"""Networks and closed forms at the same noisy images: losses, the residual test, and agreement itself.

At noised training images all are asked for the same thing; on a network's own trajectory, only what concerns it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.denoising_loss import noise_error, noisy_training_images
from compare.measure.pointwise import MEASURES, pointwise_agreement
from compare.measure.residual import Products, products
from compare.result.identity import MachineIdentity
from compare.result.schema import variable
from compare.result.words import CLOSED_FORMS
from compare.study.machines import StudyMachine
from compare.study.networks import NetworkEntry, first_of_each
from compare.study.pipeline import Run
from compare.study.windows import followed


class Form(NamedTuple):
    """What gives the direction z = its x0 - ELS of the residual test.

    role: "theory", "null" (no theory of attention), "ceiling" (another network) or "baseline" (ELS itself)
    """

    label: str
    kind: str
    attention: str
    setting: str
    role: str


IDEAL = Form("ideal", "ideal", "", "fixed", "null")
ELS = Form("els", "equivariant_local", "", "fitted", "baseline")
ANOTHER_SEED = Form("another training seed", "network", "", "fixed", "ceiling")
MATCHED_CNN = Form("cnn of the same seed", "network", "", "fixed", "baseline")


def forms_of(closed_forms, derived) -> list[Form]:
    """Return all forms of a study: fitted, what stands beside them, and as derived."""
    fitted = [Form(name, *CLOSED_FORMS[name], "fitted", "null" if name == "blend" else "theory")
              for name in closed_forms]
    return [*fitted, IDEAL, ELS, ANOTHER_SEED, MATCHED_CNN,
            *(Form(f"{name} as derived", *CLOSED_FORMS[name], "derived", "theory") for name in derived)]


def losses_at_noised_images(run: Run) -> xr.Dataset:
    """Return the denoising losses of all machines and networks at noised training images."""
    def ask(i: int, _) -> dict[str, np.ndarray]:
        x0, x, sigma = _noised(run, i)
        networks, machines = _outputs(run, i, x, sigma)
        return {"machine": _errors(machines, x0, sigma), "network": _errors(networks, x0, sigma)}

    found = run.folder.cached_steps("denoising loss", run.config.steps, ask)
    return xr.Dataset({"machine_loss": _loss("machine", found["machine"]),
                       "network_loss": _loss("subject", found["network"])}, _subjects(run))


def at_noised_images(run: Run) -> xr.Dataset:
    """Return losses of all, and of each network the residual products and agreement with each form."""
    forms = _forms(run)

    def ask(i: int, _) -> dict[str, np.ndarray]:
        x0, x, sigma = _noised(run, i)
        networks, machines = _outputs(run, i, x, sigma)
        windows = {k: run.machines("equivariant_local").denoise(x, sigma, patch_size=k) for k in run.config.patch_sizes}
        held = [_held(run, network, i, x, sigma, networks, machines, forms) for network in run.networks]
        return {"machine": _errors(machines, x0, sigma), "network": _errors(networks, x0, sigma),
                "window": _errors(windows, x0, sigma), "products": np.stack([of[0] for of in held]),
                "pointwise": np.stack([of[1] for of in held])}

    found = run.folder.cached_steps("noised images", run.config.steps, ask)
    return _dataset(run, forms, "point", found).assign(
        machine_loss=_loss("machine", found["machine"]), network_loss=_loss("subject", found["network"]),
        window_loss=_loss("candidate_patch_size", found["window"]))


def _noised(run: Run, i: int) -> tuple[np.ndarray, np.ndarray, float]:
    config = run.config
    return noisy_training_images(run.training.images, config.points, config.seed, run.schedule, (i + 1) / config.steps)


def _outputs(run: Run, i: int, x: np.ndarray, sigma: float) -> tuple[dict, dict]:
    """x0 of every network by name, and of every machine by identity."""
    return ({network.name: network.denoiser.denoise(x, sigma) for network in run.networks},
            {machine.identity: machine.denoise(x, sigma, i) for machine in run.lineup})


def _errors(outputs: dict, x0: np.ndarray, sigma: float) -> np.ndarray:
    return np.stack([noise_error(output, x0, sigma) for output in outputs.values()])


def _loss(dim: str, values: np.ndarray) -> tuple:
    return variable((dim, "point", "step"), values.astype(np.float32),
                     "mean squared error of the predicted noise on noised training images")


def on_own_paths(run: Run) -> xr.Dataset:
    """Return the same along the trajectory of each variant's first network; NaN for other networks."""
    forms, steps, samples = _forms(run), run.config.steps, run.config.path_samples
    shape = (len(run.networks), len(forms))
    found = {"products": np.full((*shape, 3, samples, steps), np.nan),
             "pointwise": np.full((*shape, 2, samples, steps), np.nan)}
    for network in first_of_each(run.networks):
        path = followed(run, f"path {network.name}", network, run.noise[:samples], None)
        n = run.networks.index(network)

        def ask(i: int, _, path=path, network=network) -> dict[str, np.ndarray]:
            x, sigma = path.query(i)
            made = {other.name: other.denoiser.denoise(x, sigma) for other in run.networks}
            made[network.name] = path.x0[i]
            own = [machine for machine in run.lineup if _concerns(machine.identity, network)]
            machines = {machine.identity: machine.denoise(x, sigma, i) for machine in own}
            held = _held(run, network, i, x, sigma, made, machines, forms)
            return {"products": held[0], "pointwise": held[1]}

        for name, values in run.folder.cached_steps(f"path of {network.name}", steps, ask).items():
            found[name][n] = values
    return _dataset(run, forms, "path_sample", found)


def _forms(run: Run) -> list[Form]:
    names = {CLOSED_FORMS[name]: name for name in run.config.closed_forms}
    derived = dict.fromkeys(names[machine.kind, machine.attention] for machine in run.study.machines
                            if machine.setting == "derived")
    return forms_of(run.config.closed_forms, derived)


def _concerns(identity: MachineIdentity, network: NetworkEntry) -> bool:
    """Whether a machine is held against the network: fitted to none or to its variant, and not by another's map."""
    return (identity.fitted_to in ("", network.variant)
            and identity.map_of_seed in (-1, network.training_seed) and identity.map_of in ("", network.variant))


def _held(run: Run, network: NetworkEntry, i: int, x: np.ndarray, sigma: float, made: dict[str, np.ndarray],
          machines: dict[MachineIdentity, np.ndarray], forms: list[Form]) -> tuple[np.ndarray, np.ndarray]:
    """Products (forms, 3, images) and agreement (forms, 2, images) of a network; NaN where none is."""
    own = [(identity, x0) for identity, x0 in machines.items() if _concerns(identity, network)]
    local = next(x0 for identity, x0 in own if identity.kind == ELS.kind)
    outputs = {ELS: local, IDEAL: next(x0 for identity, x0 in own if identity.kind == IDEAL.kind)}
    outputs |= _other_networks(run, network, made)
    for form in forms:
        if form.setting == "derived":
            outputs |= dict.fromkeys([form], next((x0 for identity, x0 in own if _is(identity, form)), None))
        elif form.role in ("theory", "null") and form is not IDEAL:
            machine = _residual_machine(run, network, form)
            outputs |= dict.fromkeys([form], machine and machine.denoise(x, sigma, i))
    found = np.full((len(forms), 3, len(x)), np.nan), np.full((len(forms), 2, len(x)), np.nan)
    for f, form in enumerate(forms):
        if outputs.get(form) is not None:
            if form is not ELS:
                found[0][f] = np.stack(products(made[network.name], outputs[form], local, sigma))
            if form.role in ("baseline", "ceiling") or form is IDEAL:
                found[1][f] = pointwise_agreement(x, made[network.name], outputs[form])
    return found


def _is(identity: MachineIdentity, form: Form) -> bool:
    return (identity.kind, identity.attention, identity.setting) == (form.kind, form.attention, form.setting)


def _other_networks(run: Run, network: NetworkEntry, made: dict[str, np.ndarray]) -> dict[Form, np.ndarray]:
    """What other networks make of the same points, where there are any."""
    seeds = [other for other in run.networks if other.variant == network.variant]
    second = seeds[seeds.index(network) - 1]
    matched = [other for other in run.networks if other.attention is None and network.attention is not None
               and other.training_seed == network.training_seed]
    others = {} if second is network else {ANOTHER_SEED: made[second.name]}
    return others | ({MATCHED_CNN: made[matched[0].name]} if matched else {})


def _residual_machine(run: Run, network: NetworkEntry, form: Form) -> StudyMachine | None:
    """The fitted form with ELS's window and the strength of the residual test; None where it is not fitted."""
    fit = run.fitted.fits[network.variant].get(form.label)
    return next((machine._replace(patch_sizes=fit.local_patch_size, strengths=fit.residual_strength)
                 for machine in run.lineup if fit is not None and _is(machine.identity, form)
                 and _concerns(machine.identity, network)), None)


def _dataset(run: Run, forms: list[Form], image: str, found: dict[str, np.ndarray]) -> xr.Dataset:
    """yy, yz, zz of `residual.products` and MEASURES, over (subject, form, image, step)."""
    over, where = ("subject", "form", image, "step"), image.partition("_")[0]
    note = ", of y = network - ELS and z = another denoiser - ELS, as predicted noise, sum over pixels and channels"
    variables = {f"{where}_{name}": variable(over, found["products"][:, :, p].astype(np.float32),
                                              f"<{name[0]}, {name[1]}>{note}")
                 for p, name in enumerate(Products._fields)}
    variables |= {f"{where}_{name}": variable(over, found["pointwise"][:, :, m].astype(np.float32),
                                               f"{long_name}: network and form")
                  for m, (name, long_name) in enumerate(MEASURES.items())}
    columns = {"form": "label", "form_kind": "kind", "form_attention": "attention", "form_setting": "setting",
               "role": "role"}
    return xr.Dataset(variables, {
        **_subjects(run),
        **{name: variable("form", [getattr(form, field) for form in forms], f"{field} of what gives z")
           for name, field in columns.items()},
    })


def _subjects(run: Run) -> dict[str, tuple]:
    """Who is asked about."""
    return {
        "subject": variable("subject", [network.name for network in run.networks], "network that is asked about"),
        "subject_variant": variable("subject", [network.variant for network in run.networks], "its variant"),
        "subject_seed": variable("subject", [network.training_seed for network in run.networks], "its training seed"),
    }
