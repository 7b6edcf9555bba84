"""The study, stage by stage: denoising losses at the same noised images, samples drawn from the same noise."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import xarray as xr

from compare.measure.denoising_loss import noise_error, noised
from compare.result.identity import MachineIdentity, NetworkIdentity
from compare.result.names import IDEAL, derived
from compare.result.provenance import provenance
from compare.result.schema import Generation, build, described
from compare.result.toy_names import els_fixed
from compare.study.candidates import as_derived, machines, run_as_derived
from compare.study.capacity_config import ApproachConfig
from compare.study.cases import SCHEDULE, Case, Trained, loaded
from compare.study.folder import RunFolder
from compare.study.machines import StudyMachine
from compare.study.noise import evaluation_samples, initial_noise
from compare.study.sampling import drawn_together
from compare.study.toy import by_chance, judge, judged


def capacity(trained: Trained) -> str:
    """Which networks are of one kind: their attention, width and depth, and the optimiser where it is not Adam."""
    width, depth, optimizer = trained.config.width, trained.config.depth, trained.config.optimizer
    return (f"{trained.member.variant}, width {width}" + (f", depth {depth}" if depth else "")
            + (f", {optimizer}" if optimizer != "adam" else ""))


def label(trained: Trained) -> str:
    """What a network is called: its capacity and how long it was trained."""
    step, steps = trained.step, trained.config.steps
    return f"{capacity(trained)}, {step:,}{'' if step == steps else f' of {steps:,}'} steps"


def approach_study(config: ApproachConfig, folder: RunFolder, *, command: str) -> xr.Dataset:
    """`results.build`'s dataset, with the denoising losses and what each network's training was.

    folder: where parts that are done are found, and others kept. command: how the user asked for it, for the record.
    ValueError: networks that are not of the toy set, on different data, or two of one label and training seed.
    """
    networks, dataset = loaded(config.networks, config.device)
    networks.sort(key=lambda network: (capacity(network), network.config.steps, network.step, network.config.seed))
    names = [f"{label(network)}/seed{network.config.seed}" for network in networks]
    if len(set(names)) < len(names):
        raise ValueError("networks: got two of one capacity, training and seed, want each once")
    _same_padding(networks)
    asked = machines(Case([network.member for network in networks], dataset), config.closed_forms)
    local, ideal, forms = asked.local, asked.ideal, {name: asked.shared[name] for name in config.closed_forms}

    def measured(i, _):
        x0, x, sigma = noised(dataset.images, config.points, config.seed, SCHEDULE, (i + 1) / config.steps)
        made = {IDEAL: ideal.denoise(x, sigma)}
        made |= {els_fixed(k): local.denoise(x, sigma, patch_size=k) for k in config.patch_sizes}
        made |= {derived(name): output for name, output in as_derived(forms, x, sigma).items()}
        made |= {name: network.member.denoiser.denoise(x, sigma) for name, network in zip(names, networks)}
        return {name: noise_error(output, x0, sigma) for name, output in made.items()}

    forward = folder.steps("denoising loss", config.steps, measured)
    noise = initial_noise(config.seed, evaluation_samples(config.samples), dataset.images.shape[1:])
    draw = partial(drawn_together, folder, noise=noise, schedule=SCHEDULE)
    generations = [Generation(NetworkIdentity(label(network), network.config.seed, config.network_steps, network.step),
                              draw(f"drawn {name}", network.member.denoiser, steps=config.network_steps))
                   for name, network in folder.progress(list(zip(names, networks)), "network samples")]
    runs = [StudyMachine(MachineIdentity("ideal"), ideal),
                *(StudyMachine(MachineIdentity("equivariant_local", patch_size=k), local,
                             np.full(config.steps, k)) for k in config.patch_sizes),
                *run_as_derived(forms, config.steps)]
    predictions = [machine.prediction(draw(f"drawn {machine.name}", machine.machine, steps=config.steps,
                                           patch_sizes=machine.patch_sizes, strengths=machine.strengths), config.steps)
                   for machine in folder.progress(runs, "machine samples")]

    seeds = {"seed": config.seed, "evaluation_samples": [0, config.samples - 1]}
    attrs = provenance(command=command, config=folder.config, seeds=seeds, device=config.device,
                       data_fingerprint=dataset.fingerprint, wall_seconds=folder.seconds)
    attrs["training_images"] = len(dataset.images)
    attrs["chance_json"] = json.dumps(by_chance(dataset))
    result = build(noise, predictions, generations, partial(judge, dataset), judged(dataset.layout), attrs)
    trained = {"capacity": ([capacity(network) for network in networks], "attention, width, depth, optimiser"),
               "trained_steps": ([network.step for network in networks], "training steps behind the weights"),
               "planned_steps": ([network.config.steps for network in networks], "training steps of the whole run")}
    losses = described(("denoiser", "point", "step"), np.stack(list(forward.values())).astype(np.float32),
                       "mean squared error of the predicted noise on noised training images")
    denoiser = described("denoiser", list(forward), "machine, or network as label/training seed")
    return result.assign(denoising_loss=losses).assign_coords(
        denoiser=denoiser, **{name: described("network", values, long_name)
                              for name, (values, long_name) in trained.items()})


def _same_padding(networks: list[Trained]) -> None:
    """ValueError: networks of several borders, where machines have one."""
    found = sorted({network.config.padding for network in networks})
    if len(found) > 1:
        raise ValueError(f"networks: got paddings {', '.join(found)}, want one")
