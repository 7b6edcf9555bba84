"""What an attention study says in numbers, each with its 95 % interval. All training seeds of a variant are taken
together; the bootstrap draws noisy images, or samples, as a whole."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr

from compare.measure import residual
from compare.measure.intervals import Interval
from compare.measure.residual import Products
from compare.result.summary import bootstrap, els_of, variants_of

ENERGY_SHARE = 0.5
"""The share of the network's squared distance from ELS whose steps are looked at more closely."""

IMAGES = {"point": "point", "path": "path_sample"}
"""Dimension of the noisy images at which networks are asked: noised training images, points of their own path."""


def subjects_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """Return the networks of a variant that are asked about, one a training seed."""
    return dataset.subject.values[dataset.subject_variant.values == variant].tolist()


def forms_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """Return the closed forms that the variant is held against: those fitted to it, those as derived."""
    asked = np.isin(dataset.role.values, ("theory", "null")) & (dataset.form_kind.values != "ideal")
    return [form for form in dataset.form.values[asked].tolist() if machines_of(dataset, form, variant)]


def machines_of(dataset: xr.Dataset, form: str, variant: str) -> list[str]:
    """Return the machines that a closed form is for a variant: one, or one a training seed, each by its own map."""
    one = dataset.sel(form=form)
    same = ((dataset.machine_kind == one.form_kind) & (dataset.attention == one.form_attention)
            & (dataset.setting == one.form_setting) & dataset.fitted_to.isin(["", variant])
            & dataset.map_of.isin(["", variant]))
    return dataset.machine.values[same.values].tolist()


def named_forms(dataset: xr.Dataset, variant: str) -> dict[str, list[str]]:
    """Return the machines of each of `forms_of`, by what they are called together."""
    found = {form: machines_of(dataset, form, variant) for form in forms_of(dataset, variant)}
    return {machines[0] if len(machines) == 1 else f"{form}, {variant}, each by its own map": machines
            for form, machines in found.items()}


def against_of(dataset: xr.Dataset, variant: str) -> list[str]:
    """Return what stands in the variant's residual test."""
    found = dataset.point_zz.sel(subject=subjects_of(dataset, variant)).notnull().any(["subject", "point", "step"])
    return dataset.form.values[found.values].tolist()


def companions_of(dataset: xr.Dataset) -> list[str]:
    """Return what networks are held against point by point."""
    return dataset.form.values[dataset.point_r2.notnull().any(["subject", "point", "step"]).values].tolist()


def products_of(dataset: xr.Dataset, variant: str, form: str, on: str = "point") -> Products:
    """Return (steps, images), summed over training seeds; on: "point", noised images, or "path", own trajectory."""
    chosen = dataset.sel(subject=subjects_of(dataset, variant), form=form)
    return Products(*(chosen[f"{on}_{product}"].sum("subject").transpose("step", IMAGES[on]).values.astype(np.float64)
                      for product in Products._fields))


def explained(dataset: xr.Dataset, variant: str, form: str, on: str = "point") -> Interval:
    """Return the share of (network - ELS) along (form - ELS), all steps together, each with a slope of its own."""
    return residual.interval(products_of(dataset, variant, form, on), residual.explained, _seed(dataset))


def skill(dataset: xr.Dataset, variant: str, form: str, on: str = "point") -> Interval:
    """Return the same with slope 1: how much closer to the network than ELS."""
    return residual.interval(products_of(dataset, variant, form, on), residual.skill, _seed(dataset))


def by_step(dataset: xr.Dataset, variant: str, form: str, statistic) -> np.ndarray:
    """Return a statistic of `residual` at each step, (steps,), at noised images."""
    return statistic(*products_of(dataset, variant, form))


def agreement_by_step(dataset: xr.Dataset, variant: str, form: str, measure: str, on: str = "point") -> np.ndarray:
    """Return the median over images and training seeds of a measure of `pointwise`, (steps,); on: as above."""
    chosen = dataset[f"{on}_{measure}"].sel(subject=subjects_of(dataset, variant), form=form)
    return chosen.median(["subject", IMAGES[on]]).values


def window(dataset: xr.Dataset, variant: str) -> tuple[float, float]:
    """Return the shortest stretch of t that holds ENERGY_SHARE of the network's squared distance from ELS."""
    energy = products_of(dataset, variant, against_of(dataset, variant)[0]).yy.sum(axis=-1)
    total, t = energy.sum(), dataset.t.values
    stretches = [(b - a, a, b) for a in range(len(t)) for b in range(a, len(t))
                 if energy[a : b + 1].sum() >= ENERGY_SHARE * total]
    _, first, last = min(stretches)
    return float(t[first]), float(t[last])


def losses(dataset: xr.Dataset, names: list[str]) -> xr.DataArray:
    """Return the mean denoising loss (point, step) over machines, or over networks that are asked about."""
    dim = "machine" if set(names) <= set(dataset.machine.values.tolist()) else "subject"
    return dataset["machine_loss" if dim == "machine" else "network_loss"].sel({dim: names}).mean(dim)


def loss_above_local(dataset: xr.Dataset, loss: xr.DataArray, variant: str) -> Interval:
    """Return a loss (point, step) minus that of the ELS fitted to the variant, mean over t."""
    local = dataset.machine_loss.sel(machine=els_of(dataset, variant))
    return bootstrap(dataset, (loss.mean("step") - local.mean("step")).values, np.nanmean)


def best_form(dataset: xr.Dataset, variant: str) -> str:
    """Return the closed form that explains most at the noised images; nulls do not compete."""
    return max(theories_of(dataset, variant), key=lambda form: explained(dataset, variant, form).estimate)


def theories_of(dataset: xr.Dataset, variant: str) -> list[str]:
    return [form for form in forms_of(dataset, variant) if dataset.role.sel(form=form) == "theory"]


def attention_variants(dataset: xr.Dataset) -> list[str]:
    """Return the variants whose networks attend."""
    return [variant for variant in variants_of(dataset) if variant != "cnn"]


def _seed(dataset: xr.Dataset) -> int:
    return json.loads(dataset.attrs["seeds_json"])["seed"]
