"""The registered hypotheses on rows of images: each is judged here, as docs/registration.md says, by no hand."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.intervals import mean_interval
from compare.result import pairs, summary
from compare.study.differences import OTHER_MAP, OWN_MAP, SHUFFLED_MAP, WIDER
from page_tables.cells import interval, markdown, number
from page_tables.select import chosen

MARGIN = 0.15
"""H1: how far a rate may lie from the networks'."""

SHARE = 0.5
"""H3: of the ceiling, at least."""

FACTOR = 2.0
"""H8: how far the networks' strength may lie from the derived one, either way."""

STRETCH = (0.5, 0.9)
"""H8: over which t."""

PLACE = "own path"


class Finding(NamedTuple):
    """Whether the criterion is met on one set, and the numbers that say so."""

    holds: bool
    numbers: str


class Hypothesis(NamedTuple):
    """What was claimed, and how it is judged."""

    name: str
    claim: str
    judge: Callable[[xr.Dataset], Finding]


def attending(dataset: xr.Dataset) -> str:
    """Return the variant with learned attention."""
    return next(variant for variant in pairs.variants(dataset) if variant.endswith("learned"))


def primary(dataset: xr.Dataset) -> str:
    """Return the primary form: evidence sharing, uniform, its strength as derived from the training set."""
    return chosen(dataset, "machine", machine_kind="evidence_sharing", setting="derived")


def nulls(dataset: xr.Dataset) -> dict[str, str]:
    """Return the machines that know no attention, by title."""
    of = lambda kind: chosen(dataset, "machine", machine_kind=kind)
    return {"ELS": of("equivariant_local"), "ideal": of("ideal"), "Wiener": of("wiener"),
            "blend": of("ideal_interpolation")}


def rate(dataset: xr.Dataset) -> Finding:
    """H1."""
    networks = dataset.consistent.sel(source=summary.networks_of(dataset, attending(dataset))).mean("sample").values
    found = mean_interval(float(dataset.consistent.sel(source=primary(dataset)).mean()) - networks)
    return Finding(found.low >= -MARGIN and found.high <= MARGIN, interval(found, sign=True))


def images(dataset: xr.Dataset) -> Finding:
    """H2."""
    variant = attending(dataset)
    rivals = {title: pairs.machine_r2(dataset, name, variant) for title, name in nulls(dataset).items()}
    rivals["CNN of the same seed"] = pairs.matched_r2(dataset, variant)
    return _above(pairs.machine_r2(dataset, primary(dataset), variant), rivals)


def added(dataset: xr.Dataset) -> Finding:
    """H3."""
    cosine = lambda form: pairs.added(dataset, "cosine", form, attending(dataset), PLACE)
    rivals = {title: cosine(name) for title, name in nulls(dataset).items() if title in ("ideal", "blend")}
    above = _above(cosine(primary(dataset)), rivals | {name: cosine(name) for name in WIDER})
    share = mean_interval(cosine(primary(dataset)) / pairs.ceiling(dataset, "cosine", attending(dataset), PLACE))
    return Finding(above.holds and share.estimate >= SHARE, f"{above.numbers}; share of the ceiling {interval(share)}")


def size(dataset: xr.Dataset) -> Finding:
    """H3b."""
    found = mean_interval(pairs.added(dataset, "explained", primary(dataset), attending(dataset), PLACE))
    return Finding(found.sign > 0, interval(found, sign=True))


def specificity(dataset: xr.Dataset) -> Finding:
    """H4."""
    r2 = lambda name: pairs.machine_r2(dataset, name, pairs.matched(dataset))
    found = mean_interval(r2(nulls(dataset)["ELS"]) - r2(primary(dataset)))
    return Finding(found.sign > 0, interval(found, sign=True))


def own_map(dataset: xr.Dataset) -> Finding:
    """H5."""
    cosine = lambda form: pairs.added(dataset, "cosine", form, attending(dataset), PLACE)
    uniform = chosen(dataset, "machine", machine_kind="joint_matching", attention="uniform")
    return _above(cosine(OWN_MAP), {"another image's": cosine(OTHER_MAP), "permuted": cosine(SHUFFLED_MAP),
                                "uniform": cosine(uniform)})


def strength(dataset: xr.Dataset) -> Finding:
    """H8."""
    ratio = strength_along(dataset) / _strength(dataset, "derived_share")
    return Finding(1 / FACTOR <= ratio <= FACTOR, number(ratio))


def strength_along(dataset: xr.Dataset) -> float:
    """Return the strength along the first network with attention, in units of 1 / k^2, geometric mean over STRETCH."""
    return _strength(dataset, "fitted_share_along")


def _strength(dataset: xr.Dataset, name: str) -> float:
    candidates = dataset.candidate_share.values
    asked = (dataset.t >= STRETCH[0] - 1e-9) & (dataset.t <= STRETCH[1] + 1e-9)
    shares = np.maximum(dataset[name].values[asked.values], candidates[candidates > 0].min() / 2)
    return float(np.exp(np.log(shares).mean()))


HYPOTHESES = (
    Hypothesis("H1", "rate: the closed form's, minus the networks'", rate),
    Hypothesis("H2", "images: mean r2 with the networks, minus that of", images),
    Hypothesis("H3", "what attention adds: cosine, minus that of", added),
    Hypothesis("H3b", "its size: explained share", size),
    Hypothesis("H4", "specificity: mean r2 with the CNNs, ELS minus closed form", specificity),
    Hypothesis("H5", "own map: cosine, minus that along", own_map),
    Hypothesis("H8", "strength along a network with attention over the derived one", strength),
)


def outcome(findings: list[Finding]) -> str:
    """Return what the findings of all sets say together."""
    met = sum(finding.holds for finding in findings)
    return "holds" if met == len(findings) else "holds in part" if met else "fails"


def hypotheses_table(sets: Mapping[str, xr.Dataset]) -> str:
    """Return the registered hypotheses and their outcome, a column for each set."""
    rows = []
    for name, claim, judge in HYPOTHESES:
        findings = [judge(dataset) for dataset in sets.values()]
        rows.append([name, claim, f"**{outcome(findings)}**", *(finding.numbers for finding in findings)])
    along = [strength_along(dataset) for dataset in sets.values()]
    rows.append(["H8b", "that strength in units of 1 / k^2, falling from the first set to the second",
                 f"**{'holds' if along == sorted(along, reverse=True) else 'fails'}**", *map(number, along)])
    return markdown(["", "registered", "outcome", *sets], rows)


def _above(values: np.ndarray, rivals: Mapping[str, np.ndarray]) -> Finding:
    """Whether values (seeds,) lie above each rival's, paired by seed."""
    differences = {title: mean_interval(values - rival) for title, rival in rivals.items()}
    return Finding(all(found.sign > 0 for found in differences.values()),
                   ", ".join(f"{title} {interval(found, sign=True)}" for title, found in differences.items()))
