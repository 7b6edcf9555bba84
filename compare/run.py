"""Compare closed-form machines with trained networks, image by image, from the same noise.

  python -m compare.run --dataset toy --samples 64 --seed 5 --out runs/toy-5
  python -m compare.run --dataset fashion-mnist --subset 5000 --network resnet --samples 100 --out runs/fashion
  python -m compare.run --dataset mnist --checkpoint runs/mnist-resnet.safetensors --out runs/mnist

writes OUT/result.nc (images and numbers, an xarray dataset), table.txt (also printed) and figures/*.png. The same
command again says that it is done, or goes on from where it was stopped: at most one sample's work is lost. k(t) and
lambda(t) are fitted on other samples than the ones that are reported. The toy networks, four variants with three
training seeds, are shipped; networks for images are trained in OUT/networks, or given by --checkpoint.
"""

from __future__ import annotations

import shlex
import sys
from argparse import SUPPRESS, BooleanOptionalAction, Namespace
from pathlib import Path

from compare.cli import Parser, device, run, use_threads

TOY = ("variants", "retrain")
IMAGES = ("subset", "data_seed", "size", "data_dir", "network", "attention", "padding", "conditional", "preset",
          "checkpoint", "snapshots", "rules", "patch_sizes", "calibration_samples", "published")
"""Options of one kind of study only."""


def parser() -> Parser:
    """The command line. What is not given of a study's own options is left out."""
    parse = Parser("compare.run", __doc__)
    add = parse.add_argument
    add("--dataset", required=True, metavar="NAME",
        help="toy, mnist, fashion-mnist, cifar10, celeba, npz:FILE or folder:PATH: what the networks were trained on")
    add("--samples", type=int, metavar="N", help="evaluation samples (default: toy 64, images 100; with --quick 8)")
    add("--seed", type=int, default=0, help="of the noise; sample i is a function of (seed, i) (default: 0)")
    add("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/NAME-HASH, HASH of the configuration)")
    add("--steps", type=int, default=20, metavar="N", help="sampling steps of the machines (default: 20)")
    add("--network-steps", type=int, nargs="+", metavar="N",
        help="sampling steps of the networks (default: 20 150; with --quick those of --steps)")
    add("--training-seeds", type=int, nargs="+", metavar="N",
        help="of every variant (default: toy 0 1 2, images 0); k(t) and lambda(t) are fitted on the first")
    add("--training-steps", type=int, metavar="N", help="of networks that are trained here (default: the recipe's)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the networks (default: cuda if there is)")
    add("--jobs", type=int, metavar="N", help="CPU threads (default: all)")
    add("--quick", action="store_true", help="8 samples, coarse calibration: a look, not a result")

    add = parse.add_argument_group("the toy set only", argument_default=SUPPRESS).add_argument
    add("--variants", nargs="+", metavar="NAME", help="cnn cnn-top1 cnn-identity cnn-learned (default: all)")
    add("--retrain", action="store_true", help="train the networks in the run's folder instead of loading the shipped")

    add = parse.add_argument_group("images only", argument_default=SUPPRESS).add_argument
    add("--subset", type=int, metavar="N", help="train on so many images, and make the machines of them (default: all)")
    add("--data-seed", type=int, metavar="SEED", help="which images (default: 0)")
    add("--size", type=int, metavar="PIXELS", help="side that images are resized to (default: 32)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files are looked for first")
    add("--network", choices=("resnet", "unet"), help="(default: resnet)")
    add("--attention", nargs="+", choices=("none", "top1", "identity", "learned"), metavar="RULE",
        help="none, top1, identity, learned; several make a matched set (default: none)")
    add("--padding", choices=("zeros", "circular"), help="border of networks and machines (default: zeros)")
    add("--conditional", action=BooleanOptionalAction,
        help="on the class (default: as Kamb & Ganguli, for fashion-mnist and cifar10)")
    add("--preset", choices=("tiny", "small", "paper"),
        help="training of seconds, of 40 minutes on two CPU cores, or Kamb & Ganguli's (default: small)")
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


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    return run(parser().prog, lambda: _compare(args, f"{parser().prog} {shlex.join(argv)}"))


def _compare(args: Namespace, command: str) -> int:
    threads = use_threads(args.jobs)
    if args.dataset == "toy":
        _refuse(args, IMAGES, "images")
        from compare.study.toy_plan import plan
    else:
        _refuse(args, TOY, "the toy set")
        from compare.study.image_plan import plan
    args.device = device(args.device)
    plan(args).carry_out(args.out, command, threads)
    return 0


def _refuse(args: Namespace, options: tuple[str, ...], study: str) -> None:
    for name in options:
        if name in args:
            raise ValueError(f"--{name.replace('_', '-')}: got it with --dataset {args.dataset}, want it for {study}")


if __name__ == "__main__":
    sys.exit(main())
