"""The attention study as text and figures: rates, denoising losses, the residual test, samples to the end, fits."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from compare.measure import residual
from compare.report import sections
from compare.report.plots import a_column_each, legend_above, reach
from compare.report.report import Picture, Report
from compare.report.table import Section, Steps, format_interval, table_section
from compare.result import attention as own
from compare.result import summary

QUALITIES = {"consistent": "consistent", "clean": "clean", "novel": "novel",
             "consistent and novel": "consistent and novel", "by_held_out_map": "by held-out maps only"}
"""Of a sample, with the title of its column."""

NETWORK = {"color": "black", "linewidth": 2.0}
COLOURS = {("evidence_sharing", "network"): "C5", ("joint_matching", "network"): "#e377c2",
           ("evidence_sharing", "uniform"): "C0", ("evidence_sharing", "identity"): "C1",
           ("evidence_sharing", "top1"): "C2", ("evidence_sharing", "overlap"): "#999933",
           ("joint_matching", "uniform"): "C4", ("innovation", "uniform"): "#8c564b",
           ("consensus", "uniform"): "#7b3294", ("ideal_interpolation", ""): "0.5", ("ideal", ""): "0.2",
           ("equivariant_local", ""): "black"}
"""By kind and attention of a form."""

SLOPE_FROM = 0.05
"""The explained share from which a slope is drawn: below, it is the slope of noise."""


def _sections(dataset: xr.Dataset) -> list[Section]:
    config = json.loads(dataset.attrs["config_json"])
    head = (f"{len(config['networks'])} networks on {dataset.attrs['training_images']:,} images of "
            f"{dataset.sizes['channel']} x {dataset.sizes['y']} x {dataset.sizes['x']}; {dataset.sizes['sample']} "
            f"samples and {dataset.sizes['point']} noised images, seed {config['seed']}, machines {config['steps']} "
            f"steps; computed in {dataset.attrs['wall_seconds']:.0f} s\nIntervals are over images and noises, networks "
            "fixed: a claim on networks takes the training seed as its unit, and another training seed, which carries "
            "noise of its own, is no ceiling")
    found = [Section(head), _rates(dataset), _losses(dataset), _agreement(dataset)]
    for variant in summary.variants_of(dataset):
        found += [_residual(dataset, variant), _ends(dataset, variant)]
    return [*found, _fits(dataset), _answers(dataset)]


def _rates(dataset: xr.Dataset) -> Section:
    chance = json.loads(dataset.attrs["chance_json"])
    columns = {QUALITIES[quality]: quality.split(" and ") for quality in QUALITIES if quality in chance}
    sources, step = {}, dataset.sizes["step"]
    for variant in summary.variants_of(dataset):
        sources |= {(variant, steps): summary.networks_of(dataset, variant, steps)
                    for steps in summary.steps_of(dataset)}
        alone = {name: [name] for name in (summary.els_of(dataset, variant), summary.ideal_of(dataset))}
        sources |= {(name, step): machines for name, machines in (alone | own.named_forms(dataset, variant)).items()}
    first, *others = (f"{chance[quality]:.3f}" for quality in QUALITIES if quality in chance)
    return sections.rates(dataset, sources, columns, ["random colours", "", first, "", *others])


def _some_steps(dataset: xr.Dataset) -> tuple[slice, str]:
    """At most about ten steps, and a header that names their t."""
    steps = slice(1, None, max(1, dataset.sizes["step"] // 10))
    return steps, "t = " + " ".join(f"{t:.2f}" for t in dataset.t.values[steps])


def _losses(dataset: xr.Dataset) -> Section:
    """Denoising loss at every other step, and its mean over t above that of the ELS fitted to the CNN."""
    first, (steps, t) = summary.variants_of(dataset)[0], _some_steps(dataset)
    rows = [[name, Steps(loss.mean("point").values[steps], ".4f"), own.loss_above_local(dataset, loss, first)]
            for name, loss in _named_losses(dataset).items()]
    return table_section("loss", "Denoising loss, of eps, on noised training images; networks, and closed forms by "
                         "their own map: mean over training seeds",
                         ["denoiser", f"at {t}", f"mean over t, minus {summary.els_of(dataset, first)}"], rows,
                         form="+.4f")


def _named_losses(dataset: xr.Dataset) -> dict[str, xr.DataArray]:
    """Losses (point, step) of the ideal score, ELS of each window, each variant, and each form of those that attend."""
    found = {summary.ideal_of(dataset): own.losses(dataset, [summary.ideal_of(dataset)])}
    found |= {f"els k={k}": dataset.window_loss.sel(candidate_patch_size=k)
              for k in dataset.candidate_patch_size.values}
    found |= {variant: own.losses(dataset, own.subjects_of(dataset, variant))
              for variant in summary.variants_of(dataset)}
    for variant in own.attention_variants(dataset):
        found |= {name: own.losses(dataset, machines) for name, machines in own.named_forms(dataset, variant).items()}
    return found


def _agreement(dataset: xr.Dataset) -> Section:
    """At every other step: median r2 of x0hat, at noised images and on the network's own path."""
    rows, (steps, t) = [], _some_steps(dataset)
    for variant in summary.variants_of(dataset):
        for form in own.companions_of(dataset):
            for on, where in (("point", "noised images"), ("path", "own path")):
                values = own.agreement_by_step(dataset, variant, form, "r2", on)
                if not np.isnan(values).all():
                    rows.append([variant, form, where, Steps(values[steps], ".3f")])
    return table_section("agreement by step", "Median r2 of x0hat at the same noisy image, network and companion",
                         ["network", "companion", "at", t], rows, labels=3)


def _residual(dataset: xr.Dataset, variant: str) -> Section:
    low, high = own.window(dataset, variant)
    inside = (dataset.t.values >= low) & (dataset.t.values <= high)
    rows = [[form, str(dataset.role.sel(form=form).item()), own.explained(dataset, variant, form),
             f"{np.median(own.by_step(dataset, variant, form, residual.slope)[inside]):.2f}",
             own.skill(dataset, variant, form), own.explained(dataset, variant, form, "path"),
             own.skill(dataset, variant, form, "path")] for form in own.against_of(dataset, variant)]
    return table_section(
        "residual", f"{variant} minus ELS, explained by another denoiser minus ELS at the same noisy image (all t, a "
        f"slope for each); half of the distance lies at t = {low:.2f} to {high:.2f}, slopes are medians there",
        ["denoiser", "role", "explained", "slope", "skill (slope 1)", "explained on own path", "skill on own path"],
        rows, variant=variant, labels=1)


def _ends(dataset: xr.Dataset, variant: str) -> Section:
    els, ideal = summary.els_of(dataset, variant), summary.ideal_of(dataset)
    rows = []
    for name, machine in {els: els, **own.named_forms(dataset, variant), ideal: ideal}.items():
        gain = "" if machine == els else format_interval(summary.gain(dataset, machine, els, variant), "+.3f")
        rows.append([name, summary.machine_agreement(dataset, "r2", machine, variant), gain,
                     summary.rate(dataset, "consistent", machine)])
    if len(summary.networks_of(dataset, variant)) > 1:
        rows.append(["another training seed", summary.seed_ceiling(dataset, "r2", variant), "",
                     summary.variant_rate(dataset, "consistent", variant)])
    if len(summary.steps_of(dataset)) > 1:
        rows.append(["the network's own fewer steps", summary.step_ceiling(dataset, "r2", variant), "", ""])
    return table_section("ends", f"{variant} at {summary.most_steps(dataset)} steps, sample by sample from the same "
                         "noise", ["machine", "median r2", f"mean r2 minus {els}", "consistent"], rows, variant=variant)


def _fits(dataset: xr.Dataset) -> Section:
    rows = []
    for variant in dataset.fitted_variant.values.tolist():
        for form in dataset.fitted_form.values.tolist():
            one = dataset.sel(fitted_variant=variant, fitted_form=form)
            if one.fitted_strength.notnull().all():
                rows += [[variant, form, what, Steps(one[name].values, "g")] for what, name in (
                    ("k", "fitted_patch_size"), ("lambda", "fitted_strength"),
                    ("lambda, residual", "fitted_residual_strength"))]
    return table_section("fits", "Fitted along trajectories of other samples, step 0 (least noise) first",
                         ["variant", "closed form", "of", "value at each step"], rows, labels=3)


def _answers(dataset: xr.Dataset) -> Section:
    """Of each network with attention: the form that explains most, and the one whose samples are nearest."""
    lines = ["Does a closed form of attention predict the network with attention better than ELS does? The forms named "
             "are picked after the fact, out of all above"]
    for variant in own.attention_variants(dataset):
        els = summary.els_of(dataset, variant)
        gains = {form: summary.gain(dataset, own.machines_of(dataset, form, variant), els, variant)
                 for form in own.theories_of(dataset, variant)}
        explains, nearest = own.best_form(dataset, variant), max(gains, key=lambda form: gains[form].estimate)
        for form, best in ((explains, "explains most of where it parts from ELS"), (nearest, "draws nearest to it")):
            gain = gains[form]
            end = "better" if gain.low > 0.0 else "worse" if gain.high < 0.0 else "neither better nor worse"
            rate = summary.rate(dataset, "consistent", own.machines_of(dataset, form, variant))
            network = summary.variant_rate(dataset, "consistent", variant)
            lines.append(
                f"  {variant}: '{form}' {best}: explained {format_interval(own.explained(dataset, variant, form))}, "
                f"drawn to the end {end} than ELS, r2 {format_interval(gain, '+.3f')}; consistent "
                f"{format_interval(rate)}, the network {format_interval(network)}")
    return Section("\n".join(lines))


def _pictures(dataset: xr.Dataset) -> dict[str, Picture]:
    wide = 0.6 + 2.4 * len(summary.variants_of(dataset))
    drawn = {"loss.png": (_draw_loss, 2.9), "agreement.png": (_draw_agreement, 3.6), "residual.png":
             (_draw_residual, 4.4), "ends.png": (_draw_ends, 3.4)}
    return {name: Picture(draw, dataset, (wide, height)) for name, (draw, height) in drawn.items()}


def _draw_loss(figure: Figure, dataset: xr.Dataset) -> None:
    """Denoising loss above that of the ideal score, the floor of every denoiser on this training set."""
    t, variants = dataset.t.values, summary.variants_of(dataset)
    floor = own.losses(dataset, [summary.ideal_of(dataset)]).mean("point")
    panels = a_column_each(figure, len(variants))[0]
    above = lambda loss: loss.mean("point") - floor
    for axes, variant in zip(panels, variants):
        for k in dataset.candidate_patch_size.values:
            axes.plot(t, above(dataset.window_loss.sel(candidate_patch_size=k)), ":", color="0.4",
                      linewidth=0.5 + 0.2 * k, label=f"els k={k}")
        for form in own.forms_of(dataset, variant):
            loss = own.losses(dataset, own.machines_of(dataset, form, variant))
            axes.plot(t, above(loss), **_style(dataset, form), label=form)
        axes.plot(t, above(own.losses(dataset, own.subjects_of(dataset, variant))), **NETWORK, label="network")
        axes.set(title=variant, xlabel="t (1 = most noise)", xlim=(0.0, 1.0))
    panels[0].set_ylabel("eps loss above the ideal score's")
    legend_above(figure, panels, 6)


def _draw_agreement(figure: Figure, dataset: xr.Dataset) -> None:
    """How near network and companion are at the same noisy image: noised images drawn, the network's path dashed."""
    t, variants = dataset.t.values, summary.variants_of(dataset)
    rows = a_column_each(figure, len(variants), 2)
    for column, variant in zip(rows.T, variants):
        for form in own.companions_of(dataset):
            for on, style in (("point", "-"), ("path", "--")):
                for axes, measure in zip(column, ("cosine_distance", "r2")):
                    values = own.agreement_by_step(dataset, variant, form, measure, on)
                    if not np.isnan(values).all():
                        axes.plot(t, values, style, **_companion(dataset, form), label=form if on == "point" else None)
        column[0].set(title=variant, yscale="log")
        column[1].set(xlabel="t (1 = most noise)", xlim=(0.0, 1.0), ylim=(0.0, 1.02))
    for style, label in (("-", "at noised images"), ("--", "on the network's own path")):
        rows[1, -1].plot([], [], style, color="0.6", label=label)
    rows[0, 0].set_ylabel("1 - cos, eps")
    rows[1, 0].set_ylabel("r2, x0hat")
    legend_above(figure, rows[1], 3)


def _companion(dataset: xr.Dataset, form: str) -> dict:
    one = dataset.sel(form=form)
    colour = {("ceiling", "network"): "black", ("baseline", "network"): "C1", ("null", "ideal"): "0.2"}
    return {"color": colour.get((one.role.item(), one.form_kind.item()), "C0"),
            "linewidth": 2.0 if one.role.item() == "ceiling" else 1.0}


def _draw_residual(figure: Figure, dataset: xr.Dataset) -> None:
    """The network's distance from ELS, the share of it that each closed form explains, and its slope, step by step."""
    t, variants = dataset.t.values, summary.variants_of(dataset)
    rows = a_column_each(figure, len(variants), 3)
    for column, variant in zip(rows.T, variants):
        names = [form for form in own.against_of(dataset, variant)
                 if dataset.form_kind.sel(form=form) != "network" or dataset.role.sel(form=form) == "ceiling"]
        column[0].plot(t, np.sqrt(own.products_of(dataset, variant, names[0]).yy.mean(axis=-1)), color="0.4")
        for form in names:
            style = NETWORK if dataset.role.sel(form=form) == "ceiling" else _style(dataset, form)
            explained = own.by_step(dataset, variant, form, residual.explained)
            slope = own.by_step(dataset, variant, form, residual.slope)
            column[1].plot(t, explained, label=form, **style)
            column[2].plot(t, np.where(explained < SLOPE_FROM, np.nan, slope), **style)
        column[2].axhline(1.0, color="0.7", linewidth=0.6, zorder=0)
        column[2].set_ylim(-0.5, 2.0)
        column[1].set_ylim(0.0, 1.0)
        column[0].set_title(variant)
        column[2].set(xlabel="t (1 = most noise)", xlim=(0.0, 1.0))
    for axes, label in zip(rows[:, 0], ("|network - ELS|, eps", "explained", f"slope, if {SLOPE_FROM:.0%} explained")):
        axes.set_ylabel(label)
    legend_above(figure, rows[1], 6)


def _draw_ends(figure: Figure, dataset: xr.Dataset) -> None:
    """r2 with the network against the share of consistent samples, a point a machine; the network's own as lines."""
    variants = summary.variants_of(dataset)
    panels = a_column_each(figure, len(variants))[0]
    for axes, variant in zip(panels, variants):
        points = {form: own.machines_of(dataset, form, variant) for form in own.forms_of(dataset, variant)}
        points |= {"els": summary.els_of(dataset, variant), "ideal": summary.ideal_of(dataset)}
        for label, machine in points.items():
            rate = summary.rate(dataset, "consistent", machine)
            r2 = summary.machine_agreement(dataset, "r2", machine, variant)
            style = _style(dataset, label)
            axes.errorbar(rate.estimate, r2.estimate, yerr=reach([r2]), xerr=reach([rate]), fmt="o", label=label,
                          color=style["color"], elinewidth=0.6,
                          markerfacecolor=None if style["linestyle"] == "-" else "none")
        network = summary.variant_rate(dataset, "consistent", variant)
        axes.axvspan(network.low, network.high, color="C1", alpha=0.25, linewidth=0, label="the network's rate")
        if len(summary.networks_of(dataset, variant)) > 1:
            seed = summary.seed_ceiling(dataset, "r2", variant)
            axes.axhspan(seed.low, seed.high, color="0.6", alpha=0.25, linewidth=0, label="another training seed")
        axes.set(title=f"{variant}, {summary.most_steps(dataset)} steps", xlabel="share of consistent samples",
                 xlim=(-0.03, 1.04), ylim=(0.3, 1.02))
    panels[0].set_ylabel("median r2 with the network")
    legend_above(figure, panels, 6)


def _style(dataset: xr.Dataset, form: str) -> dict:
    """A form's colour; dashed, or hollow, as it was derived; dotted for the ideal score."""
    one = dataset.sel(form=form)
    line = {"derived": "--", "fixed": ":"}.get(one.form_setting.item(), "-")
    return {"color": COLOURS[one.form_kind.item(), one.form_attention.item()], "linestyle": line}


REPORT = Report(_sections, _pictures)
report, tidy, draw = REPORT.text, REPORT.tidy, REPORT.draw
