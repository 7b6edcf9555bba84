"""The study, stage by stage: fits, noised training images, the networks' own trajectories, samples drawn to the end."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import xarray as xr

from compare.measure.denoising_loss import noise_error, noised
from compare.measure.pointwise import MEASURES, alike
from compare.measure.residual import Products, products
from compare.result.identity import MachineIdentity, NetworkIdentity
from compare.result.names import IDEAL, derived, els_fitted, fitted
from compare.result.provenance import provenance
from compare.result.schema import Generation, build, described
from compare.study.attention_config import AttentionConfig
from compare.study.calibration import Trajectory, trajectory
from compare.study.candidates import Machines, applied, as_derived, identity_of, machines, run_as_derived
from compare.study.cases import SCHEDULE, Case, Member
from compare.study.folder import RunFolder
from compare.study.machines import StudyMachine
from compare.study.noise import calibration_samples, evaluation_samples, initial_noise
from compare.study.sampling import drawn_together
from compare.study.toy import by_chance, judge, judged
from compare.study.tuning import Tuning, tune_step, tuned

ANOTHER_SEED, MATCHED_CNN, ELS = "another training seed", "cnn of the same seed", "els"
"""What the closed forms stand beside in the residual test, and what a network is held against step by step."""


def attention_study(config: AttentionConfig, networks: Case, folder: RunFolder, *, command: str) -> xr.Dataset:
    """`results.build`'s dataset, with the fits, the denoising losses and the products of the residual test.

    networks: those that config names, from `cases.case`
    folder: where parts that are done are found, and others kept. command: how the user asked for it, for the record.
    """
    forms = machines(networks, config.closed_forms)
    shape = networks.dataset.images.shape[1:]
    noise = initial_noise(config.seed, evaluation_samples(config.samples), shape)
    fits = {variant: _fits(config, folder, networks, forms, variant) for variant in networks.variants}

    forward = folder.steps("noised images, own map", config.steps,
                           lambda i, _: _forward_by_map(config, networks, forms, fits, i)) if forms.by_own_map else {}
    forward |= folder.steps("noised images", config.steps, lambda i, _: _forward(config, networks, forms, fits, i))
    forward |= folder.steps("noised images, as derived", config.steps,
                            lambda i, _: _forward_derived(config, networks, forms, fits, i))
    paths = [_path_products(config, folder, networks, forms, fits, variant, noise) for variant in networks.variants]

    alike_at_points = folder.steps("agreement at noised images", config.steps, lambda i, _: _alike(
        networks, forms, fits, i, *_noised(config, networks, i)[1:], networks.members))
    alike_on_paths = [_alike_on_path(config, folder, networks, forms, fits, variant, noise)
                      for variant in networks.variants]

    sampled = [(member, steps) for member in networks.members for steps in config.network_steps]
    generations = [_generation(folder, noise, *which) for which in folder.progress(sampled, "network samples")]
    predictions = [_prediction(config, folder, noise, machine)
                   for machine in folder.progress(_fitted(config, networks, forms, fits), "machine samples")]

    first = calibration_samples(config.calibration_samples)
    seeds = {"seed": config.seed, "evaluation_samples": [0, config.samples - 1],
             "calibration_samples": [first[0], first[-1]],
             "calibrated_on": {variant: networks.of(variant)[0].name for variant in networks.variants}}
    attrs = provenance(command=command, config=folder.config, seeds=seeds, device=config.device,
                       data_fingerprint=networks.dataset.fingerprint, wall_seconds=folder.seconds)
    attrs["training_images"] = len(networks.dataset.images)
    attrs["chance_json"] = json.dumps(by_chance(networks.dataset))
    result = build(noise, predictions, generations, partial(judge, networks.dataset),
                   judged(networks.dataset.layout), attrs)
    return result.merge(_fit_dataset(fits, config)).merge(_loss_dataset(forward)).merge(
        _residual_dataset(networks, forward, paths)).merge(_alike_dataset(networks, alike_at_points, alike_on_paths))


# Fits


def _fits(config: AttentionConfig, folder: RunFolder, networks: Case, forms: Machines,
          variant: str) -> dict[str, Tuning]:
    """Of every closed form, by name, for the variant's first network."""
    member, settings = networks.of(variant)[0], (config.patch_sizes, config.strengths)
    phi_1 = initial_noise(config.seed, calibration_samples(config.calibration_samples),
                          networks.dataset.images.shape[1:])
    path = _trajectory(config, folder, f"calibration path {variant}", member, phi_1)

    def fitted_along(part: str, asked: dict[str, object]) -> dict[str, Tuning]:
        found = folder.steps(part, config.steps, lambda i, _: tune_step(asked, path, i, *settings)) if asked else {}
        return {name: tuned(found[f"{name}.loss"], found[f"{name}.explained"], *settings) for name in asked}

    by_own_map = fitted_along(f"calibration {variant}, own map", forms.attending_as(member))
    return by_own_map | fitted_along(f"calibration {variant}", forms.shared)


def _trajectory(config: AttentionConfig, folder: RunFolder, name: str, member: Member, phi_1) -> Trajectory:
    return Trajectory(**folder.part(name, lambda: trajectory(member.denoiser, phi_1, SCHEDULE, config.steps)._asdict()))


# The same points for all


def _forward(config: AttentionConfig, networks: Case, forms: Machines, fits, i: int) -> dict[str, np.ndarray]:
    """At step i: loss|NAME (points,), and the products of the residual test, MEMBER|AGAINST (3, points)."""
    x0, x, sigma = _noised(config, networks, i)
    made = {member.name: member.denoiser.denoise(x, sigma) for member in networks.members}
    ideal = forms.ideal.denoise(x, sigma)
    found = {f"loss|{name}": noise_error(output, x0, sigma) for name, output in {**made, IDEAL: ideal}.items()}
    for k in config.patch_sizes:
        found[f"loss|els k={k}"] = noise_error(forms.local.denoise(x, sigma, patch_size=k), x0, sigma)
    for variant in networks.variants:
        members = networks.of(variant)
        directions = _directions(forms.shared, fits[variant], i, x, sigma) | {IDEAL: ideal}
        local = forms.local.denoise(x, sigma, patch_size=_local_patch_size(fits[variant], i))
        found[f"loss|{els_fitted(variant)}"] = noise_error(local, x0, sigma)
        for name, machine in forms.shared.items():
            tuning = fits[variant][name]
            output = applied(machine, x, sigma, tuning.patch_size[i], tuning.strength[i])
            found[f"loss|{fitted(name, variant)}"] = noise_error(output, x0, sigma)
        for position, member in enumerate(members):
            others = _others(networks, member, members[position - 1], made)
            for against, output in {**directions, **others}.items():
                found[f"{member.name}|{against}"] = np.stack(products(made[member.name], output, local, sigma))
    return found


def _forward_by_map(config: AttentionConfig, networks: Case, forms: Machines, fits, i: int) -> dict[str, np.ndarray]:
    """The same of the closed forms that attend as a network does, for each by its own map."""
    x0, x, sigma = _noised(config, networks, i)
    found = {}
    for member in networks.members:
        own, tunings = forms.attending_as(member), fits[member.variant]
        made = member.denoiser.denoise(x, sigma)
        local = forms.local.denoise(x, sigma, patch_size=_local_patch_size(tunings, i))
        for name, machine in own.items():
            output = applied(machine, x, sigma, tunings[name].patch_size[i], tunings[name].strength[i])
            found[f"loss|{fitted(name, member.variant, member.training_seed)}"] = noise_error(output, x0, sigma)
        for name, output in _directions(own, tunings, i, x, sigma).items():
            found[f"{member.name}|{name}"] = np.stack(products(made, output, local, sigma))
    return found


def _forward_derived(config: AttentionConfig, networks: Case, forms: Machines, fits, i: int) -> dict[str, np.ndarray]:
    """The same of the closed forms with the settings of their derivation."""
    x0, x, sigma = _noised(config, networks, i)
    shared = as_derived(forms.derived(), x, sigma)
    found = {f"loss|{derived(name)}": noise_error(output, x0, sigma) for name, output in shared.items()}
    for member in networks.members:
        own, network = as_derived(forms.derived(member), x, sigma), member.denoiser.denoise(x, sigma)
        local = forms.local.denoise(x, sigma, patch_size=_local_patch_size(fits[member.variant], i))
        found |= {f"loss|{derived(name, member.variant, member.training_seed)}": noise_error(output, x0, sigma)
                  for name, output in own.items()}
        found |= {f"{member.name}|{derived(name)}": np.stack(products(network, output, local, sigma))
                  for name, output in (own | shared).items()}
    return found


def _noised(config: AttentionConfig, networks: Case, i: int) -> tuple[np.ndarray, np.ndarray, float]:
    return noised(networks.dataset.images, config.points, config.seed, SCHEDULE, (i + 1) / config.steps)


def _path_products(config: AttentionConfig, folder: RunFolder, networks: Case, forms: Machines, fits, variant: str,
                   noise: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """The same along the trajectory of the variant's first network: its name, and AGAINST (3, samples, steps)."""
    members = networks.of(variant)
    path = _trajectory(config, folder, f"path {variant}", members[0], noise[: config.path_samples])

    def at(i, _):
        x, sigma = path.query(i)
        made = {member.name: member.denoiser.denoise(x, sigma) for member in networks.members}
        local = forms.local.denoise(x, sigma, patch_size=_local_patch_size(fits[variant], i))
        asked = forms.attending_as(members[0]) | forms.shared
        compared = {**_directions(asked, fits[variant], i, x, sigma), IDEAL: forms.ideal.denoise(x, sigma),
                    **_others(networks, members[0], members[-1], made)}
        return {against: np.stack(products(path.x0[i], output, local, sigma)) for against, output in compared.items()}

    def at_derived(i, _):
        x, sigma = path.query(i)
        local = forms.local.denoise(x, sigma, patch_size=_local_patch_size(fits[variant], i))
        made = as_derived(forms.derived(members[0]) | forms.derived(), x, sigma)
        return {derived(name): np.stack(products(path.x0[i], output, local, sigma)) for name, output in made.items()}

    found = folder.steps(f"path of {variant}", config.steps, at)
    return members[0].name, found | folder.steps(f"path of {variant}, as derived", config.steps, at_derived)


def _directions(asked: dict[str, object], tunings: dict[str, Tuning], i: int, x, sigma: float) -> dict[str, np.ndarray]:
    """What each closed form makes of x with ELS's window and its strength for the residual test."""
    return {name: applied(machine, x, sigma, tunings[name].local_patch_size[i], tunings[name].residual_strength[i])
            for name, machine in asked.items()}


def _others(networks: Case, member: Member, second: Member, made: dict) -> dict[str, np.ndarray]:
    """What other networks make of the same points, where there are any."""
    others = {} if second.name == member.name else {ANOTHER_SEED: made[second.name]}
    matched = [m.name for m in networks.of("cnn") if m.training_seed == member.training_seed]
    return others | ({MATCHED_CNN: made[matched[0]]} if matched and member.variant != "cnn" else {})


def _local_patch_size(fits: dict[str, Tuning], i: int) -> int:
    return int(next(iter(fits.values())).local_patch_size[i])


# Agreement itself


def _alike(networks: Case, forms: Machines, fits, i: int, x: np.ndarray, sigma: float,
           members: list[Member]) -> dict[str, np.ndarray]:
    """At step i, of each of the members and its companion, MEMBER|COMPANION: `alike.alike`, (2, images)."""
    made = {member.name: member.denoiser.denoise(x, sigma) for member in networks.members}
    ideal, found = forms.ideal.denoise(x, sigma), {}
    for member in members:
        local = forms.local.denoise(x, sigma, patch_size=_local_patch_size(fits[member.variant], i))
        seeds = networks.of(member.variant)
        others = _others(networks, member, seeds[seeds.index(member) - 1], made)
        for companion, output in {ELS: local, IDEAL: ideal, **others}.items():
            found[f"{member.name}|{companion}"] = alike(x, made[member.name], output)
    return found


def _alike_on_path(config: AttentionConfig, folder: RunFolder, networks: Case, forms: Machines, fits, variant: str,
                   noise: np.ndarray) -> tuple[str, dict[str, np.ndarray]]:
    """The same along the trajectory of the variant's first network: its name, and COMPANION (2, samples, steps)."""
    member = networks.of(variant)[0]
    path = _trajectory(config, folder, f"path {variant}", member, noise[: config.path_samples])
    found = folder.steps(f"agreement on path of {variant}", config.steps,
                         lambda i, _: _alike(networks, forms, fits, i, *path.query(i), [member]))
    return member.name, _by_member(found, [member.name])[member.name]


# To the end


def _generation(folder: RunFolder, noise: np.ndarray, member: Member, steps: int) -> Generation:
    images = drawn_together(folder, f"generated {member.name} {steps}", member.denoiser, noise, SCHEDULE, steps)
    return Generation(NetworkIdentity(member.variant, member.training_seed, steps), images)


def _fitted(config: AttentionConfig, networks: Case, forms: Machines, fits) -> list[StudyMachine]:
    found = [StudyMachine(MachineIdentity("ideal"), forms.ideal)]
    found += run_as_derived(forms.derived(), config.steps)
    for member in networks.members:
        found += run_as_derived(forms.derived(member), config.steps, member)
    for variant in networks.variants:
        tunings = fits[variant]
        els = MachineIdentity("equivariant_local", "", "fitted", variant, window_rule="cosine")
        found.append(StudyMachine(els, forms.local, next(iter(tunings.values())).local_patch_size))
        named = {(name, m.training_seed): machine for m in networks.of(variant)
                 for name, machine in forms.attending_as(m).items()}
        named |= {(name, None): machine for name, machine in forms.shared.items()}
        found += [StudyMachine(identity_of(name, setting="fitted", fitted_to=variant, window_rule="cosine",
                                           **({} if seed is None else {"map_of": variant, "map_of_seed": seed})),
                               machine, tunings[name].patch_size, tunings[name].strength)
                  for (name, seed), machine in named.items()]
    return found


def _prediction(config: AttentionConfig, folder: RunFolder, noise: np.ndarray, machine: StudyMachine):
    images = drawn_together(folder, f"predicted {machine.name}", machine.machine, noise, SCHEDULE, config.steps,
                            patch_sizes=machine.patch_sizes, strengths=machine.strengths)
    return machine.prediction(images, config.steps)


# The dataset


def _fit_dataset(fits: dict[str, dict[str, Tuning]], config: AttentionConfig) -> xr.Dataset:
    names = [(variant, name, tuning) for variant, of in fits.items() for name, tuning in of.items()]
    over = ("fit", "step")
    stacked = lambda field: np.stack([getattr(tuning, field) for *_, tuning in names])
    return xr.Dataset({
        "fitted_patch_size": described(over, stacked("patch_size"), "window side k chosen together with the strength"),
        "fitted_strength": described(over, stacked("strength"), "strength lambda chosen together with the window"),
        "residual_strength": described(over, stacked("residual_strength"), "strength of the residual test"),
        "fit_loss": described(("fit", "candidate_patch_size", "candidate_strength", "step"), stacked("loss"),
                              "mean cosine distance of machine and network on the calibration samples"),
    }, {
        "fit": described("fit", [fitted(name, variant) for variant, name, _ in names], "closed form, variant"),
        "candidate_patch_size": described("candidate_patch_size", list(config.patch_sizes), "window side k"),
        "candidate_strength": described("candidate_strength", list(config.strengths), "strength lambda"),
    })


def _loss_dataset(forward: dict[str, np.ndarray]) -> xr.Dataset:
    losses = {name.removeprefix("loss|"): values for name, values in forward.items() if name.startswith("loss|")}
    return xr.Dataset({"denoising_loss": described(
        ("denoiser", "point", "step"), np.stack(list(losses.values())).astype(np.float32),
        "mean squared error of the predicted noise on noised training images")},
        {"denoiser": described("denoiser", list(losses), "network as variant/training seed, or closed form")})


def _residual_dataset(networks: Case, forward: dict[str, np.ndarray], paths) -> xr.Dataset:
    """yy, yz, zz of `residual.products` at the noised images and along the paths; NaN where there is nothing."""
    against = list(dict.fromkeys(name.split("|")[1] for name in forward if not name.startswith("loss|")))
    members = [member.name for member in networks.members]
    note = ", of y = network - ELS and z = another denoiser - ELS, as predicted noise, sum over pixels and channels"
    arrays = {("point", "member"): _filled(_by_member(forward, members), against),
              ("path_sample", "path_member"): _filled(dict(paths), against)}
    variables = {}
    for (over, of), values in arrays.items():
        for p, product in enumerate(Products._fields):
            variables[f"{over.removesuffix('_sample')}_{product}"] = described(
                (of, "against", over, "step"), values[:, :, p], f"<{product[0]}, {product[1]}>{note}")
    return xr.Dataset(variables, {
        "member": described("member", members, "network as variant/training seed"),
        "path_member": described("path_member", [name for name, _ in paths], "network whose trajectory it is"),
        "against": described("against", against, "what gives z: closed form with its residual strength, or network"),
    })


def _alike_dataset(networks: Case, at_points: dict[str, np.ndarray], on_paths) -> xr.Dataset:
    """MEASURES of network and companion, at the noised images and along the paths; NaN where there is nothing."""
    companions = list(dict.fromkeys(name.split("|")[1] for name in at_points))
    members = [member.name for member in networks.members]
    arrays = {("point", "member"): _filled(_by_member(at_points, members), companions),
              ("path_sample", "path_member"): _filled(dict(on_paths), companions)}
    variables = {f"{over.removesuffix('_sample')}_{measure}": described(
        (of, "companion", over, "step"), values[:, :, m], f"{long_name}: network and companion")
        for (over, of), values in arrays.items() for m, (measure, long_name) in enumerate(MEASURES.items())}
    return xr.Dataset(variables, {"companion": described("companion", companions, "what the network is held against")})


def _by_member(found: dict[str, np.ndarray], members: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """MEMBER|OTHER as two keys."""
    return {name: {key.split("|")[1]: values for key, values in found.items() if key.startswith(f"{name}|")}
            for name in members}


def _filled(found: dict[str, dict[str, np.ndarray]], others: list[str]) -> np.ndarray:
    """(members, others, ...), NaN where a member has not the other."""
    shape = next(iter(next(iter(found.values())).values())).shape
    out = np.full((len(found), len(others), *shape), np.nan, np.float32)
    for n, of_member in enumerate(found.values()):
        for o, other in enumerate(others):
            if other in of_member:
                out[n, o] = of_member[other]
    return out
