"""Tables of the results on real images."""

import json
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.intervals import Interval, bootstrap_interval
from compare.result.published import kg_correlation
from page_tables.cells import interval, markdown, number
from page_tables.select import chosen, network, result


class Images(NamedTuple):
    """A result on real images: what it is called, the result's folder, its variant and whose published numbers fit."""

    title: str
    folder: str
    variant: str
    published: tuple[str, str] | None


IMAGES = (
    Images("MNIST, ResNet", "mnist-resnet", "resnet", ("mnist", "resnet")),
    Images("MNIST, ResNet, class-conditional", "mnist-conditional-resnet", "resnet", None),
    Images("Fashion-MNIST, ResNet", "fashion-mnist-resnet", "resnet", ("fashion-mnist", "resnet")),
    Images("Fashion-MNIST, UNet", "fashion-mnist-unet", "unet", ("fashion-mnist", "unet")),
    Images("Fashion-MNIST, UNet + attention", "fashion-mnist-unet", "unet-learned", None),
    Images("CIFAR-10 (a part), ResNet", "cifar10-head-resnet", "resnet", ("cifar10", "resnet")),
)
KINDS = {"equivariant_local": "ELS", "local": "LS", "wiener": "Wiener", "ideal": "ideal", "evidence_sharing":
         "evidence sharing"}


def of_kind(dataset: xr.Dataset, kind: str, variant: str) -> str:
    """Return the machine of a kind that is held against the variant, with k(t) by cosine where it is fitted."""
    return chosen(dataset, "machine", machine_kind=kind, fitted_to=("", variant), window_rule=("", "cosine"))


def has_kind(dataset: xr.Dataset, kind: str, variant: str) -> bool:
    """Return whether the variant is held against a machine of the kind."""
    there = (dataset.machine_kind == kind) & dataset.fitted_to.isin(["", variant])
    return bool(there.any())


def median(dataset: xr.Dataset, metric: str, machine: str, of: str) -> Interval:
    """Return the median over samples with its bootstrap interval."""
    seed = json.loads(dataset.attrs["seeds_json"])["seed"]
    return bootstrap_interval(dataset[metric].sel(machine=machine, network=of).values, seed=seed)


def wins(dataset: xr.Dataset, machine: str, other: str, of: str) -> str:
    """Return on how many samples `machine` has the larger r with the network."""
    r = dataset.pearson_r.sel(network=of)
    return f"{int((r.sel(machine=machine) > r.sel(machine=other)).sum())} of {dataset.sizes['sample']}"


def published(images: Images, kind: str) -> str:
    """Return Kamb & Ganguli's median at 150 steps, or an empty string."""
    if images.published is None:
        return ""
    found = kg_correlation(*images.published, "zeros", kind)
    return "" if found is None else number(found.at_150)


def images_table(rows: tuple[Images, ...]) -> str:
    """Return median r of each machine with each network, Kamb & Ganguli's in italics."""
    lines = []
    for images in rows:
        dataset = result(images.folder)
        of = network(dataset, images.variant, 0)
        cells = []
        for kind in ("equivariant_local", "local", "wiener", "ideal"):
            found = median(dataset, "pearson_r", of_kind(dataset, kind, images.variant), of)
            ours = f"**{interval(found)}**" if kind == "equivariant_local" else number(found.estimate)
            theirs = published(images, kind)
            cells.append(f"{ours} *{theirs}*" if theirs else ours)
        els, ideal = (of_kind(dataset, kind, images.variant) for kind in ("equivariant_local", "ideal"))
        lines.append([images.title, *cells, wins(dataset, els, ideal, of)])
    return markdown(["network", "ELS", "LS", "Wiener", "ideal", "ELS above ideal"], lines)


def machines_table(images: Images) -> str:
    """Return every measure of agreement of each machine with one network."""
    dataset = result(images.folder)
    many, few = (network(dataset, images.variant, 0, steps) for steps in (150, 20))
    els = of_kind(dataset, "equivariant_local", images.variant)
    lines = []
    for kind in (kind for kind in KINDS if has_kind(dataset, kind, images.variant)):
        machine = of_kind(dataset, kind, images.variant)
        cells = [interval(median(dataset, metric, machine, many)) for metric in ("pearson_r", "r2", "R2")]
        cells.append(interval(median(dataset, "pearson_r", machine, few)))
        gain = (dataset.r2.sel(machine=machine, network=many) - dataset.r2.sel(machine=els, network=many)).values
        cells.append("" if machine == els else interval(bootstrap_interval(gain, np.nanmean), 3, sign=True))
        cells.append("" if machine == els else wins(dataset, els, machine, many))
        lines.append([KINDS[kind], *cells, published(images, kind)])
    return markdown(["machine", "r, 150 steps", "r2", "R2", "r, 20 steps", "mean r2 - ELS's", "ELS has the larger r",
                     "Kamb & Ganguli, 150 steps"], lines)


def path_table(images: Images) -> str:
    """Return median r of the two posterior means at points of the network's own trajectory."""
    dataset = result(images.folder)
    steps = list(range(1, dataset.sizes["step"], 2))
    lines = []
    for kind in (kind for kind in KINDS if has_kind(dataset, kind, images.variant)):
        r = dataset.path_pearson_r.sel(machine=of_kind(dataset, kind, images.variant), fitted_variant=images.variant)
        values = r.median("diagnosed_sample").transpose("step").values
        lines.append([KINDS[kind], *(number(values[step]) for step in steps)])
    return markdown(["t", *(number(float(dataset.t[step]), 1) for step in steps)], lines)


def snapshots_table(images: Images) -> str:
    """Return median r against the steps that the network was trained."""
    dataset = result(images.folder)
    r = dataset.snapshot_pearson_r.median("sample")
    lines = []
    for kind in (kind for kind in KINDS if has_kind(dataset, kind, images.variant)):
        values = r.sel(machine=of_kind(dataset, kind, images.variant)).values
        lines.append([KINDS[kind], *(number(value) for value in values)])
    return markdown(["training steps", *(f"{step:,}" for step in r.snapshot_step.values)], lines)


def windows_table(images: Images) -> str:
    """Return k(t) of ELS by cosine, beside Kamb & Ganguli's machine."""
    dataset = result(images.folder)
    k = dataset.patch_size.sel(machine=of_kind(dataset, "equivariant_local", images.variant)).values
    return markdown(["step, 0 = least noise", *map(str, range(len(k)))], [["k", *(str(int(side)) for side in k)]])
