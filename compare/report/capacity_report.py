"""The study as text: losses against the bounds, agreement with the machines, rates."""

from __future__ import annotations

import json

import xarray as xr

from compare.report.table import aligned, shown
from compare.result import capacity as own
from compare.result import summary


def report(dataset: xr.Dataset) -> str:
    """One table of networks and machines, ending in a newline."""
    config, chance = json.loads(dataset.attrs["config_json"]), json.loads(dataset.attrs["chance_json"])
    window, steps = own.window_machine(dataset), summary.most_steps(dataset)
    forms = own.closed_forms(dataset)
    bare = [window, *(name for name in own.machines(dataset) if name not in (window, *forms))]
    rows = []
    for name in (*summary.variants_of(dataset), *own.machines(dataset)):
        machine = name in own.machines(dataset)
        networks = [] if machine else summary.networks_of(dataset, name, steps)
        agreement = [shown(summary.machine_agreement(dataset, "r2", against, name, steps)) if networks else ""
                     for against in bare]
        gains = [shown(summary.gain(dataset, form, window, name, steps), "+.3f") if networks else ""
                 for form in forms]
        ceiling = shown(summary.seed_ceiling(dataset, "r2", name, steps)) if len(networks) > 1 else ""
        rows.append([name, "" if machine else str(len(networks)), shown(own.loss(dataset, name), ".4f"),
                     "" if name == window else shown(own.loss(dataset, name, window), "+.4f"),
                     *agreement, ceiling, *gains, shown(summary.rate(dataset, "consistent", networks or name))])
    header = ["source", "seeds", "loss", f"loss minus {window}", f"median r2 with {window}",
              *(f"with {name}" for name in bare[1:]), "with another seed",
              *(f"mean r2 above {window}: {form}" for form in forms),
              f"consistent (random {chance['consistent']:.3f})"]
    head = (f"{len(config['networks'])} networks on {dataset.attrs['training_images']:,} images of "
            f"{dataset.sizes['channel']} x {dataset.sizes['y']} x {dataset.sizes['x']}; loss of eps, mean over "
            f"{config['steps']} noise levels of {dataset.sizes['point']} noised images each; {dataset.sizes['sample']} "
            f"samples, seed {config['seed']}, networks at {config['network_steps']} DDIM steps, machines at "
            f"{config['steps']}; 95 % intervals; computed in {dataset.attrs['wall_seconds']:.0f} s")
    return f"{head}\n\n{aligned(header, rows)}\n"
