"""The command line of `python -m empirical.train`, and the recipe that it describes; nothing here needs torch."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from empirical.datasets import AUGMENTATIONS, NAMES, PAIRS
from empirical.pairs import SHARED, PairsLayout
from empirical.size_option import Size
from empirical.toy import ARRANGEMENTS, FAMILIES, ToyLayout
from empirical.training.image_config import DTYPES, NETWORKS, PARAMETRIZATIONS, PRESETS, ImageTrainConfig
from empirical.training.recipe import OPTIMIZERS, Recipe
from empirical.training.toy_config import TrainConfig
from theory.errors import UserError

PROG = "python -m empirical.train"


class Parser(argparse.ArgumentParser):
    """Say errors in one line, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help shows the options)\n")


def parser(description: str | None = None) -> Parser:
    """Return the command line's parser.

    What is not given is left out: the defaults are TrainConfig's, ToyLayout's or the preset's.
    """
    parse = Parser(prog=PROG, description=description, formatter_class=argparse.RawDescriptionHelpFormatter,
                   argument_default=argparse.SUPPRESS)
    run, layout, row = TrainConfig(), ToyLayout(), PairsLayout()  # their defaults are in the help
    add = parse.add_argument
    add("--out", type=Path, required=True, metavar="NAME", help="where the result goes, without suffix")
    add("--dataset", default="toy", metavar="NAME", help=f"one of {', '.join(NAMES)} (default: toy)")
    add("--attention", choices=("none", "top1", "identity", "learned"), default="none", help="rule (default: none)")
    add("--padding", choices=("zeros", "circular"), help="border (default: zeros)")
    add("--width", type=int, help=f"features a pixel (default: toy {run.width}, else the preset's)")
    add("--depth", type=int, help=f"per-pixel layers of the toy network (default: {run.depth}), convolutions of the "
        "ResNet, scales of the UNet (default: the preset's)")
    add("--steps", type=int, help=f"training steps (default: toy {run.steps}, else the preset's)")
    add("--batch", type=int, help=f"images a step (default: toy {run.batch}, else the preset's)")
    add("--lr", type=float, help=f"peak learning rate (default: toy {run.lr}, else the preset's)")
    add("--optimizer", choices=OPTIMIZERS,
        help="muon needs less than half of adam's steps on the toy set, each 1.1 to 2 times as long on a CPU "
        f"(default: {run.optimizer})")
    add("--ema", type=float, metavar="DECAY", help=f"averages the weights (default: toy {run.ema}, else the preset's)")
    add("--time-window", "--window", type=float, nargs=2, metavar=("FROM", "TO"),
        help=f"times that are drawn more often (default: toy {run.time_window[0]} {run.time_window[1]}, pairs .4 .9, "
             "else none)")
    add("--window-share", type=float, metavar="SHARE",
        help=f"share of a batch with t in the window (default: {run.window_share})")
    add("--seed", type=int, help="initial weights and batches (default: 0)")
    add("--data-seed", type=int, metavar="SEED", help="which images are drawn (default: 0)")

    images = parse.add_argument_group("networks for images")
    add = images.add_argument
    add("--network", choices=NETWORKS, help="(default: resnet)")
    add("--preset", choices=PRESETS, help="tiny: seconds; small: 40 minutes of two CPU cores; pairs: 7 minutes of one, "
        "for rows of images; paper: Kamb & Ganguli's (default: small, or pairs for pairs:NAME)")
    add("--subset", type=int, metavar="N", help="so many images of the set (default: all)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files are looked for first")
    add("--conditional", action=argparse.BooleanOptionalAction,
        help="on the class labels (default: as Kamb & Ganguli, for fashion-mnist and cifar10)")
    add("--size", type=int, nargs="+", action=Size, metavar="PIXELS",
        help="side, or height and width, that images are resized to (default: 32)")
    add("--skip-bad", action="store_true", help="leave out, and list, files of a folder that cannot be read")
    add("--augment", choices=AUGMENTATIONS, help="flip: mirror images too, left for right")
    add("--parametrization", "--prediction", choices=PARAMETRIZATIONS,
        help="what the last layer gives, and whose error is the loss (default: v; paper eps)")
    add("--decay", type=float, metavar="FACTOR", help="of lr each step (default: half a cosine; paper 0.999965)")
    add("--dtype", choices=DTYPES, help="of the forward pass (default: float32)")

    pairs = parse.add_argument_group("rows of images, pairs:NAME; --subset is the size of the set (default: 4096)")
    add = pairs.add_argument
    add("--row", type=int, metavar="N", help=f"images in a row (default: {row.row})")
    add("--side", type=int, metavar="PIXELS", help=f"of each (default: {row.side})")
    add("--pool", type=int, metavar="N", help=f"real images that are drawn from (default: {row.pool})")
    add("--shared", choices=SHARED, help=f"what all images of a row have in common (default: {row.shared})")
    add("--values", type=int, metavar="N", help=f"hues or brightnesses (default: {row.values})")
    add("--held-out", type=float, metavar="SHARE", help=f"of the combinations (default: {row.held_out})")
    add("--pool-seed", type=int, metavar="SEED", help="of the pool and of what is held out (default: 0)")

    toy = parse.add_argument_group("the toy set")
    add = toy.add_argument
    add("--count", type=number_or_all, metavar="N",
        help=f"training images drawn, or all: each once (default: {run.count})")
    add("--pairs", type=int, help=f"pairs an image (default: {layout.pairs})")
    add("--cell", type=int, metavar="PIXELS", help=f"side of a cell (default: {layout.cell})")
    add("--gap", type=int, metavar="PIXELS",
        help=f"between pairs, or between a row's images (default: toy {layout.gap}, pairs {row.gap})")
    add("--inner-gap", type=int, metavar="PIXELS", help=f"between a key and its value (default: {layout.inner_gap})")
    add("--arrangement", choices=ARRANGEMENTS, help=f"(default: {layout.arrangement})")
    add("--family", choices=FAMILIES, help=f"of maps (default: {layout.family})")
    add("--held-out-maps", type=float, metavar="SHARE", help="of maps (default: 0)")
    add("--held-out-keys", type=float, metavar="SHARE", help="of key patterns (default: 0)")
    add("--held-out-seed", type=int, metavar="SEED", help="which ones (default: 0)")

    runtime = parse.add_argument_group("runtime")
    add = runtime.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto, cuda if there is one)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: torch's own choice)")
    add("--checkpoint-every", type=int, default=1000, metavar="STEPS", help="steps between states (default: 1000)")
    add("--snapshots", type=int, nargs="+", default=(), metavar="STEP", help="keep these steps' networks as NAME-STEP")
    add("--dry-run", action="store_true", default=False, help="say what it will take, and do nothing")
    add("--traceback", action="store_true", default=False, help="show where in the code an error arose")
    return parse


def number_or_all(text: str) -> int | None:
    """Return the number, or None for "all"."""
    return None if text == "all" else int(text)


RUNTIME_OPTIONS = ("out", "data_dir", "device", "threads", "checkpoint_every", "snapshots", "dry_run", "traceback")


def config_from(args: argparse.Namespace) -> Recipe:
    """Return the recipe of the parsed arguments; raise a UserError if one is out of range or out of place."""
    given = {name: value for name, value in vars(args).items() if name not in RUNTIME_OPTIONS}
    given["attention"] = None if args.attention == "none" else args.attention
    if "time_window" in given:
        given["time_window"] = tuple(given["time_window"])
    if args.dataset.partition(":")[0] == PAIRS:
        layout = _layout(PairsLayout, ImageTrainConfig, given, "the toy set or whole images")
        return ImageTrainConfig.preset(given.pop("preset", None), **given, layout=layout)
    if args.dataset != "toy":
        _only(given, {f.name for f in fields(ImageTrainConfig)} | {"preset"}, "the toy set or pairs")
        return ImageTrainConfig.preset(given.pop("preset", None), **given)
    return TrainConfig(layout=_layout(ToyLayout, TrainConfig, given, "images"), **given)


def _layout(layout, config, given: dict, other: str):
    """Return the layout of those of the given options that are its own, which are taken out."""
    names = {f.name for f in fields(layout)}
    _only(given, {f.name for f in fields(config)} | names | {"preset"}, other)
    return layout(**{name: given.pop(name) for name in names & given.keys()})


def _only(given: dict, known: set[str], other: str) -> None:
    for name in given.keys() - known:
        raise UserError(f"{name}: got {given[name]!r} for {given['dataset']!r}, but it is for {other} only")
