"""The image study that the command line asks for: which networks, trained how, on which images."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import xarray as xr

from compare.execute import Plan
from compare.report import images as image_report
from compare.result.image_names import variant_name
from compare.study.folder import RunFolder
from compare.study.image_config import ImageConfig
from compare.study.image_networks import check_recipes, load_network, recipes_of, snapshots, training_set
from compare.study.images import image_study, scales_study
from empirical import checkpoint
from empirical.training.image_config import ImageTrainConfig
from empirical.training.loop import train

TRAINED = ("subset", "data_seed", "size", "network", "attention", "padding", "conditional", "preset")
"""Options that say how networks are to be trained."""

STATES = 50
"""Of a training run that are kept on the way, one after another: a kill loses a 50th of it."""

SNAPSHOTS = (64, 32, 16, 8, 4, 2)
"""The shares of a training run, as 1 / these, whose networks are kept where its course is to be followed."""


def plan(args: Namespace) -> Plan:
    """ValueError for values out of range, or checkpoints that do not go together."""
    config = _image_config(args)
    if "checkpoint" in args:
        _refuse_training(args)
        stems = [checkpoint.find(path) for path in args.checkpoint]
        recipes = recipes_of(stems)
        if recipes[0].dataset != args.dataset:
            raise ValueError(f"--dataset: got {args.dataset}, but {stems[0].name} was trained on {recipes[0].dataset}")
        networks = {name: _digest(stem) for name, stem in zip(_names(recipes), stems)}
    else:
        stems, recipes = None, _recipes(args)
        networks = {name: recipe.to_json() for name, recipe in zip(_names(recipes), recipes)}
    data_dir, follow = getattr(args, "data_dir", None), "snapshots" in args
    training = training_set(recipes[0], config.validation_images, data_dir)
    resolved = {**config.to_json(), **_training_record(recipes[0]), "data_fingerprint": training.fingerprint,
                "snapshots": follow, "networks": networks, "published": getattr(args, "published", args.dataset)}
    name = f"{args.dataset.partition(':')[0]}-{'-'.join(dict.fromkeys(recipe.network for recipe in recipes))}"

    def compute(folder: RunFolder, command: str) -> xr.Dataset:
        trained = stems or _train(recipes, data_dir, config.device, follow, folder, command)
        loaded = [load_network(stem, training, config.device) for stem in trained]
        on_the_way = {}
        if follow:
            on_the_way = {step: load_network(stem, training, config.device) for step, stem in snapshots(trained[0])}
            on_the_way[recipes[0].steps] = loaded[0]
        return image_study(loaded, training, config, folder, command=command, record=resolved, snapshots=on_the_way)

    return Plan(name, resolved, "result.nc", compute, image_report.report, image_report.draw)


def scales_plan(args: Namespace) -> Plan:
    """The calibration alone of checkpoints. ValueError as in `plan`."""
    sizes = None if args.patch_sizes is None else tuple(args.patch_sizes)
    config = ImageConfig(seed=args.seed, steps=args.steps, calibration_samples=args.samples, patch_sizes=sizes,
                         validation_images=min(args.samples, ImageConfig.validation_images), device=args.device)
    stems = [checkpoint.find(path) for path in args.checkpoint]
    recipes = recipes_of(stems)
    training = training_set(recipes[0], config.validation_images, args.data_dir)
    resolved = {**config.to_json(), **_training_record(recipes[0]), "data_fingerprint": training.fingerprint,
                "published": recipes[0].dataset,
                "networks": {name: _digest(stem) for name, stem in zip(_names(recipes), stems)}}

    def compute(folder: RunFolder, command: str) -> xr.Dataset:
        networks = [load_network(stem, training, config.device) for stem in stems]
        return scales_study(networks, training, config, folder, command=command, record=resolved)

    return Plan("scales", resolved, "calibration.nc", compute, image_report.calibration_report,
                image_report.draw_calibration)


def _image_config(args: Namespace) -> ImageConfig:
    """The ImageConfig that the options describe."""
    config = ImageConfig(seed=args.seed, steps=args.steps, device=args.device)
    if args.quick:
        config = config.quick()
    chosen = {name: tuple(value) if isinstance(value, list) else value
              for name in ("samples", "network_steps", "rules", "patch_sizes", "calibration_samples")
              if (value := getattr(args, name, None)) is not None}
    return replace(config, **chosen)


def _training_record(recipe: ImageTrainConfig) -> dict:
    """What a result's configuration says of the training set, so that it can be loaded again."""
    return {"dataset": recipe.dataset, "subset": recipe.subset, "data_seed": recipe.data_seed, "split": recipe.split,
            "size": recipe.size, "boundary": recipe.padding, "conditional": recipe.conditional}


def _digest(stem: Path) -> str:
    """SHA-256 of a checkpoint's weights."""
    return hashlib.sha256(stem.with_name(stem.name + ".safetensors").read_bytes()).hexdigest()


def _refuse_training(args: Namespace) -> None:
    given = [name for name in TRAINED if name in args]
    given += [name for name in ("training_seeds", "training_steps") if getattr(args, name) is not None]
    if given:
        raise ValueError(f"--{given[0].replace('_', '-')}: got it with --checkpoint, want one of the two: a checkpoint "
                         "says itself how it was trained")


def _recipes(args: Namespace) -> list[ImageTrainConfig]:
    """Every attention rule with every training seed."""
    chosen = {name: getattr(args, name) for name in ("subset", "data_seed", "size", "padding", "conditional")
              if name in args}
    if args.training_steps is not None:
        chosen["steps"] = args.training_steps
    preset = partial(ImageTrainConfig.preset, getattr(args, "preset", "small"), dataset=args.dataset,
                     network=getattr(args, "network", "resnet"), **chosen)
    recipes = [preset(attention=None if attention == "none" else attention, seed=seed)
               for attention in getattr(args, "attention", ["none"]) for seed in args.training_seeds or [0]]
    check_recipes(recipes)
    return recipes


def _names(recipes: Sequence[ImageTrainConfig]) -> list[str]:
    return [f"{variant_name(recipe.network, recipe.attention)}-{recipe.seed}" for recipe in recipes]


def _train(recipes: Sequence[ImageTrainConfig], data_dir: Path | None, device: str, follow: bool, folder: RunFolder,
           command: str) -> list[Path]:
    """The networks in the run's folder, each trained or taken from there."""
    home = folder.path / "networks"
    home.mkdir(exist_ok=True)
    return [train(recipe, home / name, data_dir=data_dir, device=device, command=command,
                  checkpoint_every=max(1, recipe.steps // STATES),
                  snapshots=sorted({recipe.steps // share for share in SNAPSHOTS} - {0}) if follow else ())
            for name, recipe in zip(_names(recipes), recipes)]
