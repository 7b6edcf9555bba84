"""Does a network reach the optimum of its window? Toy networks of different capacity and training, on one training set.

  python -m compare.approach --networks toy-gap --out runs/approach
  python -m compare.approach --networks runs/small runs/wide runs/wide-2000 --out runs/mine

writes OUT/approach.nc (an xarray dataset), table.txt (also printed) and figures/approach.png: denoising loss beside the
ideal score's and that of the equivariant local score, by theorem the least that a CNN of its window can have; r2 of the
samples with the machines' and with another training seed's; the rate of consistent samples. The same command again says
that it is done, or goes on from where it was stopped. Networks: empirical.train --width, --depth, --steps, --snapshots.
Closed forms of attention, as derived and fitted to nothing, show whether what more training adds is what they add.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, device, run, use_threads
from compare.study.capacity_config import FIXED_FORMS, ApproachConfig


def parser() -> Parser:
    parse, default = Parser("compare.approach", __doc__), ApproachConfig(("toy",))
    add = parse.add_argument
    add("--networks", nargs="+", required=True, metavar="NAME",
        help="shipped sets, toy or toy-gap; or checkpoints, trained on one training set")
    add("--samples", type=int, metavar="N", help=f"drawn to the end (default: {default.samples})")
    add("--points", type=int, metavar="N", help=f"training images that are noised (default: {default.points})")
    add("--patch-sizes", type=int, nargs="+", metavar="K", help="of ELS, the networks' window the largest "
        f"(default: {' '.join(map(str, default.patch_sizes))})")
    add("--closed-forms", nargs="*", metavar="NAME", choices=FIXED_FORMS,
        help=f"of attention; none is possible (default: {' '.join(default.closed_forms)})")
    add("--seed", type=int, default=0, help="of all noise (default: 0)")
    add("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/approach-HASH)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the networks (default: cuda if there is)")
    add("--jobs", type=int, metavar="N", help="CPU threads (default: all)")
    return parse


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    return run(parser().prog, lambda: _study(args, f"{parser().prog} {shlex.join(argv)}"))


def _study(args: Namespace, command: str) -> int:
    threads = use_threads(args.jobs)
    from compare.execute import Plan
    from compare.report import capacity_figures as figures
    from compare.report.capacity_report import report
    from compare.study.capacity import approach_study
    from compare.study.cases import named, stems

    config = ApproachConfig(named(args.networks), seed=args.seed, device=device(args.device))
    config = config.with_given({name: getattr(args, name) for name in (
        "samples", "points", "patch_sizes", "closed_forms")})
    plan = Plan("approach", config.resolved(stems(config.networks)), "approach.nc",
                lambda folder, command: approach_study(config, folder, command=command), report, figures.draw)
    plan.carry_out(args.out, command, threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
