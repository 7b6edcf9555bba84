"""The image result as text: agreement beside the published, who beats whom, where it is lost, what was fitted."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from compare.report.table import aligned, shown
from compare.result import image_summary, summary
from compare.result.image_names import local_fitted
from compare.result.names import els_fitted, machines_for
from compare.result.published import KG_PATCH_SIZES, kg_correlation

METRICS = ("pearson_r", "r2", "R2")


def report(dataset: xr.Dataset) -> str:
    """All sections, ending in a newline."""
    config = json.loads(dataset.attrs["config_json"])
    variants = summary.variants_of(dataset)
    sections = [_head(dataset, config)]
    for variant in variants:
        sections += [_agreement(dataset, variant, config), _wins(dataset, variant), _path(dataset, variant)]
        if "attention_variant" in dataset and variant in dataset.attention_variant:
            sections.append(_attention(dataset, variant))
    sections.append(_scales(dataset, config))
    if "snapshot_step" in dataset.dims:
        sections.append(_training(dataset))
    sections.append(_novelty(dataset))
    return "\n\n".join(sections) + "\n"


def scales_report(dataset: xr.Dataset) -> str:
    """What a calibration alone says, ending in a newline."""
    return _scales(dataset, json.loads(dataset.attrs["config_json"])) + "\n"


def _head(dataset: xr.Dataset, config: dict) -> str:
    known = "class-conditional" if config["conditional"] else "unconditional"
    shape = " x ".join(str(dataset.sizes[dim]) for dim in ("channel", "y", "x"))
    return (f"{config['dataset']}: {dataset.attrs['training_images']:,} training images of {shape}, {known}, "
            f"{config['boundary']}; {dataset.sizes['sample']} samples, seed {config['seed']}; machines "
            f"{config['steps']} steps; computed in {dataset.attrs['wall_seconds']:.0f} s")


def _agreement(dataset: xr.Dataset, variant: str, config: dict) -> str:
    """Medians at the finest sampling of the network, r at the coarsest, and Kamb & Ganguli's figures."""
    few, many = int(dataset.network_steps.min()), summary.most_steps(dataset)
    columns = [(metric, many) for metric in METRICS] + [("pearson_r", few)] * (few < many)
    machines = machines_for(variant, dataset.machine.values.tolist())
    medians = [[summary.machine_agreement(dataset, metric, machine, variant, steps) for metric, steps in columns]
               for machine in machines]
    rows = [[machine, *map(shown, intervals), *_published(config, variant, machine)]
            for machine, intervals in zip(machines, medians)]
    if len(summary.networks_of(dataset, variant, many)) > 1:
        rows.append(["ceiling: another training seed",
                     *(shown(summary.seed_ceiling(dataset, metric, variant, steps)) for metric, steps in columns), ""])
    if few < many:
        rows.append([f"the network's {few} steps with its {many}",
                     *(shown(summary.step_ceiling(dataset, metric, variant)) for metric in METRICS), "", ""])
    undefined = sum(interval.undefined for intervals in medians for interval in intervals)
    note = f"\n{undefined} values are undefined (constant images) and not in the medians" if undefined else ""
    header = ["machine", "r", "r2", "R2", f"r, {few} steps"][: len(columns) + 1]
    return (f"{variant} at {many} steps: medians over samples and training seeds, 95 % bootstrap intervals; KG: Kamb & "
            "Ganguli 2025, networks at 150 [20] steps, to be held against r\n"
            + aligned([*header, "KG 150 [20]"], rows) + note)


def _published(config: dict, variant: str, machine: str) -> list[str]:
    kind = {els_fitted(variant): "els", local_fitted(variant): "local", "ideal": "ideal"}.get(machine)
    found = None if kind is None else kg_correlation(config["published"], variant, config["boundary"], kind)
    return [""] if found is None else [f"{found.at_150:.2f} [{found.at_20:.2f}]"]


def _wins(dataset: xr.Dataset, variant: str) -> str:
    els, others = els_fitted(variant), ["ideal", "wiener", local_fitted(variant)]
    rows = []
    for steps in np.unique(dataset.network_steps)[::-1]:
        for network in summary.networks_of(dataset, variant, steps):
            rows.append([network, *(shown(image_summary.wins(dataset, els, other, network)) for other in others)])
    return (f"Share of samples on which '{els}' has the larger r, with Clopper-Pearson 95 % intervals, against\n"
            + aligned(["network", *others], rows))


def _path(dataset: xr.Dataset, variant: str) -> str:
    """Two digits a step."""
    rows = [[machine, " ".join(f"{r:5.2f}" for r in image_summary.path_agreement(dataset, machine, variant))]
            for machine in machines_for(variant, dataset.machine.values.tolist())]
    return (f"{variant}: r of machine's and network's x0 at the points of the network's own "
            f"{dataset.sizes['step']}-step trajectory, step 0 (least noise) first; medians over "
            f"{dataset.sizes['diagnosed_sample']} samples\n" + aligned(["machine", "r at each step"], rows))


def _attention(dataset: xr.Dataset, variant: str) -> str:
    machine = next(name for name in machines_for(variant, dataset.machine.values.tolist())
                   if name.split()[0] in ("uniform", "identity", "top1"))
    steps = summary.most_steps(dataset)
    els = els_fitted(variant)
    mean, median = (summary.gain(dataset, machine, els, variant, steps, statistic)
                    for statistic in (np.nanmean, np.nanmedian))
    verdict = "is not shown to predict it better or worse than"
    if mean.low > 0.0 or mean.high < 0.0:
        verdict = f"predicts it {'better' if mean.low > 0.0 else 'worse'} than"
    return (f"{variant} at {steps} steps: '{machine}' {verdict} '{els}':\n  paired difference of r2, mean "
            f"{shown(mean, '+.3f')}, median {shown(median, '+.3f')}")


def _scales(dataset: xr.Dataset, config: dict) -> str:
    """What was chosen at each step, by rule, with Kamb & Ganguli's k beside it."""
    listed = lambda values: " ".join(f"{value:2.0f}" for value in values)
    rows = []
    for variant in dataset.fitted_variant.values.tolist():
        fitted = dataset.fitted_patch_size.sel(fitted_variant=variant)
        for rule in dataset.rule.values.tolist():
            what = "k of local, cosine" if rule == "local" else f"k of els, {rule}"
            rows.append([variant, what, listed(fitted.sel(rule=rule).values)])
        published = KG_PATCH_SIZES.get((config["published"], variant, config["boundary"]))
        if published is not None and len(published) == dataset.sizes["step"]:
            rows.append([variant, "k of els, KG 2025", listed(published)])
    for variant in dataset.get("attention_variant", xr.DataArray([])).values.tolist():
        chosen = dataset.fitted_strength.sel(attention_variant=variant).values
        rows.append([variant, "lambda", " ".join(f"{value:g}" for value in chosen)])
    return (f"Fitted with {dataset.sizes['draw']} draws that are not evaluated, step 0 (least noise, t = 1/"
            f"{dataset.sizes['step']}) first\n" + aligned(["variant", "what", "value at each step"], rows))


def _training(dataset: xr.Dataset) -> str:
    steps = dataset.snapshot_step.values.tolist()
    variant = summary.variants_of(dataset)[0]
    rows = [[machine, *(shown(interval) for interval in image_summary.training_agreement(dataset, machine))]
            for machine in machines_for(variant, dataset.machine.values.tolist())]
    return (f"{variant}: median r with the network after so many training steps, windows fitted to the finished one\n"
            + aligned(["machine", *(f"{step:,}" for step in steps)], rows))


def _novelty(dataset: xr.Dataset) -> str:
    rows = [[source, shown(image_summary.distance(dataset, source), ".3f")]
            for source in dataset.source.values.tolist()]
    return ("Distance to the nearest training image, root mean square a pixel: medians over samples, 95 % bootstrap "
            "intervals\n" + aligned(["source", "distance"], rows))
