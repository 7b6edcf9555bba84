"""Fit the windows k(t), and lambda(t) where there is attention, to trained networks, along their own trajectories.

  python -m compare.calibrate runs/mnist-resnet.safetensors --samples 20 --out runs/mnist-scales

writes OUT/calibration.nc (every seed's own choice and the losses behind it, an xarray dataset), table.txt, which is
also printed, and figures/scales.png. k(t) is chosen by four rules: by cosine similarity and by squared error along the
network's own trajectory, and without a network by denoising validation images and by the posterior's entropy. Entry i
belongs to t = (i + 1) / steps, so the first is that of least noise. compare.run does the same before it compares.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, device, run, use_threads


def parser() -> Parser:
    """The command line."""
    parse = Parser("compare.calibrate", __doc__)
    add = parse.add_argument
    add("checkpoint", type=Path, nargs="+", help="trained networks for images, of one training set")
    add("--samples", type=int, default=10, metavar="N", help="trajectories (default: 10)")
    add("--steps", type=int, default=20, metavar="N", help="sampling steps (default: 20)")
    add("--seed", type=int, default=0, help="of the noise; never that of an evaluation sample (default: 0)")
    add("--patch-sizes", type=int, nargs="+", metavar="K",
        help="candidates for k(t) (default: 3 5 7 ... up to the receptive field)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files of the data set are looked for first")
    add("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/scales-HASH, HASH of the configuration)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the networks (default: cuda if there is)")
    add("--jobs", type=int, metavar="N", help="CPU threads (default: all)")
    return parse


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    return run(parser().prog, lambda: _calibrate(args, f"{parser().prog} {shlex.join(argv)}"))


def _calibrate(args: Namespace, command: str) -> int:
    threads = use_threads(args.jobs)
    from compare.study.image_plan import scales_plan

    args.device = device(args.device)
    scales_plan(args).carry_out(args.out, command, threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
