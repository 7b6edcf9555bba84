"""Tables of the attention study."""

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure import residual
from compare.measure.intervals import Interval, binomial_interval, mean_interval
from compare.measure.residual import Products
from page_tables.cells import interval, markdown, number
from page_tables.select import chosen, network, result, seeds


class Form(NamedTuple):
    """A closed form in a study: its title, its name in the residual test, and its coordinates."""

    title: str
    against: str
    kind: str
    attention: str
    setting: str


FORMS = (
    Form("joint matching, network's map, as derived", "own pair as derived", "joint_matching", "network", "derived"),
    Form("evidence sharing, network's map, as derived", "own map as derived", "evidence_sharing", "network", "derived"),
    Form("joint matching, uniform, as derived", "pair as derived", "joint_matching", "uniform", "derived"),
    Form("evidence sharing, uniform, as derived", "uniform as derived", "evidence_sharing", "uniform", "derived"),
    Form("joint matching, network's map, fitted", "own pair", "joint_matching", "network", "fitted"),
    Form("evidence sharing, network's map, fitted", "own map", "evidence_sharing", "network", "fitted"),
    Form("joint matching, uniform, fitted", "pair", "joint_matching", "uniform", "fitted"),
    Form("evidence sharing, uniform, fitted", "uniform", "evidence_sharing", "uniform", "fitted"),
    Form("evidence sharing, identity, fitted", "identity", "evidence_sharing", "identity", "fitted"),
    Form("evidence sharing, top-1, fitted", "top1", "evidence_sharing", "top1", "fitted"),
    Form("evidence sharing, overlap, fitted", "overlap", "evidence_sharing", "overlap", "fitted"),
    Form("ideal score's direction (consensus), fitted", "consensus", "consensus", "", "fitted"),
    Form("finite attention (innovation), fitted", "innovation", "innovation", "", "fitted"),
    Form("*null: ELS towards the ideal score, fitted*", "blend", "ideal_interpolation", "", "fitted"),
    Form("*ideal score*", "ideal", "ideal", "", "fixed"),
)


class Study(NamedTuple):
    """An attention study: the result with its controls, and one variant of it."""

    dataset: xr.Dataset
    controls: xr.Dataset
    variant: str

    @property
    def seeds(self) -> list[int]:
        return seeds(self.dataset, self.variant)

    def network(self, seed: int) -> str:
        return network(self.dataset, self.variant, seed)

    def has(self, form: Form) -> bool:
        if form.against not in self.dataset.form.values:
            return False
        return bool(self.dataset.point_zz.sel(subject=self.subject(self.seeds[0]), form=form.against).notnull().any())

    def subject(self, seed: int) -> str:
        return chosen(self.dataset, "subject", subject_variant=self.variant, subject_seed=seed)

    def machine(self, form: Form, seed: int) -> str:
        attention = ("", form.attention) if form.kind in ("consensus", "innovation") else (form.attention,)
        return chosen(self.dataset, "machine", machine_kind=form.kind, setting=form.setting,
                      attention=(*attention, "uniform") if len(attention) == 2 else attention,
                      fitted_to=("", self.variant), map_of=("", self.variant), map_of_seed=(-1, seed))

    def els(self) -> str:
        return chosen(self.dataset, "machine", machine_kind="equivariant_local", fitted_to=self.variant)


def study(folder: str, variant: str) -> Study:
    """Read an attention study."""
    return Study(result(folder, "attention"), result(folder, "controls"), variant)


def products(which: Study, against: str, seed: int, on: str = "point") -> Products:
    """Return the residual products of one network, (steps, images)."""
    image = {"point": "point", "path": "path_sample"}[on]
    found = [which.dataset[f"{on}_{product}"].sel(subject=which.subject(seed), form=against)
             for product in Products._fields]
    return Products(*(product.transpose("step", image).values.astype(np.float64) for product in found))


def scaled(found: Products, weight: float) -> Products:
    """Return the products of a machine that goes `weight` of the way from ELS."""
    return Products(found.yy, weight * found.yz, weight**2 * found.zz)


def at_noised(which: Study, against: str, statistic: Callable, weight: float = 1.0) -> Interval:
    """Return a statistic of the residual test at noised images, a training seed the unit."""
    found = [scaled(products(which, against, seed), weight) for seed in which.seeds]
    return mean_interval([float(residual.over_steps(one, statistic)) for one in found if not np.isnan(one.zz).all()])


def on_path(which: Study, against: str, statistic: Callable, weight: float = 1.0) -> Interval | None:
    """Return a statistic on seed 0's own path at the steps from t = .25 to .65; the bootstrap draws samples."""
    if 0 not in which.seeds:
        return None
    found = scaled(products(which, against, 0, "path"), weight)
    t = which.dataset.t.values
    there = Products(*(part[(t > 0.24) & (t < 0.66)] for part in found))
    return None if np.isnan(there.zz).any() else residual.interval(there, statistic, 0)


def residual_cells(which: Study, against: str, weight: float = 1.0) -> list[str]:
    """Return explained and skill, at noised images and on the path."""
    found = [place(which, against, statistic, weight) for place in (at_noised, on_path)
             for statistic in (residual.explained, residual.skill)]
    return ["" if one is None else interval(one) for one in found]


def form_r2(which: Study, form: Form, seed: int) -> np.ndarray:
    """Return r2 of a closed form with the network of a seed, (samples,)."""
    return which.dataset.r2.sel(machine=which.machine(form, seed), network=which.network(seed)).values


def blend_r2(which: Study, weight: float, seed: int) -> np.ndarray:
    """Return r2 of a constant blend with the network of a seed, (samples,)."""
    return which.controls.r2.sel(weight=weight, network=which.network(seed)).values


def above_els(which: Study, r2: Callable[[int], np.ndarray]) -> Interval:
    """Return the paired mean of r2 above ELS's, a training seed the unit; r2 of a seed: (samples,)."""
    local = which.dataset.r2.sel(machine=which.els())
    return mean_interval([float((r2(seed) - local.sel(network=which.network(seed)).values).mean())
                          for seed in which.seeds])


def same_image(which: Study, other: Callable[[int], str]) -> str:
    """Return the share of samples with the network's decoded colours, a training seed the unit."""
    by_seed = [float(which.controls.same_image.sel(other=other(seed), network=which.network(seed)))
               for seed in which.seeds]
    return interval(mean_interval(by_seed))


def rate(flags: list[np.ndarray]) -> str:
    """Return the rate of each distinct machine or network: with its interval if it is one."""
    rates = [binomial_interval(int(flag.sum()), flag.size) for flag in flags]
    return interval(rates[0]) if len(rates) == 1 else ", ".join(number(found.estimate) for found in rates)


def form_row(which: Study, form: Form) -> list[str]:
    """Return one closed form's row."""
    machines = [which.machine(form, seed) for seed in which.seeds]
    flags = [which.dataset.consistent.sel(source=machine).values for machine in dict.fromkeys(machines)]
    gain = above_els(which, lambda seed: form_r2(which, form, seed))
    return [form.title, *residual_cells(which, form.against), interval(gain, 3, sign=True),
            same_image(which, lambda seed: which.machine(form, seed)), rate(flags)]


def blend_row(which: Study, weight: float) -> list[str]:
    """Return the constant blend's row: (1 - weight) ELS + weight ideal."""
    gain = above_els(which, lambda seed: blend_r2(which, weight, seed))
    return [f"*null: constant blend, w = {weight}*", *residual_cells(which, "ideal", weight),
            interval(gain, 3, sign=True), same_image(which, lambda seed: f"constant blend, w = {weight}"),
            rate([which.controls.consistent.sel(weight=weight).values])]


def companion_row(which: Study, title: str, against: str) -> list[str]:
    """Return the row of another network: what it explains at noised images and on the path."""
    return [title, *residual_cells(which, against), "", "", ""]


def network_row(which: Study) -> list[str]:
    """Return the row of the networks themselves: r2 of pairs of seeds above ELS's, and their rates."""
    dataset, of = which.dataset, [which.network(seed) for seed in which.seeds]
    flags = [dataset.consistent.sel(source=name).values for name in of]
    pairs = [(a, b) for a in of for b in of if a != b]
    gain = [float((dataset.network_r2.sel(network=a, other_network=b)
                   - dataset.r2.sel(machine=which.els(), network=a)).mean()) for a, b in pairs]
    same = [float(which.controls.same_image.sel(other=b, network=a)) for a, b in pairs]
    return ["*the network; another training seed*", *residual_cells(which, "another training seed"),
            number(np.mean(gain), 3, sign=True), number(np.mean(same)), rate(flags)]


def els_row(which: Study) -> list[str]:
    """Return the row of ELS, from which everything is measured."""
    flags = which.dataset.consistent.sel(source=which.els()).values
    return ["*ELS, fitted*", "0", "0", "0", "0", "0", same_image(which, lambda seed: which.els()), rate([flags])]


def attention_table(which: Study) -> str:
    """Return the study of one variant: closed forms, nulls, other networks; without leading zeros, for it is wide."""
    rows = [form_row(which, form) for form in FORMS if which.has(form)]
    rows += [blend_row(which, weight) for weight in which.controls.weight.values.tolist()]
    rows += [els_row(which), companion_row(which, "*the CNN of the same seed*", "cnn of the same seed")]
    rows += [network_row(which)] if len(which.seeds) > 1 else []
    rows = [[title, *(re.sub(r"\b0\.", ".", cell) for cell in cells)] for title, *cells in rows]
    return markdown(["", "explained, noised images", "skill, noised images", "explained, own path", "skill, own path",
                     "r2 above ELS's, drawn", "same image", "consistent"], rows)


def seeds_table(which: Study) -> str:
    """Return what each training seed's networks have explained, one by one."""
    forms = [("another training seed", "another training seed"), ("ideal score's direction", "ideal"),
             *((form.title, form.against) for form in FORMS[:4])]
    rows = [[title, *(number(float(residual.over_steps(products(which, against, seed), residual.explained)))
                      for seed in which.seeds)] for title, against in forms]
    return markdown(["explained, noised images", *(f"seed {seed}" for seed in which.seeds)], rows)
