"""What figures are made from: the results in a folder, training images, and networks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr
from torch import nn

from compare.result import schema as results
from compare.result.identity import variant_parts
from compare.result.summary import variants_of
from compare.study.machines import training_set_of
from empirical import checkpoint
from empirical.datasets import Dataset, load
from empirical.training.image_config import ImageTrainConfig
from theory.errors import UserError

CHECKPOINTS = Path(checkpoint.__file__).parent / "checkpoints"
"""Of the networks that are shipped."""


CLONE = Path(__file__).parents[2] / "docs" / "results"
"""The results that the project ships, which are in a clone of it and not in what is installed."""


def results_folder() -> Path:
    """Return where results are looked for if no folder is given: those of the clone, else the runs of this folder."""
    return CLONE if CLONE.is_dir() else Path("runs")


@dataclass(frozen=True, eq=False)
class Source:
    """results_folder: holds NAME/result.nc; networks_folder: checkpoints, in it and below; data_dir: where real images
    are looked for first; quick: less of everything."""

    results_folder: Path
    networks_folder: Path = CHECKPOINTS
    data_dir: Path | None = None
    quick: bool = False

    @cached_property
    def results(self) -> dict[str, xr.Dataset]:
        """Every result, by the name of its folder: those in the results' folder, or the one that it is itself."""
        found = sorted([*self.results_folder.glob("result.nc"), *self.results_folder.glob("*/result.nc")])
        return {path.resolve().parent.name: results.load(path) for path in found}

    @cached_property
    def toy(self) -> xr.Dataset:
        """The toy result."""
        found = [result for result in self.results.values() if _is_toy(result)]
        return _first(found, self.results_folder, "a result of compare.run --dataset toy")

    @cached_property
    def real(self) -> dict[str, xr.Dataset]:
        """Results on images, by the name of their folder. ValueError: there is none."""
        found = {name: result for name, result in self.results.items() if not _is_toy(result)}
        _first(list(found.values()), self.results_folder, "a result of compare.run on images")
        return found

    def variants(self, attention: bool) -> Iterator[tuple[str, xr.Dataset, str]]:
        """Return name, result and variant of every kind of network on images, with attention or without."""
        return ((name, result, variant) for name, result in self.real.items() for variant in variants_of(result)
                if (variant_parts(variant)[1] is not None) == attention)

    @cached_property
    def toy_set(self) -> Dataset:
        """The training set of the toy result; where there is no result, the toy set as it is trained on."""
        toy = [result for result in self.results.values() if _is_toy(result)]
        return training_set_of(toy[0]) if toy else load("toy")

    def images(self, name: str, count: int) -> np.ndarray:
        """`count` training images of a data set, (N, C, H, W)."""
        return load(name, data_dir=self.data_dir, subset=count).images

    def networks(self) -> Iterator[tuple[str, nn.Module, np.ndarray, np.ndarray | None]]:
        """Name, network, training images and labels (where it knows the class) of every image network that is found and
        whose training images are at hand; of the others, a line on stderr. ValueError: there is none."""
        found = sorted(path for path in self.networks_folder.rglob("*.json")
                       if path.with_suffix(".safetensors").is_file())
        records = {path: json.loads(path.read_text(encoding="utf-8")) for path in found}
        stems = [path for path, record in records.items() if record["config"]["dataset"] != "toy"]
        if not stems:
            raise UserError(f"--networks: found no image network in {self.networks_folder}, want a checkpoint of "
                             "empirical.train")
        at_hand = 0
        for path in stems:
            name = path.relative_to(self.networks_folder).with_suffix("").as_posix()
            config = ImageTrainConfig.from_json(records[path]["config"])
            try:
                training = config.load(self.data_dir)
            except ValueError as error:
                sys.stderr.write(f"{name} is left out: {error}\n")
                continue
            at_hand += 1
            labels = training.labels if config.conditional else None
            yield name, checkpoint.load(path).network, training.images, labels
        if not at_hand:
            raise UserError(f"--data-dir: found the training images of no network in {self.networks_folder}, want a "
                             "folder that holds them")


def _is_toy(result: xr.Dataset) -> bool:
    return json.loads(result.attrs["config_json"])["dataset"] == "toy"


def _first(found: list, folder: Path, what: str) -> xr.Dataset:
    if not found:
        raise UserError(f"--results: found none in {folder}/*/result.nc that is {what}, want one")
    return found[0]
