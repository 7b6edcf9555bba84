"""Tables of the toy comparison and of the shipped toy networks' records."""

import json
from pathlib import Path

import numpy as np
import xarray as xr

from compare.measure.intervals import binomial_interval, mean_interval
from compare.result.published import CHANCE_CONSISTENT, FKTB_CONSISTENT
from page_tables.cells import interval, markdown, number
from page_tables.select import chosen, network, result, seeds, variants

CHECKPOINTS = Path(__file__).parents[2] / "empirical" / "checkpoints"
NAMES = {"cnn": "CNN", "cnn-top1": "CNN + top-1", "cnn-identity": "CNN + identity", "cnn-learned": "CNN + learned"}


def toy_short() -> str:
    """Return five rows of the table that the toy command prints."""
    dataset = result("toy")
    els = chosen(dataset, "machine", machine_kind="equivariant_local", fitted_to="cnn")
    sharing = chosen(dataset, "machine", machine_kind="evidence_sharing", attention="uniform", setting="fixed")
    ideal = chosen(dataset, "machine", machine_kind="ideal")
    rows = [(variant, [network(dataset, variant, seed) for seed in seeds(dataset, variant)])
            for variant in ("cnn", "cnn-learned")] + [(name, [name]) for name in (els, sharing, ideal)]
    lines = [f"{'source':<24}" + "".join(f"{flag:>12}" for flag in ("consistent", "clean", "novel"))]
    for name, sources in rows:
        shares = [float(dataset[flag].sel(source=sources).mean()) for flag in ("consistent", "clean", "novel")]
        lines.append(f"{name:<24}" + "".join(f"{share:12.2f}" for share in shares))
    return "\n".join(lines) + "\n"


def toy_rates() -> str:
    """Return consistency of the toy comparison's networks and machines, 64 samples."""
    dataset = result("toy")
    lines = [["random colours, exact", "", number(CHANCE_CONSISTENT["one-to-one"]), "",
              number(FKTB_CONSISTENT["random"])]]
    for variant in variants(dataset):
        of = [network(dataset, variant, seed) for seed in seeds(dataset, variant)]
        rate = dataset.consistent.sel(source=of).mean("sample").values
        lines.append([NAMES[variant], ", ".join(number(value) for value in rate), interval(mean_interval(rate)),
                      number(float(dataset.clean.sel(source=of).mean())), number(FKTB_CONSISTENT[variant])])
    for machine in dataset.machine.values.tolist():
        found = dataset.consistent.sel(source=machine).values
        clean = float(dataset.clean.sel(source=machine).mean())
        lines.append([machine, "", interval(binomial_interval(int(found.sum()), found.size)), number(clean), ""])
    return markdown(["source", "by training seed", "consistent", "clean", "Finn et al."], lines)


def toy_agreement() -> str:
    """Return mean r2 of closed forms with the toy networks, a training seed the unit."""
    dataset = result("toy")
    lines = []
    for machine in dataset.machine.values.tolist():
        cells = []
        for variant in variants(dataset):
            by_seed = [float(dataset.r2.sel(machine=machine, network=network(dataset, variant, seed)).mean())
                       for seed in seeds(dataset, variant)]
            cells.append("" if np.isnan(by_seed).any() else interval(mean_interval(by_seed)))
        lines.append([machine, *cells])
    lines.append(["*another training seed*", *(another_seed_r2(dataset, variant) for variant in variants(dataset))])
    return markdown(["machine", *(NAMES[variant] for variant in variants(dataset))], lines)


def another_seed_r2(dataset: xr.Dataset, variant: str) -> str:
    """Return mean r2 of each pair of training seeds of a variant."""
    of = [network(dataset, variant, seed) for seed in seeds(dataset, variant)]
    pairs = [(a, b) for i, a in enumerate(of) for b in of[i + 1 :]]
    return ", ".join(number(float(dataset.network_r2.sel(network=a, other_network=b).mean())) for a, b in pairs)


def toy_counts() -> str:
    """Return what the shipped toy networks' records say of 512 samples each."""
    lines = []
    for name in NAMES:
        records = [json.loads((CHECKPOINTS / "toy" / f"{name}-{seed}.json").read_text()) for seed in range(3)]
        counts = [next(count for count in record["samples"] if count["steps"] == 150) for record in records]
        share = {flag: np.array([count[flag] / count["n"] for count in counts])
                 for flag in ("consistent", "clean", "novel")}
        lines.append([NAMES[name],
                      *(interval(binomial_interval(count["consistent"], count["n"])) for count in counts),
                      interval(mean_interval(share["consistent"])), number(share["clean"].mean()),
                      number(share["novel"].mean()), number(FKTB_CONSISTENT[name], 4)])
    return markdown(["network", "seed 0", "seed 1", "seed 2", "mean of seeds", "clean", "novel", "Finn et al."], lines)
