"""The study as text: rates, denoising losses, the residual test, samples drawn to the end, fits, and a plain answer."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from compare.measure import residual
from compare.report.table import aligned, shown
from compare.result import attention as own
from compare.result import summary
from compare.result.names import IDEAL, els_fitted
from compare.study.attention import ANOTHER_SEED

QUALITIES = {"consistent": "consistent", "clean": "clean", "novel": "novel",
             "consistent and novel": "consistent and novel", "by_held_out_map": "by held-out maps only"}
"""Of a sample, with the title of its column."""


def report(dataset: xr.Dataset) -> str:
    """All sections, ending in a newline."""
    config = json.loads(dataset.attrs["config_json"])
    head = (f"{len(config['networks'])} networks on {dataset.attrs['training_images']:,} images of "
            f"{dataset.sizes['channel']} x {dataset.sizes['y']} x {dataset.sizes['x']}; {dataset.sizes['sample']} "
            f"samples and {dataset.sizes['point']} noised images, seed {config['seed']}, machines {config['steps']} "
            f"steps; computed in {dataset.attrs['wall_seconds']:.0f} s")
    variants = summary.variants_of(dataset)
    sections = [head, _rates(dataset), _losses(dataset), _alike(dataset)]
    for variant in variants:
        sections += [_residual(dataset, variant), _ends(dataset, variant)]
    return "\n\n".join([*sections, _fits(dataset), _answers(dataset)]) + "\n"


def _rates(dataset: xr.Dataset) -> str:
    chance = json.loads(dataset.attrs["chance_json"])
    columns = {quality: quality.split(" and ") for quality in QUALITIES if quality in chance}
    sources = {}
    for variant in summary.variants_of(dataset):
        for steps in np.unique(dataset.network_steps)[::-1]:
            sources[variant, steps] = summary.networks_of(dataset, variant, steps)
        forms = own.forms_of(dataset, variant)
        sources |= {(machine, dataset.sizes["step"]): [machine] for machine in (els_fitted(variant), IDEAL)}
        sources |= {(own.title(dataset, form, variant), dataset.sizes["step"]): own.machines_of(dataset, form, variant)
                    for form in forms}
    rows = [["random colours", "", "", *(f"{chance[quality]:.3f}" for quality in columns)]]
    for (name, steps), of_seeds in sources.items():
        seeds = [f"{summary.rate(dataset, 'consistent', source).estimate:.2f}" for source in of_seeds]
        rates = [shown(summary.rate(dataset, quality, of_seeds)) for quality in columns.values()]
        rows.append([name, str(steps), " ".join(seeds) if len(seeds) > 1 else "", *rates])
    return ("Share of all samples; 95 % intervals: Clopper-Pearson, over several training seeds a bootstrap of noise "
            "samples\n" + aligned(["source", "steps", "consistent by seed", *map(QUALITIES.get, columns)], rows))


def _losses(dataset: xr.Dataset) -> str:
    """Denoising loss at every other step, and its mean over t above that of the ELS fitted to the CNN."""
    variants = summary.variants_of(dataset)
    local = [name for name in dataset.denoiser.values.tolist() if name.startswith("els k=")]
    named = {name: [name] for name in (IDEAL, *local)}
    named |= {variant: own.members_of(dataset, variant) for variant in variants}
    for variant in own.attention_variants(dataset):
        named |= {own.title(dataset, form, variant): own.machines_of(dataset, form, variant)
                  for form in own.forms_of(dataset, variant)}
    steps = slice(1, None, max(1, dataset.sizes["step"] // 10))
    rows = [[name, *(f"{value:.4f}" for value in own.loss(dataset, denoisers)[steps]),
             shown(own.loss_above_local(dataset, denoisers, variants[0]), "+.4f")]
            for name, denoisers in named.items()]
    header = ["denoiser", *(f"t={t:.2f}" for t in dataset.t.values[steps]),
              f"mean over t, minus {els_fitted(variants[0])}"]
    return ("Denoising loss, of eps, on noised training images; networks, and closed forms by their own map: mean over "
            "training seeds\n"
            + aligned(header, rows))


def _alike(dataset: xr.Dataset) -> str:
    """At every other step: median r2 of x0hat, at noised images and on the network's own path."""
    steps = slice(1, None, max(1, dataset.sizes["step"] // 10))
    rows = []
    for variant in summary.variants_of(dataset):
        for companion in dataset.companion.values.tolist():
            for on, where in (("point", "noised images"), ("path", "own path")):
                values = own.alike_by_step(dataset, variant, companion, "r2", on)
                if not np.isnan(values).all():
                    rows.append([variant, companion, where, *(f"{value:.3f}" for value in values[steps])])
    return ("Median r2 of x0hat at the same noisy image, network and companion\n"
            + aligned(["network", "companion", "at", *(f"t={t:.2f}" for t in dataset.t.values[steps])], rows))


def _residual(dataset: xr.Dataset, variant: str) -> str:
    against = own.against_of(dataset, variant)
    ceiling = own.explained(dataset, variant, ANOTHER_SEED).estimate if ANOTHER_SEED in against else np.nan
    low, high = own.window(dataset, variant)
    inside = (dataset.t.values >= low) & (dataset.t.values <= high)
    rows = []
    for name in against:
        at_points = own.explained(dataset, variant, name)
        slopes = own.by_step(dataset, variant, name, residual.slope)[inside]
        rows.append([name, shown(at_points), f"{at_points.estimate / ceiling:.2f}", f"{np.median(slopes):.2f}",
                     shown(own.skill(dataset, variant, name)), shown(own.explained(dataset, variant, name, "path")),
                     shown(own.skill(dataset, variant, name, "path"))])
    return (f"{variant} minus ELS, explained by another denoiser minus ELS at the same noisy image (all t, a slope for "
            f"each); half of the distance lies at t = {low:.2f} to {high:.2f}, slopes are medians there\n"
            + aligned(["denoiser", "explained", "share of seed's", "slope", "skill (slope 1)", "explained on own path",
                       "skill on own path"], rows))


def _ends(dataset: xr.Dataset, variant: str) -> str:
    steps, els = summary.most_steps(dataset), els_fitted(variant)
    rows = []
    forms = own.forms_of(dataset, variant)
    named = {own.title(dataset, form, variant): own.machines_of(dataset, form, variant) for form in forms}
    for name, machine in {els: els, **named, IDEAL: IDEAL}.items():
        gain = "" if machine == els else shown(summary.gain(dataset, machine, els, variant, steps), "+.3f")
        held, seeds = summary.seeds_holding(dataset, machine, variant, steps)
        rows.append([name, shown(summary.machine_agreement(dataset, "r2", machine, variant, steps)), gain,
                     shown(summary.rate(dataset, "consistent", machine)), f"{held} of {seeds}"])
    if len(summary.networks_of(dataset, variant, steps)) > 1:
        rows.append(["another training seed", shown(summary.seed_ceiling(dataset, "r2", variant, steps)), "",
                     shown(summary.variant_rate(dataset, "consistent", variant, steps)), ""])
    if int(dataset.network_steps.min()) < steps:
        rows.append(["the network's own fewer steps", shown(summary.step_ceiling(dataset, "r2", variant)), "", "", ""])
    return (f"{variant} at {steps} steps, sample by sample from the same noise\n"
            + aligned(["machine", "median r2", f"mean r2 minus {els}", "consistent", "seeds whose interval holds it"],
                      rows))


def _fits(dataset: xr.Dataset) -> str:
    rows = []
    for name in dataset.fit.values.tolist():
        of = dataset.sel(fit=name)
        rows += [[name, "k", " ".join(f"{k:d}" for k in of.fitted_patch_size.values)],
                 ["", "lambda", " ".join(f"{s:g}" for s in of.fitted_strength.values)],
                 ["", "lambda, residual", " ".join(f"{s:g}" for s in of.residual_strength.values)]]
    return ("Fitted along trajectories of other samples, step 0 (least noise) first\n"
            + aligned(["closed form", "of", "value at each step"], rows))


def _answers(dataset: xr.Dataset) -> str:
    """Of each network with attention: the form that explains most, and the one whose samples are nearest."""
    steps = summary.most_steps(dataset)
    lines = ["Does a closed form of attention predict the network with attention better than ELS does?"]
    for variant in own.attention_variants(dataset):
        els = els_fitted(variant)
        gains = {form: summary.gain(dataset, own.machines_of(dataset, form, variant), els, variant, steps)
                 for form in own.theories_of(dataset, variant)}
        explains, nearest = own.best_form(dataset, variant), max(gains, key=lambda form: gains[form].estimate)
        for form, best in ((explains, "explains most of where it parts from ELS"), (nearest, "draws nearest to it")):
            gain, machine = gains[form], own.machines_of(dataset, form, variant)
            end = "better" if gain.low > 0.0 else "worse" if gain.high < 0.0 else "neither better nor worse"
            rate, network = (summary.rate(dataset, "consistent", machine),
                             summary.variant_rate(dataset, "consistent", variant, steps))
            inside = "inside" if network.low <= rate.estimate <= network.high else "outside"
            lines.append(
                f"  {variant}: '{form}' {best}: explained {shown(own.explained(dataset, variant, form))}, drawn to the "
                f"end {end} than ELS, r2 {shown(gain, '+.3f')}; consistent {shown(rate)}, {inside} the network's "
                f"{shown(network)}")
    return "\n".join(lines)
