"""Ours: consistency of samples, and agreement with each network, against the attention strength lambda."""

from __future__ import annotations

import numpy as np
import xarray as xr

from compare.measure.agreement import agreement
from compare.measure.intervals import binomial_interval, bootstrap_interval
from compare.report.grid import images_kept
from compare.result.schema import variable
from compare.result.summary import first_network, most_steps, variant_rate, variants_of
from empirical import consistency
from theory import AttentionScore, CosineSchedule, ddim

STRENGTHS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
PATCH = 3


def data(source) -> xr.Dataset:
    """Uniform attention, k = 3, from the noise of the toy result; r2 with the first seed of each variant."""
    result, training = source.toy, source.toy_set
    count = images_kept(result, 8 if source.quick else result.sizes["sample"])
    strengths = STRENGTHS[::2] if source.quick else STRENGTHS
    machine = AttentionScore(training.images, PATCH)
    variants = variants_of(result)
    networks = [result.generated.sel(network=first_network(result, v)).values[:count] for v in variants]
    rate, r2 = np.empty((len(strengths), 3)), np.empty((len(strengths), len(variants), 3))
    for i, strength in enumerate(strengths):
        drawn = ddim(machine, result.noise.values[:count], CosineSchedule(), result.sizes["step"],
                     strengths=[strength] * result.sizes["step"])
        rate[i] = binomial_interval(int(consistency.consistent(drawn, training.layout).sum()), count)[:3]
        for j, generated in enumerate(networks):
            r2[i, j] = bootstrap_interval(agreement(drawn, generated).r2)[:3]
    own = [variant_rate(result, "consistent", v) for v in variants]
    return xr.Dataset(
        {"consistent": variable(("strength", "end"), rate, "share of consistent samples of the machine"),
         "r2": variable(("strength", "variant", "end"), r2, "median r2 of machine and network"),
         "network_consistent": variable("variant", [one.estimate for one in own], "share of the networks")},
        {"strength": variable("strength", list(strengths), "attention strength lambda"),
         "variant": variable("variant", variants, "network"),
         "end": variable("end", ["estimate", "low", "high"], "of the 95 % interval")},
        {"patch_size": PATCH, "samples": count, "network_steps": most_steps(result)})


def draw(figure, dataset: xr.Dataset) -> None:
    rate, r2 = figure.subplots(2, 1, sharex=True)
    places = np.arange(dataset.sizes["strength"])
    estimate, low, high = dataset.consistent.values.T
    rate.errorbar(places, estimate, [estimate - low, high - estimate], color="black", fmt="o", linewidth=1.0)
    for j, variant in enumerate(dataset.variant.values):
        own = float(dataset.network_consistent[j])
        rate.axhline(own, color=f"C{j}", linewidth=0.9, linestyle="--")
        estimate, low, high = dataset.r2.values[:, j].T
        shifted = places + 0.08 * (j - 1.5)
        r2.errorbar(shifted, estimate, [estimate - low, high - estimate], color=f"C{j}", fmt="o", linewidth=1.0,
                    label=variant)
    rate.set(ylabel="share of consistent samples", ylim=(0, 1.04))
    r2.set_xticks(places, [f"{strength:g}" for strength in dataset.strength.values])
    r2.set(xlabel=f"attention strength $\\lambda$ (uniform, k = {dataset.attrs['patch_size']})",
           ylabel="median r2 with the network", ylim=(0, 1.04))
    figure.legend(loc="outside upper center", ncols=2, title="networks (dashed: their own consistency)",
                  title_fontsize=6.5)
