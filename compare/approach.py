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

import sys
from argparse import Namespace

from compare.cli import Parser, main_of, use_threads
from compare.result.words import FIXED_FORMS
from compare.study.config import CapacityConfig


def parser() -> Parser:
    parse, default = Parser("compare.approach", __doc__), CapacityConfig()
    add = parse.add_argument
    add("--networks", nargs="+", required=True, metavar="NAME",
        help="shipped sets, toy or toy-gap; or checkpoints, trained on one training set")
    add("--samples", type=int, metavar="N", help=f"drawn to the end (default: {default.samples})")
    add("--points", type=int, metavar="N", help=f"training images that are noised (default: {default.points})")
    add("--patch-sizes", type=int, nargs="+", metavar="K", help="of ELS, the networks' window the largest "
        f"(default: {' '.join(map(str, default.patch_sizes))})")
    add("--closed-forms", nargs="*", metavar="NAME", choices=FIXED_FORMS,
        help=f"of attention; none is possible (default: {' '.join(default.closed_forms)})")
    parse.add_common("runs/approach-HASH", "of all noise")
    return parse


def _study(args: Namespace, command: str) -> None:
    threads = use_threads(args.jobs)
    from compare.execute import execute, plan_on_networks
    from compare.report.capacity import REPORT
    from compare.study.capacity import capacity_study

    plan = plan_on_networks("approach", CapacityConfig(), args, capacity_study, REPORT)
    execute(plan, args, command, threads)


main = main_of(parser, _study)


if __name__ == "__main__":
    sys.exit(main())
