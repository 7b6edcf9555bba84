"""Train a network, or go on with a training that was stopped.

  python -m empirical.train --attention learned --seed 1 --out runs/cnn-learned-1
  python -m empirical.train --dataset fashion-mnist --network resnet --preset small --subset 5000 --out runs/resnet
  torchrun --standalone --nproc_per_node=4 -m empirical.train --dataset cifar10 --preset paper --out runs/paper

The first is a toy network: it writes runs/cnn-learned-1.safetensors (averaged weights) and runs/cnn-learned-1.json (the
whole configuration, the loss history, the consistency of its samples); its defaults are the recipe of the shipped
networks, see docs/toy-networks.md. The others are networks for images, see docs/networks.md; a sheet of samples lies
beside them, runs/resnet.png. While it runs, NAME.resume.safetensors holds its state: Ctrl-C, SIGTERM or a kill loses at
most the steps since the last one, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from dataclasses import fields
from pathlib import Path

from empirical.datasets import NAMES
from empirical.toy import ARRANGEMENTS, FAMILIES, ToyLayout
from empirical.training.image_config import DTYPES, NETWORKS, PREDICTIONS, PRESETS, ImageTrainConfig
from empirical.training.toy_config import OPTIMIZERS, TrainConfig
from theory.errors import UserError


def parser() -> argparse.ArgumentParser:
    """The command line. What is not given is left out: the defaults are TrainConfig's, ToyLayout's or the preset's."""
    parse = argparse.ArgumentParser(
        prog="python -m empirical.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    run, layout = TrainConfig(), ToyLayout()
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
    add("--ema", type=float, metavar="DECAY", help=f"averages the weights (default: toy {run.ema}, else the preset's)")
    add("--seed", type=int, help="initial weights and batches (default: 0)")
    add("--data-seed", type=int, metavar="SEED", help="which images are drawn (default: 0)")

    images = parse.add_argument_group("networks for images")
    add = images.add_argument
    add("--network", choices=NETWORKS, help="(default: resnet)")
    add("--preset", choices=PRESETS, help="seconds, 40 minutes of two CPU cores, or Kamb & Ganguli's (default: small)")
    add("--subset", type=int, metavar="N", help="so many images of the set (default: all)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files are looked for first")
    add("--conditional", action=argparse.BooleanOptionalAction,
        help="on the class labels (default: as Kamb & Ganguli, for fashion-mnist and cifar10)")
    add("--size", type=int, metavar="PIXELS", help="side that images are resized to (default: 32)")
    add("--prediction", choices=PREDICTIONS,
        help="what the last layer gives, and whose error is the loss (default: v; paper eps)")
    add("--decay", type=float, metavar="FACTOR", help="of lr each step (default: half a cosine; paper 0.999965)")
    add("--dtype", choices=DTYPES, help="of the forward pass (default: float32)")

    toy = parse.add_argument_group("the toy set")
    add = toy.add_argument
    add("--window", type=float, nargs=2, metavar=("FROM", "TO"),
        help=f"times that are drawn more often (default: {run.window[0]} {run.window[1]})")
    add("--optimizer", choices=OPTIMIZERS,
        help="muon needs less than half of adam's steps, which take 1.1 to 2 times as long on a CPU (default: "
        f"{run.optimizer})")
    add("--window-share", type=float, metavar="SHARE",
        help=f"share of a batch with t in the window (default: {run.window_share})")
    add("--count", type=number_or_all, metavar="N",
        help=f"training images drawn, or all: each once (default: {run.count})")
    add("--pairs", type=int, help=f"pairs an image (default: {layout.pairs})")
    add("--cell", type=int, metavar="PIXELS", help=f"side of a cell (default: {layout.cell})")
    add("--gap", type=int, metavar="PIXELS", help=f"between pairs (default: {layout.gap})")
    add("--inner-gap", type=int, metavar="PIXELS", help=f"between a key and its value (default: {layout.inner_gap})")
    add("--arrangement", choices=ARRANGEMENTS, help=f"(default: {layout.arrangement})")
    add("--family", choices=FAMILIES, help=f"of maps (default: {layout.family})")
    add("--held-out-maps", type=float, metavar="SHARE", help="of maps (default: 0)")
    add("--held-out-keys", type=float, metavar="SHARE", help="of key patterns (default: 0)")
    add("--held-out-seed", type=int, metavar="SEED", help="which ones (default: 0)")

    machine = parse.add_argument_group("the machine")
    add = machine.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto, cuda if there is one)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: torch's own choice)")
    add("--checkpoint-every", type=int, default=1000, metavar="STEPS", help="steps between states (default: 1000)")
    add("--snapshots", type=int, nargs="+", default=(), metavar="STEP", help="keep these steps' networks as NAME-STEP")
    return parse


def number_or_all(text: str) -> int | None:
    return None if text == "all" else int(text)


OF_THE_MACHINE = ("out", "data_dir", "device", "threads", "checkpoint_every", "snapshots")


def config_from(args: argparse.Namespace) -> TrainConfig | ImageTrainConfig:
    """The configuration that the parsed arguments describe. UserError if one is out of range or out of place."""
    given = {name: value for name, value in vars(args).items() if name not in OF_THE_MACHINE}
    given["attention"] = None if args.attention == "none" else args.attention
    if args.dataset != "toy":
        _only(given, {f.name for f in fields(ImageTrainConfig)} | {"preset"}, "the toy set")
        return ImageTrainConfig.preset(given.pop("preset", "small"), **given)
    of_layout = {f.name for f in fields(ToyLayout)}
    _only(given, {f.name for f in fields(TrainConfig)} | of_layout, "images")
    layout = ToyLayout(**{name: value for name, value in given.items() if name in of_layout})
    run = {name: value for name, value in given.items() if name not in of_layout}
    if "window" in run:
        run["window"] = tuple(run["window"])
    return TrainConfig(**run, layout=layout)


def _only(given: dict, known: set[str], other: str) -> None:
    for name in given.keys() - known:
        raise UserError(f"{name}: got {given[name]!r} for {given['dataset']!r}, but it is for {other} only")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped by SIGINT or SIGTERM."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    received: list[int] = []
    try:
        config = config_from(args)
        threads = getattr(args, "threads", None)
        if threads is not None and threads < 1:
            raise UserError(f"threads: got {threads}, want at least 1")
        import torch  # after the arguments are known to be good: it takes seconds

        from empirical.training.loop import Stopped, train

        if threads is not None:
            torch.set_num_threads(threads)
        previous = {s: signal.signal(s, lambda s, _: received.append(s)) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            out = train(config, args.out, data_dir=getattr(args, "data_dir", None), device=args.device,
                        checkpoint_every=args.checkpoint_every, snapshots=args.snapshots,
                        stop=lambda: bool(received), command=f"python -m empirical.train {shlex.join(argv)}")
        except Stopped as stopped:
            print(f"{stopped} of {config.steps}; the same command goes on from there", file=sys.stderr)
            return 128 + received[0]
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
    except (ValueError, OSError) as error:
        print(f"{parser().prog}: error: {error}", file=sys.stderr)
        return 2
    report(out, json.loads(Path(f"{out}.json").read_text()))
    return 0


def report(out: Path, record: dict) -> None:
    """One line a set of samples."""
    for row in record["samples"]:
        if "sheet" in row:
            said = f"loss {record['losses'][-1]:.4f}, {row['n']} samples on {out.with_name(row['sheet'])}"
        else:
            shares = {name: f"{row[name] / row['n']:.3f}" for name in ("consistent", "clean", "novel")}
            said = f"{row['n']} samples: " + ", ".join(f"{name} {value}" for name, value in shares.items())
        print(f"{out}.safetensors  {row['steps']} steps, {said}")


if __name__ == "__main__":
    sys.exit(main())
