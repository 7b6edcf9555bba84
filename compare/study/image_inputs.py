"""Where an image study's networks come from: checkpoints that are there, or recipes trained in the run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from compare.result.identity import variant_name
from compare.study.config import StudyConfig
from compare.study.folder import Parts
from compare.study.networks import (
    NetworkEntry,
    TrainingSet,
    check_recipes,
    image_networks,
    image_training_set,
    load_network,
    recipes_of,
    snapshots,
)
from compare.study.place import Place
from empirical import checkpoint
from empirical.training.image_config import ImageTrainConfig
from theory.errors import UserError

STATES = 50
"""Of a training run that are kept on the way, one after another: a kill loses a 50th of it."""

SNAPSHOTS = (64, 32, 16, 8, 4, 2)
"""The shares of a training run, as 1 / these, whose networks are kept where its course is to be followed."""


@dataclass(frozen=True, eq=False)
class ImageInputs:
    """recipes: of the networks; training: their images; stems: their checkpoints, or None where they are trained."""

    recipes: Sequence[ImageTrainConfig]
    training: TrainingSet
    stems: Sequence[Path] | None = None
    data_dir: Path | None = None

    @property
    def name(self) -> str:
        """Data set and architectures, for a folder's name."""
        networks = "-".join(dict.fromkeys(recipe.network for recipe in self.recipes))
        return f"{self.recipes[0].dataset.partition(':')[0]}-{networks}"

    @property
    def names(self) -> list[str]:
        return [f"{variant_name(recipe.network, recipe.attention)}-{recipe.seed}" for recipe in self.recipes]

    def record(self, config: StudyConfig) -> dict:
        """Return the resolved configuration: everything that decides the numbers, so that it can be loaded again."""
        recipe = self.recipes[0]
        made = [recipe.to_json() for recipe in self.recipes] if self.stems is None else map(checkpoint.digest,
                                                                                           self.stems)
        return {**config.to_json(), "dataset": recipe.dataset, "subset": recipe.subset, "data_seed": recipe.data_seed,
                "split": recipe.split, "size": recipe.size,
                **{name: getattr(recipe, name) for name in ("skip_bad", "augment") if getattr(recipe, name)},
                **({} if recipe.layout is None else {"layout": asdict(recipe.layout)}), "boundary": recipe.padding,
                "conditional": recipe.conditional, "data_fingerprint": self.training.fingerprint,
                "published": recipe.dataset, "networks": dict(zip(self.names, made))}

    def load(self, folder: Parts, device: str, follow: bool, command: str,
             place: Place) -> tuple[list[NetworkEntry], dict[int, NetworkEntry]]:
        """Return the networks, trained first where they are not, and with `follow` the first one by training step."""
        stems = self.stems or [folder.path / "networks" / name for name in self.names]
        if self.stems is None:
            def trained(which: tuple[ImageTrainConfig, Path]) -> tuple[NetworkEntry, str]:
                with folder.alone(f"training {which[1].name}"), folder.working(f"training {which[1].name}"):
                    return self._trained(*which, device, follow, command, place)

            found = folder.each(trained, list(zip(self.recipes, stems)), "networks")
        else:
            found = [load_network(stem, device) for stem in stems]
        networks = image_networks(found, self.training)
        return networks, self._on_the_way(stems[0], networks[0], device) if follow else {}

    def _trained(self, recipe: ImageTrainConfig, stem: Path, device: str, follow: bool, command: str,
                 place: Place) -> tuple[NetworkEntry, str]:
        """A network in the run's folder, trained or taken from there."""
        return place.trained(recipe, stem, device, data_dir=self.data_dir, command=command,
                             checkpoint_every=max(1, recipe.steps // STATES),
                             snapshots=snapshot_steps(recipe) if follow else ())

    def _on_the_way(self, stem: Path, network: NetworkEntry, device: str) -> dict[int, NetworkEntry]:
        """The first network by training step; where it is not trained yet, itself at all of them."""
        kept = dict(snapshots(stem))
        found = dict(zip(kept, image_networks([load_network(path, device) for path in kept.values()], self.training)))
        if self.stems is None and not kept:
            found = dict.fromkeys(snapshot_steps(self.recipes[0]), network)
        return found | {self.recipes[0].steps: network}


def snapshot_steps(recipe: ImageTrainConfig) -> list[int]:
    """Return the training steps whose networks are kept."""
    return sorted({recipe.steps // share for share in SNAPSHOTS} - {0})


def given_networks(paths: Sequence[Path], validation: int, data_dir: Path | None,
                   dataset: str | None = None) -> ImageInputs:
    """Return the networks of checkpoints. UserError: they do not go together, or with the data set."""
    stems = [checkpoint.find(path) for path in paths]
    recipes = recipes_of(stems)
    if dataset is not None and recipes[0].dataset != dataset:
        raise UserError(f"--dataset: got {dataset}, but {stems[0].name} was trained on {recipes[0].dataset}")
    return ImageInputs(recipes, image_training_set(recipes[0], validation, data_dir), stems, data_dir)


def trained_networks(recipes: Sequence[ImageTrainConfig], validation: int, data_dir: Path | None) -> ImageInputs:
    """Return networks to be trained. UserError: recipes that do not go together."""
    check_recipes(recipes)
    return ImageInputs(recipes, image_training_set(recipes[0], validation, data_dir), None, data_dir)
