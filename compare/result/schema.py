"""The result of a run: one xarray dataset that holds the images, the numbers made from them and where they came from.

Dimensions machine, network, source (machines, then networks), sample, step, channel, y, x. Images are float32; every
number can be made again from them. A study adds what it judges of a sample, over (source, sample), and its fits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from compare.measure import agreement
from compare.measure.measure import Measure
from compare.result import netcdf, zarr_store
from compare.result.identity import (
    MACHINE_COORDINATES,
    NETWORK_COORDINATES,
    MachineIdentity,
    NetworkIdentity,
    coordinates,
)
from theory.errors import UserError

IMAGE = ("channel", "y", "x")
VARIABLES = {
    "noise": (("sample", *IMAGE), "starting noise phi_1 of machines and networks alike (variance preserving, t = 1)"),
    "predicted": (("machine", "sample", *IMAGE), "image that the machine draws from the sample's noise"),
    "generated": (("network", "sample", *IMAGE), "image that the trained network draws from the sample's noise"),
    "patch_size": (("machine", "step"), "window side k; 0: the whole image"),
    "strength": (("machine", "step"), "attention strength lambda; 0: pixels share no evidence"),
}
PAIR_MEASURES = (agreement.MEASURE,)
"""What is said of a machine's and a network's image from the same noise; each is a file of `compare.measure`."""

COORDINATES = {
    "machine": (("machine",), "closed-form score machine", "1"),
    "network": (("network",), "trained network as variant/training seed/sampling steps", "1"),
    "other_network": (("other_network",), "network that another is held against", "1"),
    "source": (("source",), "machine or network", "1"),
    "kind": (("source",), "machine or network", "1"),
    "sample": (("sample",), "index of the sample; with the seed it decides the noise", "1"),
    "step": (("step",), "step of the machines' sampler, 0 = least noise", "1"),
    "t": (("step",), "time of the step, (step + 1) / steps", "1"),
    "channel": (("channel",), "colour channel", "1"),
    "y": (("y",), "row", "pixel"),
    "x": (("x",), "column", "pixel"),
}
ATTRIBUTES = ("created_at", "command", "config_json", "seeds_json", "versions_json", "data_fingerprint", "device",
              "wall_seconds")
CHANNELS = {1: ["gray"], 3: ["red", "green", "blue"]}


class Prediction(NamedTuple):
    """What one machine drew: images (S, C, H, W); patch_sizes and strengths, one entry a step (0 = least noise)."""

    identity: MachineIdentity
    images: np.ndarray
    patch_sizes: Sequence[int]
    strengths: Sequence[float]


class Generation(NamedTuple):
    """What one trained network drew: images (S, C, H, W)."""

    identity: NetworkIdentity
    images: np.ndarray


def build(noise: np.ndarray, predictions: Sequence[Prediction], generations: Sequence[Generation], judged: Measure,
          attrs: Mapping) -> xr.Dataset:
    """Return the dataset of a run.

    noise (S, C, H, W). judged: what is to be said of each image (S, C, H, W) of a machine or network alone.
    attrs: as from `provenance`. UserError: what `validate` says of the outcome.
    """
    predicted = np.stack([p.images for p in predictions]).astype(np.float32)
    generated = np.stack([g.images for g in generations]).astype(np.float32)
    values = {
        "noise": np.asarray(noise, dtype=np.float32), "predicted": predicted, "generated": generated,
        "patch_size": np.array([p.patch_sizes for p in predictions], dtype=np.int32),
        "strength": np.array([p.strengths for p in predictions], dtype=np.float64),
    }
    variables = {name: variable(dims, values[name], long_name) for name, (dims, long_name) in VARIABLES.items()}
    for measure in PAIR_MEASURES:
        variables |= _of_pairs(measure, predicted, generated, [g.identity.variant for g in generations])
    variables |= _of_sources(judged, (*predicted, *generated))
    identities = [[drawn.identity for drawn in which] for which in (predictions, generations)]
    dataset = xr.Dataset(variables, _coordinates(*identities, values), dict(attrs))
    validate(dataset)
    return dataset


def _of_pairs(measure: Measure, predicted: np.ndarray, generated: np.ndarray, variants: list[str]) -> dict[str, tuple]:
    """Of every machine with every network, and of networks of one variant with each other; NaN for two variants."""
    between = measure.compute(predicted[:, None], generated[None])
    variables = {name: variable(("machine", "network", "sample"), between[name], long_name)
                 for name, long_name in measure.variables.items()}
    shape = len(generated), *generated.shape[:2]
    among = {name: np.full(shape, np.nan) for name in measure.variables}
    for n, variant in enumerate(variants):
        same = np.flatnonzero(np.array(variants) == variant)
        for name, values in measure.compute(generated[n], generated[same]).items():
            among[name][n, same] = values
    return variables | {f"network_{name}": variable(
        ("network", "other_network", "sample"), values, f"{measure.variables[name]}, of what two networks of one "
        "variant generate; NaN for two variants") for name, values in among.items()}


def _of_sources(judged: Measure, images: Sequence[np.ndarray]) -> dict[str, tuple]:
    verdicts = [judged.compute(drawn) for drawn in images]
    return {name: variable(("source", "sample"), np.stack([verdict[name] for verdict in verdicts]), long_name)
            for name, long_name in judged.variables.items()}


def _coordinates(machines: Sequence[MachineIdentity], networks: Sequence[NetworkIdentity],
                 values: Mapping[str, np.ndarray]) -> dict[str, tuple]:
    """Labels and who is who."""
    names, others = [machine.label for machine in machines], [network.label for network in networks]
    steps, (S, C, H, W) = values["patch_size"].shape[1], values["noise"].shape
    labels = {
        "machine": names, "network": others, "other_network": others, "source": names + others,
        "kind": ["machine"] * len(names) + ["network"] * len(others),
        "sample": np.arange(S), "step": np.arange(steps), "t": np.arange(1, steps + 1) / steps,
        "channel": CHANNELS.get(C, [str(c) for c in range(C)]), "y": np.arange(H), "x": np.arange(W),
    }
    return ({name: variable(dims, labels[name], long_name, units)
             for name, (dims, long_name, units) in COORDINATES.items()}
            | coordinates(machines, "machine") | coordinates(networks, "network"))


def thin(dataset: xr.Dataset, images: int = 16) -> xr.Dataset:
    """Return the result for shipping: images of the first samples only, and numbers to three digits.

    Noise and images of later samples become NaN, and so does the agreement of a machine with variants that it is
    neither fitted to nor attends as; `images_kept` says how many samples have images. Every rate and interval over
    all samples stays within rounding.
    """
    thinned, kept = dataset.copy(), dataset.sample < dataset.sample[:images].max() + 1
    for name in ("noise", "predicted", "generated"):
        thinned[name] = dataset[name].where(kept).astype(np.float32)
    of = dataset.fitted_to.where(dataset.fitted_to != "", dataset.map_of)
    for name in (name for measure in PAIR_MEASURES for name in measure.variables):
        thinned[name] = dataset[name].where((of == "") | (of == dataset.variant))
    for name, values in thinned.data_vars.items():
        if values.dtype.kind == "f" and name not in ("noise", "predicted", "generated", "strength"):
            thinned[name] = values.copy(data=round_mantissa(values.values, 12))
        thinned[name].attrs = dataset[name].attrs
    return thinned.assign_attrs(images_kept=images)


def variable(dims, values, long_name: str, units: str = "1") -> tuple:
    """A variable for xarray, with the attributes that every variable of a result carries."""
    return dims, values, {"long_name": long_name, "units": units}


def round_mantissa(values: np.ndarray, bits: int = 10) -> np.ndarray:
    """Return float32 rounded to so many bits of the mantissa, the last ones 0, so that it packs well.

    10 bits are half precision's; the exponent keeps float32's range: a network that runs away stays finite.
    """
    drop = np.uint32(23 - bits)
    raw = np.asarray(values, dtype=np.float32).view(np.uint32)
    even = (raw >> drop) & np.uint32(1)
    half = (np.uint32(1) << (drop - np.uint32(1))) - np.uint32(1)
    rounded = ((raw + half + even) >> drop << drop).view(np.float32)
    return np.where(np.isnan(values), np.float32(np.nan), rounded)


def validate(dataset: xr.Dataset) -> None:
    """UserError, in one line, unless the dataset keeps the schema: variables, dimensions, unique names, attributes."""
    pairs = {name: ("machine", "network", "sample") for measure in PAIR_MEASURES for name in measure.variables}
    for name, dims in ({name: dims for name, (dims, _) in VARIABLES.items()} | pairs).items():
        if name not in dataset.data_vars:
            raise UserError(f"result: got no variable {name}, want {', '.join(VARIABLES | pairs)}")
        if dataset[name].dims != dims:
            raise UserError(f"result: got {name} over {dataset[name].dims}, want {dims}")
    identities = dict.fromkeys(MACHINE_COORDINATES, "machine") | dict.fromkeys(NETWORK_COORDINATES, "network")
    for name, dim in ({name: dims[0] for name, (dims, *_) in COORDINATES.items()} | identities).items():
        if name not in dataset.coords or dataset[name].dims != (dim,):
            made = json.loads(dataset.attrs.get("versions_json", "{}")).get("patchmosaic", "an unknown version")
            raise UserError(f"result: got no coordinate {name} over {dim}, as of patchmosaic {made}, want a result of "
                             "this version: run its command again")
    for name in ("machine", "network", "source"):
        labels = dataset[name].values.tolist()
        if len(set(labels)) < len(labels):
            raise UserError(f"result: got {name} names that repeat, want each once: {', '.join(labels)}")
    for name, values in dataset.variables.items():
        if not {"long_name", "units"} <= set(values.attrs):
            raise UserError(f"result: got {name} without long_name or units, want both on every variable")
    missing = [name for name in ATTRIBUTES if name not in dataset.attrs]
    if missing:
        raise UserError(f"result: got no attribute {', '.join(missing)}, want {', '.join(ATTRIBUTES)}")


def save(dataset: xr.Dataset, path: Path) -> None:
    """Write a result, checked, as netCDF-4."""
    validate(dataset)
    write(dataset, path)


def load(path: Path) -> xr.Dataset:
    """Read a result into memory. UserError: no such file, not netCDF, or not a result."""
    dataset = read(path)
    validate(dataset)
    return dataset


def write(dataset: xr.Dataset, path: Path) -> None:
    """Write any dataset as netCDF-4, compressed and whole."""
    compressed = {name: {"zlib": True, "complevel": 4, "shuffle": True} for name in dataset.data_vars
                  if dataset[name].dtype != bool}
    netcdf.write(dataset, Path(path), encoding=compressed)


def read(path: Path) -> xr.Dataset:
    """Read a dataset into memory, netCDF or zarr. UserError: no such file, damaged, or neither."""
    path = Path(path)
    if path.suffix == zarr_store.SUFFIX and path.is_dir():
        return zarr_store.read(path)
    if not path.is_file():
        raise UserError(f"result: found no file {path}, want a result.nc of compare.run")
    return netcdf.read(path)
