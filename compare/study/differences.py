"""What attention adds to a network beside what closed forms say, at held-out images and on the network's own path."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure.agreement import agreement
from compare.measure.difference import MEASURES, Products, products
from compare.result.schema import variable
from compare.study.networks import NetworkEntry
from compare.study.pipeline import Run
from compare.study.sampling import Trajectory, held_out_noise
from compare.study.windows import followed
from theory.errors import UserError

WIDER = {f"els, window {more} wider": more for more in (2, 4)}
"""How much wider the windows of ELS are that stand for a longer reach instead of attention, by the form's label."""

OWN_MAP, OTHER_MAP, SHUFFLED_MAP = ("pair along the network's own map", "pair along another image's map",
                                    "pair along a shuffled map")
"""Labels of joint matching along a map of the network."""

PLACES = ("held-out images", "own path")


class Form(NamedTuple):
    """What gives the direction g. role: "theory", "null" (no theory of attention) or "ceiling" (other networks)."""

    label: str
    role: str
    own: bool = False  # differs from pair to pair


class Pair(NamedTuple):
    """A network with attention and the CNN that is like it in all else."""

    attending: NetworkEntry
    local: NetworkEntry

    @property
    def name(self) -> str:
        return f"{self.attending.name} - {self.local.name}"

    def added(self, x: np.ndarray, sigma: float) -> np.ndarray:
        """Return what attention adds to the posterior mean, (B, C, H, W)."""
        return self.attending.denoiser.denoise(x, sigma) - self.local.denoiser.denoise(x, sigma)


def pairs_of(networks) -> list[Pair]:
    """Return every network with attention beside the CNN of its architecture and seed. UserError: it is missing."""
    local = {network.training_seed: network for network in networks if network.attention is None}
    attending = [network for network in networks if network.attention is not None]
    missing = [network.name for network in attending if network.training_seed not in local]
    if missing or not attending:
        raise UserError(f"networks: got {missing[0] if missing else 'none with attention'}, want networks with "
                        "attention, each beside one without of the same training seed")
    return [Pair(network, local[network.training_seed]) for network in attending]


def what_attention_adds(run: Run) -> xr.Dataset:
    """Return products and MEASURES over (form, network_pair, where, step); NaN at steps that are not asked."""
    pairs = pairs_of(run.networks)
    forms = _forms(run, pairs)
    found = {place: np.full((len(forms), len(pairs), len(Products._fields), count, run.config.steps), np.nan)
             for place, count in zip(PLACES, (run.config.points, run.config.path_samples))}
    held_out, own_path = (found[place] for place in PLACES)
    for i in run.folder.progress(asked_steps(run), "differences"):
        made = run.folder.cached(f"difference held-out images step {i}",
                                 partial(_ask, run, pairs, pairs, forms, i, *held_out_images(run, i)))
        held_out[..., i] = made["products"]
        for p, pair in enumerate(pairs):
            made = run.folder.cached(f"difference own path {pair.name} step {i}",
                                     partial(_ask, run, pairs, [pair], forms, i, *_own_path(run, pair).query(i)))
            own_path[:, p : p + 1, ..., i] = made["products"]
    return _dataset(forms, pairs, found).merge(_matched(run, pairs))


def _own_path(run: Run, pair: Pair) -> Trajectory:
    network = pair.attending
    return followed(run, f"path {network.name}", network, run.noise[: run.config.path_samples], None)


def asked_steps(run: Run) -> list[int]:
    """Return the steps whose t lies in the configuration's stretch."""
    t = np.arange(1, run.config.steps + 1) / run.config.steps
    first, last = run.config.stretch
    return np.flatnonzero((t >= first - 1e-9) & (t <= last + 1e-9))[:: run.config.every].tolist()


def held_out_images(run: Run, i: int) -> tuple[np.ndarray, float]:
    """Return noisy images that no network was trained on, x = x0 + sigma n (V, C, H, W), and sigma, of step i."""
    images = run.training.validation.images[: run.config.points].astype(np.float64)
    sigma = float(run.schedule.sigma((i + 1) / run.config.steps))
    return images + sigma * held_out_noise(run.config, len(images), images.shape[1:]), sigma


def _forms(run: Run, pairs: list[Pair]) -> list[Form]:
    drawn = [Form(machine.name, "null" if machine.identity.kind in ("ideal", "wiener", "ideal_interpolation")
                  else "theory") for machine in run.lineup
             if machine.identity.kind != "equivariant_local" and not machine.identity.map_of]
    wider = [Form(label, "null") for label in WIDER]
    along = [Form(OWN_MAP, "theory", own=True), Form(OTHER_MAP, "null", own=True),
             Form(SHUFFLED_MAP, "null", own=True)]
    return drawn + along + wider + [Form(pair.name, "ceiling") for pair in pairs]


def _ask(run: Run, pairs: list[Pair], asked: list[Pair], forms: list[Form], i: int, x: np.ndarray,
         sigma: float) -> Mapping[str, np.ndarray]:
    """Products (form, asked pair, 3, images) at x; NaN for a pair's own row among the ceilings.

    What all pairs share at x is computed once.
    """
    els = next(machine for machine in run.lineup if machine.identity.kind == "equivariant_local")
    local, k = els.denoise(x, sigma, i), int(els.patch_sizes[i])
    directions = {machine.name: machine.denoise(x, sigma, i) - local for machine in run.lineup if machine is not els
                  and not machine.identity.map_of}
    for label, more in WIDER.items():
        directions[label] = els.machine.denoise(x, sigma, patch_size=k + more) - local
    directions |= {other.name: other.added(x, sigma) for other in pairs}
    return {"products": np.stack([_products(forms, directions | {
        form.label: machine.denoise(x, sigma, patch_size=k, strength=1.0) - local
        for form, machine in zip([form for form in forms if form.own], _along(run, pair, x, sigma))}, pair)
        for pair in asked], axis=1)}


def _products(forms: list[Form], directions: Mapping[str, np.ndarray], pair: Pair) -> np.ndarray:
    """Of what the pair's attention adds with every form, (form, 3, images)."""
    added = directions[pair.name]
    return np.stack([np.full((3, len(added)), np.nan) if form.label == pair.name
                     else np.stack(products(added, directions[form.label])) for form in forms])


def _along(run: Run, pair: Pair, x: np.ndarray, sigma: float) -> list:
    """Joint matching along the network's map at x, along that of the next image, and along a permutation of pixels."""
    alpha = pair.attending.attention_map(x, np.full(len(x), sigma))
    order = np.random.default_rng(run.config.seed).permutation(alpha.shape[-1])
    maps = alpha, np.roll(alpha, 1, axis=0), alpha[:, order][:, :, order]
    return [run.machines.attending("joint_matching", one) for one in maps]


def _dataset(forms: list[Form], pairs: list[Pair], found: Mapping[str, np.ndarray]) -> xr.Dataset:
    over = ("form", "network_pair", "where", "step")
    variables = {}
    for name, (measure, long_name) in MEASURES.items():
        each = [measure(*(np.moveaxis(values, (2, 3), (0, -1)))) for values in found.values()]  # (form, pair, step)
        variables[name] = variable(over, np.stack(each, axis=2), long_name)
    return xr.Dataset(variables, {
        "form": variable("form", [form.label for form in forms], "what gives g"),
        "role": variable("form", [form.role for form in forms], "theory, null or ceiling (another pair of networks)"),
        "where": variable("where", list(PLACES), "where the networks and machines are asked"),
        "network_pair": variable("network_pair", [pair.name for pair in pairs], "attention network and matched CNN"),
        "pair_variant": variable("network_pair", [pair.attending.variant for pair in pairs], "with attention"),
        "pair_seed": variable("network_pair", [pair.attending.training_seed for pair in pairs], "training seed"),
    })


def _matched(run: Run, pairs: list[Pair]) -> xr.Dataset:
    """The agreement of each attention network's images with the matched CNN's from the same noise."""
    steps = max(run.config.network_steps)
    images = {(drawn.identity.variant, drawn.identity.training_seed): drawn.images for drawn in run.generated
              if drawn.identity.network_steps == steps}
    drawn = [tuple(images[network.variant, network.training_seed] for network in pair) for pair in pairs]
    found = [agreement(local, attending) for attending, local in drawn]
    return xr.Dataset({f"matched_{name}": variable(("network_pair", "sample"), np.stack([one[m] for one in found]),
                                                    f"{name} of the matched CNN's image with the attention network's")
                       for m, name in enumerate(("pearson_r", "r2", "R2"))})
