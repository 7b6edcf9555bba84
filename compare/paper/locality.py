"""KG figure 4: where a network looks at each noise level, and the window k(t) that is fitted to it."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from compare.paper.source import Source
from compare.report.plots import bare, legend_above
from compare.result.published import KG_PATCH_SIZES
from compare.result.schema import variable
from compare.result.summary import els_of, variants_of
from theory.schedules import CosineSchedule

TIMES = (0.1, 0.3, 0.5, 0.7, 0.9)


def sensitivity(network, phi: np.ndarray, t: float, labels=None) -> np.ndarray:
    """Mean over images of sum_c |d eps_c(centre) / d phi(y, x)|, scaled to a largest value of 1: (H, W).

    network: a torch module, eps = network(phi, t[, labels]); phi (B, C, H, W): noisy images, variance preserving.
    The derivative is of the sum of the centre's channels, its absolute value is summed over the input's.
    """
    import torch

    weight = next(network.parameters())
    images = torch.tensor(phi, dtype=weight.dtype, device=weight.device, requires_grad=True)
    times = torch.full((len(phi),), t, dtype=weight.dtype, device=weight.device)
    given = () if labels is None else (torch.as_tensor(labels, device=weight.device),)
    H, W = phi.shape[2:]
    eps = network.eval()(images, times, *given)
    (slope,) = torch.autograd.grad(eps[:, :, H // 2, W // 2].sum(), images)
    found = slope.abs().sum(dim=1).mean(dim=0).cpu().numpy()
    return found / found.max()


def data(source: Source) -> xr.Dataset:
    """Heat maps of each network that is found, and k(t) of every result on images beside the published one."""
    B = 2 if source.quick else 16
    rng, abars = np.random.default_rng(0), CosineSchedule().alpha_bar(TIMES)
    names, maps = [], []
    for name, network, images, labels in source.networks():
        chosen = rng.integers(len(images), size=B)
        noise = rng.standard_normal((B, *images.shape[1:]))
        noised = [abar**0.5 * images[chosen] + (1.0 - abar) ** 0.5 * noise for abar in abars]
        maps.append([sensitivity(network, phi, t, None if labels is None else labels[chosen])
                     for phi, t in zip(noised, TIMES)])
        names.append(name)
    curves = {**_fitted(source), **_published(source)}
    return xr.Dataset(
        {"sensitivity": variable(("network", "time", "y", "x"), np.array(maps), "mean |d eps(centre) / d phi|"),
         "patch_size": variable(("curve", "step"), np.array(list(curves.values())), "window side k")},
        {"network": variable("network", names, "network"),
         "time": variable("time", list(TIMES), "time of the heat maps"),
         "curve": variable("curve", list(curves), "whose k(t)"),
         "t": variable("step", np.arange(1, 21) / 20, "time of the step")})


def _fitted(source: Source) -> dict[str, np.ndarray]:
    return {f"{name}, {variant}": result.patch_size.sel(machine=els_of(result, variant)).values
            for name, result, variant in source.variants(attention=False) if result.sizes["step"] == 20}


def _published(source: Source) -> dict[str, np.ndarray]:
    found = {}
    for result in source.real.values():
        config = json.loads(result.attrs["config_json"])
        keys = [(config["dataset"], variant, config.get("boundary", "zeros")) for variant in variants_of(result)]
        found |= {f"KG: {key[0]}, {key[1]}": np.array(KG_PATCH_SIZES[key]) for key in keys if key in KG_PATCH_SIZES}
    return found


def _around_centre(heat: np.ndarray) -> float:
    """The largest value away from the centre, which has the noise itself to pass on and would outshine all else."""
    away = np.ones(heat.shape, dtype=bool)
    away[heat.shape[0] // 2, heat.shape[1] // 2] = False
    return float(heat[away].max()) or 1.0


def draw(figure, dataset: xr.Dataset) -> None:
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.25 * dataset.sizes["network"], 2.1))
    panels = upper.subplots(dataset.sizes["network"], len(dataset.time), squeeze=False)
    for row, name, maps in zip(panels, dataset.network.values, dataset.sensitivity.values):
        for axis, heat in zip(row, maps):
            axis.imshow(np.sqrt(heat), cmap="magma", vmin=0.0, vmax=np.sqrt(_around_centre(heat)))
            bare(axis)
        row[0].set_ylabel(name, fontsize=5.5)
    for axis, t in zip(panels[0], dataset.time.values):
        axis.set_title(f"t = {t:.1f}")
    _windows(lower, dataset)


def _windows(figure, dataset: xr.Dataset) -> None:
    """A panel a result: the fitted k(t), and the published one thin above it, where there is one."""
    curves = dataset.curve.values.tolist()
    fitted = [curve for curve in curves if not curve.startswith("KG: ")] or curves
    panels = figure.subplots(1, len(fitted), sharex=True, sharey=True, squeeze=False)[0]
    for axes, curve in zip(panels, fitted):
        axes.step(dataset.t, dataset.patch_size.sel(curve=curve), where="mid", linewidth=2.2, label="fitted")
        name, variant = curve.rsplit(", ", 1) if ", " in curve else (curve, "")
        for other in curves:
            if other.startswith("KG: ") and other.endswith(f", {variant}") and _same_data(other, name):
                axes.step(dataset.t, dataset.patch_size.sel(curve=other), where="mid", color="black", linewidth=0.9,
                          linestyle="--", label="Kamb & Ganguli")
        axes.set_title(curve.replace(", ", "\n"), fontsize=6)
    panels[0].set(ylabel="window side k (pixels)", xlim=(0, 1))
    panels[0].set_ylim(bottom=0)
    panels[len(panels) // 2].set_xlabel("time t (1: noise)")
    legend_above(figure, panels, 2)


def _same_data(published: str, folder: str) -> bool:
    """Whether a published curve, "KG: DATA, VARIANT", is of the data that a result's folder is named after."""
    return folder.startswith(published.removeprefix("KG: ").split(",")[0])


def size(dataset: xr.Dataset) -> tuple[float, float]:
    return 5.2, 2.1 + 1.15 * dataset.sizes["network"]
