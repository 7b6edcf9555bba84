"""Train a toy network, or go on with a training that was stopped.

  python -m empirical.train --attention learned --seed 1 --out runs/cnn-learned-1

writes runs/cnn-learned-1.safetensors (averaged weights) and runs/cnn-learned-1.json (the whole configuration, the
loss history, the consistency of its samples). While it runs, runs/cnn-learned-1.resume.safetensors holds its state:
Ctrl-C, SIGTERM or a kill loses at most the steps since the last one, and the same command goes on from there. The
defaults are the recipe of the shipped networks, see docs/toy-networks.md.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
from dataclasses import fields
from pathlib import Path

from empirical.config import TrainConfig
from empirical.toy import ARRANGEMENTS, FAMILIES, ToyLayout


def parser() -> argparse.ArgumentParser:
    """The command line; its defaults are those of TrainConfig and ToyLayout."""
    parse = argparse.ArgumentParser(
        prog="python -m empirical.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    run, layout = TrainConfig(), ToyLayout()
    add = parse.add_argument
    add("--out", type=Path, required=True, metavar="NAME", help="where the result goes, without suffix")
    add("--attention", choices=("none", "top1", "identity", "learned"), default="none", help="rule (default: none)")
    add("--padding", choices=("zeros", "circular"), default=run.padding, help=f"border (default: {run.padding})")
    add("--width", type=int, default=run.width, help=f"features a pixel (default: {run.width})")
    add("--steps", type=int, default=run.steps, help=f"training steps (default: {run.steps})")
    add("--batch", type=int, default=run.batch, help=f"images a step (default: {run.batch})")
    add("--lr", type=float, default=run.lr, help=f"peak learning rate (default: {run.lr})")
    add("--window", type=float, nargs=2, default=run.window, metavar=("FROM", "TO"),
        help=f"times that are drawn more often (default: {run.window[0]} {run.window[1]})")
    add("--window-share", type=float, default=run.window_share, metavar="SHARE",
        help=f"share of a batch with t in the window (default: {run.window_share})")
    add("--ema", type=float, default=run.ema, metavar="DECAY", help=f"average of the weights (default: {run.ema})")
    add("--seed", type=int, default=run.seed, help=f"initial weights and batches (default: {run.seed})")

    data = parse.add_argument_group("the toy set")
    add = data.add_argument
    add("--count", type=int, default=run.count, help=f"training images drawn (default: {run.count})")
    add("--data-seed", type=int, default=run.data_seed, metavar="SEED", help=f"their draw (default: {run.data_seed})")
    add("--pairs", type=int, default=layout.pairs, help=f"pairs an image (default: {layout.pairs})")
    add("--cell", type=int, default=layout.cell, metavar="PIXELS", help=f"side of a cell (default: {layout.cell})")
    add("--gap", type=int, default=layout.gap, metavar="PIXELS", help=f"between pairs (default: {layout.gap})")
    add("--inner-gap", type=int, default=layout.inner_gap, metavar="PIXELS",
        help=f"between a key and its value (default: {layout.inner_gap})")
    add("--arrangement", choices=ARRANGEMENTS, default=layout.arrangement, help=f"(default: {layout.arrangement})")
    add("--family", choices=FAMILIES, default=layout.family, help=f"of maps (default: {layout.family})")
    add("--held-out-maps", type=float, default=layout.held_out_maps, metavar="SHARE",
        help="of maps (default: 0)")
    add("--held-out-keys", type=float, default=layout.held_out_keys, metavar="SHARE",
        help="of key patterns (default: 0)")
    add("--held-out-seed", type=int, default=layout.held_out_seed, metavar="SEED",
        help="which ones (default: 0)")

    machine = parse.add_argument_group("the machine")
    add = machine.add_argument
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default: auto, cuda if there is one)")
    add("--threads", type=int, default=None, metavar="N", help="CPU threads (default: torch's own choice)")
    add("--checkpoint-every", type=int, default=1000, metavar="STEPS", help="steps between states (default: 1000)")
    return parse


def config_from(args: argparse.Namespace) -> TrainConfig:
    """The TrainConfig that the parsed arguments describe. ValueError if one of them is out of range."""
    chosen = vars(args) | {"attention": None if args.attention == "none" else args.attention}
    layout = ToyLayout(**{f.name: chosen[f.name] for f in fields(ToyLayout)})
    run = {f.name: chosen[f.name] for f in fields(TrainConfig) if f.name in chosen}
    return TrainConfig(**run | {"layout": layout, "window": tuple(args.window)})


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped by SIGINT or SIGTERM."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    received: list[int] = []
    try:
        config = config_from(args)
        if args.threads is not None and args.threads < 1:
            raise ValueError(f"threads: got {args.threads}, want at least 1")
        import torch  # after the arguments are known to be good: it takes seconds

        from empirical.training import Stopped, train

        if args.threads is not None:
            torch.set_num_threads(args.threads)
        previous = {s: signal.signal(s, lambda s, _: received.append(s)) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            out = train(config, args.out, device=args.device, checkpoint_every=args.checkpoint_every,
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
    for row in json.loads(Path(f"{out}.json").read_text())["samples"]:
        share = {name: f"{row[name] / row['n']:.3f}" for name in ("consistent", "clean", "novel")}
        print(f"{out}.safetensors  {row['steps']} steps, {row['n']} samples: "
              + ", ".join(f"{name} {value}" for name, value in share.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
