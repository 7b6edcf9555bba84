"""The toy result as text: consistency, agreement, what the calibration chose, and the answers in plain words."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from compare.report.table import aligned, shown
from compare.result import summary, toy_summary
from compare.result.names import els_fitted, machines_for
from compare.result.published import CHANCE_CONSISTENT, FKTB_CONSISTENT
from compare.result.toy_names import ATTENTION_FITTED, attention_fitted, attention_fixed, els_fixed

METRICS = ("pearson_r", "r2", "R2")


def report(dataset: xr.Dataset) -> str:
    """All sections, ending in a newline."""
    config = json.loads(dataset.attrs["config_json"])
    variants = summary.variants_of(dataset)
    head = (f"Toy set: {dataset.sizes['sample']} samples, seed {config['seed']}, machines {config['steps']} steps, "
            f"{dataset.attrs['training_images']:,} training images of {dataset.sizes['channel']} x "
            f"{dataset.sizes['y']} x {dataset.sizes['x']}; computed in {dataset.attrs['wall_seconds']:.0f} s")
    sections = [head, _consistency(dataset)]
    sections += [_agreement(dataset, variant) for variant in variants]
    sections += [_calibration(dataset), _answers(dataset, config)]
    return "\n\n".join(sections) + "\n"


def _consistency(dataset: xr.Dataset) -> str:
    rows = [["random colours, exact", "", f"{CHANCE_CONSISTENT['one-to-one']:.4f} one-to-one, "
             f"{CHANCE_CONSISTENT['all']:.4f} any function", "", "", "", f"{FKTB_CONSISTENT['random']:.4f}"]]
    for variant in summary.variants_of(dataset):
        for steps in np.unique(dataset.network_steps)[::-1]:
            seeds = [f"{toy_summary.rate(dataset, 'consistent', network).estimate:.2f}"
                     for network in summary.networks_of(dataset, variant, steps)]
            rates = [shown(toy_summary.variant_rate(dataset, quality, variant, steps))
                     for quality in ("consistent", "clean", "novel")]
            rows.append([variant, str(steps), rates[0], " ".join(seeds), *rates[1:],
                         f"{FKTB_CONSISTENT[variant]:.4f}"])
    for machine in dataset.machine.values.tolist():
        rates = [shown(toy_summary.rate(dataset, quality, machine)) for quality in ("consistent", "clean", "novel")]
        rows.append([machine, str(dataset.sizes["step"]), rates[0], "", *rates[1:], ""])
    return ("Share of all samples; 95 % intervals: Clopper-Pearson, over several training seeds a bootstrap of noise "
            "samples\n" + aligned(["source", "steps", "consistent", "by seed", "clean", "novel", "Finn et al."], rows))


def _agreement(dataset: xr.Dataset, variant: str) -> str:
    """Medians of the three metrics at the finest sampling of the network, and of r2 at the coarsest."""
    few, many = int(dataset.network_steps.min()), summary.most_steps(dataset)
    machines = machines_for(variant, dataset.machine.values.tolist())
    columns = [(metric, many) for metric in METRICS] + [("r2", few)] * (few < many)
    medians = [[summary.machine_agreement(dataset, metric, machine, variant, steps) for metric, steps in columns]
               for machine in machines]
    rows = [[machine, *map(shown, intervals)] for machine, intervals in zip(machines, medians)]
    if len(summary.networks_of(dataset, variant, many)) > 1:
        rows.append(["ceiling: another training seed",
                     *(shown(summary.seed_ceiling(dataset, metric, variant, steps)) for metric, steps in columns)])
    if few < many:
        rows.append([f"the network's {few} steps with its {many}",
                     *(shown(summary.step_ceiling(dataset, metric, variant)) for metric in METRICS), ""])
    undefined = sum(interval.undefined for intervals in medians for interval in intervals)
    note = f"\n{undefined} values are undefined (constant images) and not in the medians" if undefined else ""
    return (f"{variant} at {many} steps: medians over samples and training seeds, 95 % bootstrap intervals\n"
            + aligned(["machine", "r", "r2", "R2", f"r2, {few} steps"][: len(columns) + 1], rows) + note)


def _calibration(dataset: xr.Dataset) -> str:
    rows = []
    for machine in dataset.machine.values.tolist():
        if machine.startswith("els fitted to "):
            sizes = dataset.patch_size.sel(machine=machine).values
            rows.append([machine.removeprefix("els fitted to "), "k", " ".join(map(str, sizes))])
        elif " fitted to " in machine:
            attention, variant = machine.split(" fitted to ")
            strengths = dataset.strength.sel(machine=machine).values
            rows.append([variant, f"lambda, {attention}", " ".join(f"{strength:g}" for strength in strengths)])
    return (f"Fitted along the networks' own {dataset.sizes['step']}-step trajectories, step 0 (least noise) first; "
            f"medians over {dataset.sizes['calibration_sample']} other samples of training seed "
            f"{json.loads(dataset.attrs['seeds_json'])['calibrated_on_training_seed']}\n"
            + aligned(["network", "of", "value at each step"], rows))


def _answers(dataset: xr.Dataset, config: dict) -> str:
    """For each variant: the attention machine against ELS, fitted and as stated beforehand."""
    steps, k, strength = summary.most_steps(dataset), config["fixed_patch_size"], config["fixed_strength"]
    lines = ["Does the attention machine predict the trained network better than ELS, and are its samples as often "
             f"consistent? (networks at {steps} steps)"]
    for variant in summary.variants_of(dataset):
        fixed = attention_fixed(ATTENTION_FITTED[variant], k, strength)
        lines += [f"{variant}, lambda(t) fitted:",
                  *_answer(dataset, attention_fitted(variant), els_fitted(variant), variant, steps),
                  f"{variant}, lambda = {strength:g} stated beforehand:",
                  *_answer(dataset, fixed, els_fixed(k), variant, steps)]
    return "\n".join(lines)


def _answer(dataset: xr.Dataset, machine: str, els: str, variant: str, steps: int) -> list[str]:
    mean, median = (summary.gain(dataset, machine, els, variant, steps, statistic)
                    for statistic in (np.nanmean, np.nanmedian))
    verdict = "is not shown to predict it better or worse than"
    if np.array_equal(*(dataset.predicted.sel(machine=name) for name in (machine, els))):
        verdict = "draws the very images of"
    elif mean.low > 0.0 or mean.high < 0.0:
        verdict = f"predicts it {'better' if mean.low > 0.0 else 'worse'} than"
    own = toy_summary.rate(dataset, "consistent", machine)
    network = toy_summary.variant_rate(dataset, "consistent", variant, steps)
    inside = "inside" if network.low <= own.estimate <= network.high else "outside"
    apart = toy_summary.rate_difference(dataset, machine, variant, steps)
    held, seeds = toy_summary.seeds_holding(dataset, machine, variant, steps)
    return [f"  '{machine}' {verdict} '{els}': r2 difference, mean {shown(mean, '+.3f')}, median "
            f"{shown(median, '+.3f')}",
            f"  its samples are consistent at {shown(own)}, {inside} the network's {shown(network)} "
            f"(inside that of {held} of {seeds} training seeds); paired difference of the rates {shown(apart, '+.2f')}"]
