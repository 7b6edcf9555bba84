"""FKTB figure 2, the patch mosaic, and figure 3, local score and context: both of one toy sample on its way."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.patches import Rectangle

from compare.attribution import trace
from compare.attribution.trace import inspect_machine
from compare.report.plots import PALETTE, bare, rgb, shaded_sources
from compare.result.schema import variable
from theory import AttentionScore, CosineSchedule, EquivariantLocalScore

PATCH, STRENGTH, STEPS = 3, 0.1, 20

PICTURED = 7
"""Training images that are shown beside the mosaic."""


def mosaic(source) -> xr.Dataset:
    """The sample of the toy result whose best patches come from the most images, at its most decided step."""
    images = source.toy_set.images
    found = _inspected(source, EquivariantLocalScore(images, PATCH))
    step = int(found.entropy.mean(("sample", "y", "x")).values.argmin())
    at = found.isel(step=step, rank=0)
    sample = int(np.argmax([len(np.unique(at.image.isel(sample=b))) for b in range(found.sizes["sample"])]))
    one = at.isel(sample=sample)
    used = list(dict.fromkeys(one.image.values.ravel().tolist()))
    dataset = one[["image", "source_y", "source_x", "weight", "phi", "x0"]]
    dataset["mosaic"] = variable(("channel", "y", "x"), trace.mosaic(found.isel(sample=sample, step=step), images),
                                  "each pixel's best patch")
    dataset["training"] = variable(("used", "channel", "y", "x"), images[used], "training images of the best patches")
    return dataset.assign_coords(used=used)


def draw_mosaic(figure, dataset: xr.Dataset) -> None:
    """Noisy image, prediction, mosaic, sources; then the training images, what the sample took from them boxed."""
    used = dataset.used.values[:PICTURED]
    panels = figure.subplots(1, 4 + len(used))
    pictures = [("noisy image", rgb(dataset.phi.values)), ("ELS", rgb(dataset.x0.values)),
                ("mosaic", rgb(dataset.mosaic.values)),
                ("sources", shaded_sources(dataset.image.values, np.ones(dataset.image.shape), used)),
                *((f"image {i}", rgb(dataset.training.sel(used=i).values)) for i in used)]
    for axes, (title, picture) in zip(panels, pictures):
        axes.imshow(picture)
        axes.set_title(title)
        bare(axes)
    for axes, image, colour in zip(panels[4:], used, PALETTE):
        own = dataset.image.values == image
        for y, x in {*zip(dataset.source_y.values[own].tolist(), dataset.source_x.values[own].tolist())}:
            for width, line in ((3.2, "white"), (1.8, colour)):
                axes.add_patch(_box(y, x, line, width))
        axes.spines[:].set(visible=True, color=colour, linewidth=2.0)


def mosaic_size(dataset: xr.Dataset) -> tuple[float, float]:
    columns = 4 + min(PICTURED, dataset.sizes["used"])
    return 0.8 * columns, 0.25 + 0.75 * dataset.sizes["y"] / dataset.sizes["x"]


def context(source) -> xr.Dataset:
    """A pixel between two colours: what its window says, whom it attends to, and what it says with their evidence.

    Of the samples, at t = 0.5, the pixel whose posterior entropy over images falls the most.
    """
    images = source.toy_set.images
    machine = AttentionScore(images, PATCH, attention="identity", strength=STRENGTH)
    at = _inspected(source, machine).isel(step=STEPS // 2 - 1)
    x = at.phi.values / (1.0 + float(at.sigma) ** 2) ** -0.5
    local = machine.attribute(x, float(at.sigma), 1, strength=0.0)
    gain = (local.entropy_images - at.entropy_images).values
    b, y, x_pixel = np.unravel_index(gain.argmax(), gain.shape)
    alpha = machine.attention_map(x[b : b + 1], float(at.sigma))[0]
    H, W = images.shape[2:]
    dims = ("channel", "y", "x")
    return xr.Dataset(
        {"phi": variable(dims, at.phi.values[b], "noisy image"),
         "local": variable(dims, local.x0.values[b], "ELS, the local score's posterior mean"),
         "attention": variable(("y", "x"), alpha[y * W + x_pixel].reshape(H, W), "attention weight of the pixel"),
         "shared": variable(dims, at.x0.values[b], "posterior mean with shared evidence"),
         "entropy": variable("machine", [float(one.entropy_images[b, y, x_pixel]) for one in (local, at)],
                              "entropy over training images at the pixel", "nat")},
        {"machine": variable("machine", ["ELS", "attention"], "machine")},
        {"pixel_y": int(y), "pixel_x": int(x_pixel), "t": float(at.t), "strength": STRENGTH})


def draw_context(figure, dataset: xr.Dataset) -> None:
    panels = figure.subplots(1, 4)
    y, x = dataset.attrs["pixel_y"], dataset.attrs["pixel_x"]
    local, shared = dataset.entropy.values
    for axes, (title, picture) in zip(panels, (
            ("the patch", rgb(dataset.phi.values)), (f"local score\n{local:.1f} nats", rgb(dataset.local.values)),
            ("attention of\nthe pixel", None), (f"with context\n{shared:.1f} nats", rgb(dataset.shared.values)))):
        if picture is None:
            heat = axes.imshow(dataset.attention, cmap="cividis", vmin=0.0)
            figure.colorbar(heat, ax=axes, shrink=0.7)
        else:
            axes.imshow(picture)
        axes.add_patch(_box(y, x, "white", 3.0))
        axes.add_patch(_box(y, x, "black", 1.4))
        axes.set_title(title)
        bare(axes)
    panels[0].add_patch(_box(y, x, "black", 1.0, PATCH))


def _inspected(source, machine) -> xr.Dataset:
    """The machine's patches on its way from the noise of the toy result."""
    noise = source.toy.noise.values[: 4 if source.quick else 16]
    return inspect_machine(machine, noise, CosineSchedule(), STEPS, top=1)


def _box(y: float, x: float, colour: str, width: float, side: int = 1) -> Rectangle:
    return Rectangle((x - side / 2, y - side / 2), side, side, fill=False, edgecolor=colour, linewidth=width,
                     clip_on=side > 1)
