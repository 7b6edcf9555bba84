"""FKTB figures 1, 4 and 5 and their table: the toy set, and what networks and machines draw of it."""

from __future__ import annotations

import xarray as xr

from compare.report.grid import Row, grid, network_row
from compare.report.plots import rgb
from compare.report.toy import rule_of, stated
from compare.result.published import CHANCE_CONSISTENT, FKTB_CONSISTENT
from compare.result.schema import variable
from compare.result.summary import first_network, most_steps, rate, variant_rate, variants_of
from compare.study.sampling import initial_noise
from empirical.toy import COLOURS
from empirical.toy_networks import VARIANTS
from theory import CosineSchedule

SHOWN = 8


def forward(source) -> xr.Dataset:
    """Training images at t = 0, 0.25, 0.5, 0.75 and 1, each with its own noise."""
    images = source.toy_set.images[:SHOWN]
    noise = initial_noise(0, range(len(images)), images.shape[1:])
    rows = [Row(f"t = {t:g}", abar**0.5 * images + (1.0 - abar) ** 0.5 * noise)
            for t in (0.0, 0.25, 0.5, 0.75, 1.0) for abar in [float(CosineSchedule().alpha_bar(t))]]
    return grid(rows)


def structure(source) -> xr.Dataset:
    """Four training images with the colours of their keys and values, and the map that they share."""
    training = source.toy_set
    keys, values = training.layout.sample(4, 0)
    images = training.layout.render(keys, values)
    return xr.Dataset(
        {"image": variable(("sample", "channel", "y", "x"), images, "image in [-1, 1]"),
         "key": variable(("sample", "pair"), keys, "index of the key's colour"),
         "value": variable(("sample", "pair"), values, "index of the value's colour"),
         "corner": variable(("pair", "side", "axis"), training.layout.corners, "top-left pixel of each cell")},
        attrs={"cell": training.layout.cell})


def draw_structure(figure, dataset: xr.Dataset) -> None:
    panels = figure.subplots(1, dataset.sizes["sample"])
    half = dataset.attrs["cell"] / 2 - 0.5
    for i, axes in enumerate(panels):
        one = dataset.isel(sample=i)
        axes.imshow(rgb(one.image.values))
        for pair in range(dataset.sizes["pair"]):
            for side, name in enumerate("KV"):
                y, x = one.corner.values[pair, side]
                colour = COLOURS[int((one.key, one.value)[side][pair])]
                axes.text(x + half, y + half, f"{name}$_{pair + 1}$", ha="center", va="center", fontsize=7,
                          color="white" if colour in ("blue", "red") else "black")
        rules = dict(zip(one.key.values.tolist(), one.value.values.tolist()))
        axes.set_title("\n".join(f"f({COLOURS[key]}) = {COLOURS[value]}" for key, value in sorted(rules.items())),
                       fontsize=6)
        axes.set(xticks=[], yticks=[])


def structure_size(dataset: xr.Dataset) -> tuple[float, float]:
    return 1.15 * dataset.sizes["sample"], 0.75 + 1.0 * dataset.sizes["y"] / dataset.sizes["x"]


def samples(source) -> xr.Dataset:
    """FKTB figure 5: what the four networks draw from the same noise; a mark says consistent."""
    result, shown = source.toy, 8 if source.quick else 24
    return grid([network_row(result, first_network(result, variant), shown)._replace(label=variant, strong=False)
                 for variant in variants_of(result)])


def consistency(source) -> xr.Dataset:
    """FKTB's table beside ours: share of consistent samples with its 95 % interval, networks and closed forms."""
    result = source.toy
    variants = variants_of(result)
    networks = [variant_rate(result, "consistent", variant) for variant in variants]
    closed = [stated(result, "" if VARIANTS[variant] is None else rule_of(result, variant)) for variant in variants]
    machines = [rate(result, "consistent", name) for name in closed]
    return xr.Dataset(
        {"network": variable(("variant", "end"), [rate[:3] for rate in networks],
                             "share of consistent samples of the networks"),
         "machine": variable(("variant", "end"), [rate[:3] for rate in machines],
                             "share of those of the closed form"),
         "published": variable("variant", [FKTB_CONSISTENT[v] for v in variants], "share by Finn et al. 2025")},
        {"variant": variable("variant", variants, "network"),
         "stated": variable("variant", closed, "the closed form, stated beforehand: ELS for no attention"),
         "end": variable("end", ["estimate", "low", "high"], "of the 95 % interval")},
        {"network_steps": most_steps(result), "chance": CHANCE_CONSISTENT["one-to-one"],
         "chance_published": FKTB_CONSISTENT["random"]})


def draw_consistency(figure, dataset: xr.Dataset) -> None:
    axes = figure.subplots()
    axes.set_axis_off()
    percent = lambda values: "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * values))
    cells = [["random colours", f"{100 * dataset.attrs['chance']:.2f} (exact)", "", "",
              f"{100 * dataset.attrs['chance_published']:.2f}"]]
    for i, variant in enumerate(dataset.variant.values):
        one = dataset.isel(variant=i)
        cells.append([variant, percent(one.network.values), one.stated.item().replace("lambda", r"$\lambda$"),
                      percent(one.machine.values), f"{100 * one.published:.2f}"])
    networks = f"networks, {dataset.attrs['network_steps']} steps"
    header = ["% consistent", networks, "closed form", "of it", "Finn et al."]
    table = axes.table([header, *cells], loc="center", cellLoc="left", edges="open",
                       colWidths=[0.17, 0.23, 0.27, 0.2, 0.13])
    table.auto_set_font_size(False)
    table.set_fontsize(7)
    for column in range(len(header)):
        table[0, column].get_text().set_fontweight("bold")
    rows = len(cells) + 1
    for y, width in ((0, 1.0), (1, 0.5), (rows, 1.0)):  # above and below the table, and under its header
        axes.axhline(1 - y / rows, color="black", linewidth=width, clip_on=False)
    axes.set(ylim=(0, 1), xlim=(0, 1))
    for cell in table.get_celld().values():
        cell.set_height(1 / rows)


def consistency_size(dataset: xr.Dataset) -> tuple[float, float]:
    return 5.6, 0.22 * (dataset.sizes["variant"] + 2)
