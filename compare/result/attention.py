"""What the study says in numbers, each with its 95 % interval. All training seeds of a variant are taken together; the
bootstrap draws noisy images, or samples, as a whole."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from compare.measure import residual
from compare.measure.intervals import Interval
from compare.measure.residual import Products
from compare.result.names import AS_DERIVED, derived, els_fitted, fitted
from compare.result.summary import bootstrap, variants_of

IMPORTANT = 0.5
"""The share of the network's squared distance from ELS whose steps are looked at more closely."""


def members_of(dataset: xr.Dataset, variant: str) -> list[str]:
    return [name for name in dataset.member.values.tolist() if name.split("/")[0] == variant]


def forms_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """Closed forms that the variant is held against, by their own names: those fitted to it, those as derived."""
    end = f" fitted to {variant}"
    asked = [name.removesuffix(end) for name in dataset.fit.values.tolist() if name.endswith(end)]
    machines = set(dataset.machine.values.tolist())
    return asked + [derived(form) for form in asked if set(machines_of(dataset, derived(form), variant)) <= machines]


def machines_of(dataset: xr.Dataset, form: str, variant: str) -> list[str]:
    """The machines that a closed form of `forms_of` is: one, or one a training seed, each with its own map."""
    seeds = [int(name.split("/seed")[1]) for name in members_of(dataset, variant)]
    if form.endswith(AS_DERIVED):
        one, own = form, [derived(form.removesuffix(AS_DERIVED), variant, seed) for seed in seeds]
    else:
        one, own = fitted(form, variant), [fitted(form, variant, seed) for seed in seeds]
    return own if set(own) <= set(dataset.machine.values.tolist()) else [one]


def title(dataset: xr.Dataset, form: str, variant: str) -> str:
    """What the machines of a form are called together."""
    machines = machines_of(dataset, form, variant)
    if len(machines) == 1:
        return machines[0]
    bare = form.removesuffix(AS_DERIVED)
    return fitted(form, variant) if bare == form else f"{bare} of {variant}{AS_DERIVED}"


def against_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """What stands in the variant's residual test."""
    found = dataset.point_zz.sel(member=members_of(dataset, variant)).notnull().any(["member", "point", "step"])
    return dataset.against.values[found.values].tolist()


def products_of(dataset: xr.Dataset, variant: str, against: str, on: str = "point") -> Products:
    """(steps, images), summed over training seeds; on: "point", noised images, or "path", the network's trajectory."""
    of, names, image = _axes(dataset, variant, on)
    chosen = [dataset[f"{on}_{product}"].sel({of: names, "against": against}).sum(of) for product in Products._fields]
    return Products(*(product.transpose("step", image).values.astype(np.float64) for product in chosen))


def explained(dataset: xr.Dataset, variant: str, against: str, on: str = "point") -> Interval:
    """Share of (network - ELS) along (against - ELS), all steps together, each with a slope of its own."""
    return residual.interval(products_of(dataset, variant, against, on), residual.explained, _seed(dataset))


def skill(dataset: xr.Dataset, variant: str, against: str, on: str = "point") -> Interval:
    """The same with slope 1: how much closer to the network than ELS."""
    return residual.interval(products_of(dataset, variant, against, on), residual.skill, _seed(dataset))


def by_step(dataset: xr.Dataset, variant: str, against: str, statistic, on: str = "point") -> np.ndarray:
    """A statistic of `residual` at each step, (steps,)."""
    return statistic(*products_of(dataset, variant, against, on))


def alike_by_step(dataset: xr.Dataset, variant: str, companion: str, measure: str, on: str = "point") -> np.ndarray:
    """Median over images and training seeds of a measure of `alike`, (steps,); on: as in `products_of`."""
    of, names, image = _axes(dataset, variant, on)
    return dataset[f"{on}_{measure}"].sel({of: names, "companion": companion}).median([of, image]).values


def _axes(dataset: xr.Dataset, variant: str, on: str) -> tuple[str, list[str], str]:
    """The dimension of networks, those of the variant along it, and the dimension of images."""
    of, image = {"point": ("member", "point"), "path": ("path_member", "path_sample")}[on]
    return of, [name for name in dataset[of].values.tolist() if name.split("/")[0] == variant], image


def window(dataset: xr.Dataset, variant: str) -> tuple[float, float]:
    """The shortest stretch of t that holds the share IMPORTANT of the network's squared distance from ELS."""
    energy = products_of(dataset, variant, against_of(dataset, variant)[0]).yy.sum(axis=-1)
    total, t = energy.sum(), dataset.t.values
    stretches = [(b - a, a, b) for a in range(len(t)) for b in range(a, len(t))
                 if energy[a : b + 1].sum() >= IMPORTANT * total]
    _, first, last = min(stretches)
    return float(t[first]), float(t[last])


def loss(dataset: xr.Dataset, denoisers: list[str]) -> np.ndarray:
    """Mean denoising loss at each step, over all that are named."""
    return dataset.denoising_loss.sel(denoiser=denoisers).mean(["denoiser", "point"]).values


def loss_above_local(dataset: xr.Dataset, denoisers: list[str], variant: str) -> Interval:
    """Denoising loss minus that of the ELS fitted to the variant, at the same noised images, mean over t and over all
    that are named."""
    own = dataset.denoising_loss.sel(denoiser=denoisers).mean(["denoiser", "step"])
    local = dataset.denoising_loss.sel(denoiser=els_fitted(variant)).mean("step")
    return bootstrap(dataset, (own - local).values, np.nanmean)


def best_form(dataset: xr.Dataset, variant: str) -> str:
    """The closed form that explains most at the noised images; blend, which is no theory, does not compete."""
    return max(theories_of(dataset, variant), key=lambda form: explained(dataset, variant, form).estimate)


def theories_of(dataset: xr.Dataset, variant: str) -> list[str]:
    return [form for form in forms_of(dataset, variant) if form != "blend"]


def attention_variants(dataset: xr.Dataset) -> list[str]:
    return [variant for variant in variants_of(dataset) if variant != "cnn"]


def _seed(dataset: xr.Dataset) -> int:
    return json.loads(dataset.attrs["seeds_json"])["seed"]
