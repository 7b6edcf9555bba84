"""Compare closed-form machines with trained networks, image by image, from the same noise.

  python -m compare.run --dataset toy --samples 64 --seed 5 --out runs/toy-5
  python -m compare.run --dataset fashion-mnist --subset 5000 --network resnet --samples 100 --out runs/fashion
  python -m compare.run --dataset mnist --checkpoint runs/mnist-resnet.safetensors --out runs/mnist

writes OUT/result.nc (images and numbers, an xarray dataset), table.txt, summary.csv and figures/*.png, and prints a
screen of it: a row a network, and what came out (--verbose: table.txt). The same command again says that it is done,
or goes on from where it was stopped: at most one sample's work is lost. k(t) and lambda(t) are fitted on other
samples than the ones that are reported. The toy networks, four variants with three training seeds, are shipped;
networks for images are trained in OUT/networks, or given by --checkpoint.
"""

from __future__ import annotations

import sys
from argparse import SUPPRESS, BooleanOptionalAction, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from compare.cli import Parser, called_as, device, main_of, use_threads, user_error
from empirical.size_option import Size

if TYPE_CHECKING:
    from compare.execute import Plan, Printed

TOY = ("variants", "retrain")
IMAGES = ("subset", "data_seed", "size", "skip_bad", "augment", "data_dir", "network", "attention", "padding",
          "conditional", "preset",
          "checkpoint", "snapshots", "rules", "patch_sizes", "calibration_samples", "published")
"""Options of one kind of study only."""

TRAINED = ("subset", "data_seed", "size", "skip_bad", "augment", "network", "attention", "padding", "conditional",
           "preset")
"""Options that say how networks are to be trained."""

GIVEN_LATER = ("samples", "network_steps", "variants", "training_seeds", "training_steps", "rules", "patch_sizes",
               "calibration_samples")
"""Options that hold against --quick too."""


def parser() -> Parser:
    """The command line. What is not given of a study's own options is left out."""
    parse = Parser("compare.run", __doc__)
    add = parse.add_argument
    add("--dataset", required=True, metavar="NAME",
        help="toy, mnist, fashion-mnist, cifar10, celeba, npz:FILE, folder:PATH or pairs:NAME, rows of NAME's images: "
        "what the networks were trained on")
    add("--samples", type=int, metavar="N", help="evaluation samples (default: toy 64, images 100; with --quick 8)")
    add("--steps", type=int, default=20, metavar="N", help="sampling steps of the machines (default: 20)")
    add("--network-steps", type=int, nargs="+", metavar="N",
        help="sampling steps of the networks (default: 20 150; with --quick those of --steps)")
    add("--training-seeds", type=int, nargs="+", metavar="N",
        help="of every variant (default: toy 0 1 2, images 0); k(t) and lambda(t) are fitted on the first")
    add("--training-steps", type=int, metavar="N", help="of networks that are trained here (default: the recipe's)")
    parse.add_common("runs/NAME-HASH, HASH of the configuration", "of the noise; sample i is a function of (seed, i)")
    add("--quick", action="store_true", help="8 samples, coarse calibration: a look, not a result")
    form = parse.add_mutually_exclusive_group().add_argument
    form("--verbose", action="store_true", help="print the whole table instead of a screen")
    form("--explain", action="store_true", help="print what each column of the screen means")
    form("--json", action="store_true", help="print the screen's numbers as JSON, with their intervals")

    add = parse.add_argument_group("the toy set only", argument_default=SUPPRESS).add_argument
    add("--variants", nargs="+", metavar="NAME", help="cnn cnn-top1 cnn-identity cnn-learned (default: all)")
    add("--retrain", action="store_true", help="train the networks in the run's folder instead of loading the shipped")

    add = parse.add_argument_group("images only", argument_default=SUPPRESS).add_argument
    add("--subset", type=int, metavar="N", help="train on so many images, and make the machines of them (default: all)")
    add("--data-seed", type=int, metavar="SEED", help="which images (default: 0)")
    add("--size", type=int, nargs="+", action=Size, metavar="PIXELS",
        help="side, or height and width, that images are resized to (default: 32)")
    add("--skip-bad", action="store_true", help="leave out, and list, files of a folder that cannot be read")
    add("--augment", choices=("flip",), help="flip: train on mirror images too, and make the machines of them")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files are looked for first")
    add("--network", choices=("resnet", "unet"), help="(default: resnet)")
    add("--attention", nargs="+", choices=("none", "top1", "identity", "learned"), metavar="RULE",
        help="none, top1, identity, learned; several make a matched set (default: none)")
    add("--padding", choices=("zeros", "circular"), help="border of networks and machines (default: zeros)")
    add("--conditional", action=BooleanOptionalAction,
        help="on the class (default: as Kamb & Ganguli, for fashion-mnist and cifar10)")
    add("--preset", choices=("tiny", "small", "pairs", "paper"),
        help="training of seconds, of 40 minutes on two CPU cores, of rows of images (seven minutes of one core), or "
        "Kamb & Ganguli's (default: small, or pairs for pairs:NAME)")
    add("--checkpoint", type=Path, nargs="+", metavar="FILE", help="trained networks, instead of training them here")
    add("--snapshots", action="store_true", help="follow the agreement along the training of the first network")
    add("--rules", nargs="+", metavar="RULE",
        help="mse validation entropy: further ways to choose k(t), each with a machine of its own (default: none)")
    add("--patch-sizes", type=int, nargs="+", metavar="K",
        help="candidates for k(t) (default: 3 5 7 ... up to the receptive field)")
    add("--calibration-samples", type=int, metavar="N", help="that k(t) and lambda(t) are fitted on (default: 10)")
    add("--published", metavar="NAME",
        help="whose published figures to put beside, as cifar10 for an npz: file of it (default: those of --dataset)")
    return parse


def _compare(args: Namespace, command: str) -> None:
    threads = use_threads(args.jobs)
    toy = args.dataset == "toy"
    _refuse(args, *((IMAGES, "images") if toy else (TOY, "the toy set")))
    from compare.execute import execute

    args.device = device(args.device)
    execute(_toy_plan(args) if toy else _image_plan(args), args, command, threads, _printed(args))


def _printed(args: Namespace) -> Printed | None:
    """What is printed of the result; None: the whole table."""
    from compare.report.screen import as_json, screen

    if args.verbose:
        return None
    if args.json:
        return lambda dataset, files: as_json(dataset, files, args.quick)
    return lambda dataset, files: screen(dataset, {**files, **_gallery(files)}, args.quick, args.explain)


def _gallery(files: dict[str, Path]) -> dict[str, str]:
    """The command that makes a page for each sample, where the gallery is to be."""
    folder = files["dataset"].parent
    return {"gallery": f"{called_as('compare.inspect')} {folder} --all --out {folder / 'gallery'}"}


def _refuse(args: Namespace, options: tuple[str, ...], study: str) -> None:
    for name in options:
        if name in args:
            raise user_error(f"--{name.replace('_', '-')}: got it with --dataset {args.dataset}, want it for {study}")


def _configured(config, args: Namespace):
    """The configuration with the options given; what is stated holds against --quick."""
    config = config.with_given(vars(args) | dict.fromkeys(GIVEN_LATER))
    return (config.quick() if args.quick else config).with_given({name: vars(args).get(name) for name in GIVEN_LATER})


def _toy_plan(args: Namespace) -> Plan:
    from compare.execute import Plan
    from compare.report import toy
    from compare.study.config import ToyConfig
    from compare.study.toy import resolved, toy_study
    from empirical.toy_networks import shipped_config
    if args.training_steps is not None and "retrain" not in args:
        raise user_error("--training-steps: got it without --retrain, want both")
    config = _configured(ToyConfig(), args)
    if "retrain" in args and args.training_steps is None:
        config = config.with_given({"training_steps": 200 if args.quick else shipped_config("cnn").steps})
    return Plan("toy", resolved(config), "result.nc", lambda folder, _, place: toy_study(config, folder, place),
                toy.REPORT)


def _image_plan(args: Namespace) -> Plan:
    from compare.execute import Plan
    from compare.report import images
    from compare.study.config import ImageConfig
    from compare.study.image_inputs import given_networks, trained_networks
    from compare.study.images import image_study

    config = _configured(ImageConfig(), args)
    data_dir, follow = getattr(args, "data_dir", None), "snapshots" in args
    if "checkpoint" in args:
        _refuse_training(args)
        inputs = given_networks(args.checkpoint, config.validation_images, data_dir, args.dataset)
    else:
        inputs = trained_networks(_recipes(args), config.validation_images, data_dir)
    resolved = inputs.record(config) | {"snapshots": follow, "published": getattr(args, "published", args.dataset)}

    def study(folder, command, place):
        networks, on_the_way = inputs.load(folder, config.device, follow, command, place)
        return image_study(networks, inputs.training, config, folder.config, on_the_way)

    return Plan(inputs.name, resolved, "result.nc", study, images.REPORT)


def _refuse_training(args: Namespace) -> None:
    given = [name for name in TRAINED if name in args]
    given += [name for name in ("training_seeds", "training_steps") if getattr(args, name) is not None]
    if given:
        raise user_error(f"--{given[0].replace('_', '-')}: got it with --checkpoint, want one of the two: a checkpoint "
                        "says itself how it was trained")


def _recipes(args: Namespace) -> list:
    """Every attention rule with every training seed."""
    from empirical.training.image_config import ImageTrainConfig

    chosen = {name: getattr(args, name) for name in ("subset", "data_seed", "size", "skip_bad", "augment", "padding",
                                                    "conditional")
              if name in args}
    if args.training_steps is not None:
        chosen["steps"] = args.training_steps
    preset = partial(ImageTrainConfig.preset, getattr(args, "preset", None), dataset=args.dataset,
                     network=getattr(args, "network", "resnet"), **chosen)
    return [preset(attention=None if attention == "none" else attention, seed=seed)
            for attention in getattr(args, "attention", ["none"]) for seed in args.training_seeds or [0]]


main = main_of(parser, _compare)


if __name__ == "__main__":
    sys.exit(main())
