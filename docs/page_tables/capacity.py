"""Tables of loss, agreement and rate against capacity and training steps."""

import numpy as np
import xarray as xr

from compare.measure.intervals import binomial_interval, mean_interval
from page_tables.cells import interval, markdown, number
from page_tables.select import chosen, network, result, seeds, variants


def capacity_table(folder: str) -> str:
    """Return loss, agreement and rate of networks against capacity and training steps."""
    dataset = result(folder, "approach")
    machine = lambda **wanted: chosen(dataset, "machine", **wanted)
    sizes = dataset.patch_size.max("step")
    local = sorted(dataset.machine.values[(dataset.machine_kind == "equivariant_local").values].tolist(),
                   key=lambda name: int(sizes.sel(machine=name)))
    window, ideal = local[-1], machine(machine_kind="ideal")
    pair = machine(machine_kind="joint_matching")
    machine_loss, network_loss = (dataset[name].mean(["point", "step"]) for name in ("machine_loss", "network_loss"))
    above = lambda losses: [float(loss - machine_loss.sel(machine=window)) for loss in losses]
    of = lambda variant: above(network_loss[dataset.subject_variant.values == variant])
    rows = [network_row(dataset, variant, of(variant), local, ideal, pair) for variant in variants(dataset)]
    for name in dataset.machine.values.tolist():
        found = dataset.consistent.sel(source=name).values
        loss = above([machine_loss.sel(machine=name)])[0]
        rows.append([f"*{name}*", number(loss, 4, sign=True), *[""] * (len(local) + 2),
                     interval(binomial_interval(int(found.sum()), found.size))])
    sides = [int(sizes.sel(machine=name)) for name in local]
    return markdown(["network", f"loss above ELS's, k = {sides[-1]}", *(f"mean r2, ELS, k = {side}" for side in sides),
                     "mean r2, ideal", f"joint matching above ELS, k = {sides[-1]}", "consistent"], rows)


def network_row(dataset: xr.Dataset, variant: str, losses: list[float], local: list[str], ideal: str,
                pair: str) -> list[str]:
    """Return the row of a variant, its training seeds together."""
    of = [network(dataset, variant, seed) for seed in seeds(dataset, variant)]
    r2 = lambda name: np.array([float(dataset.r2.sel(machine=name, network=one).mean()) for one in of])
    return [variant, interval(mean_interval(losses), 4, sign=True),
            *(interval(mean_interval(r2(name))) for name in (*local, ideal)),
            interval(mean_interval(r2(pair) - r2(local[-1])), 3, sign=True),
            ", ".join(number(float(dataset.consistent.sel(source=one).mean())) for one in of)]
