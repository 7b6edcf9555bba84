"""Does a closed form predict what a trained attention network draws? Asked of toy networks on one training set.

  python -m compare.attention --networks toy --out runs/attention-toy
  python -m compare.attention --networks runs/cnn-0 runs/cnn-1 runs/cnn-learned-0 runs/cnn-learned-1 --out runs/mine

writes OUT/attention.nc (an xarray dataset), table.txt (also printed) and figures/*.png. For every network: denoising
loss against t beside ELS, the closed forms of attention and the ideal score; the residual test at the same noisy image,
does a closed form's correction of ELS point where the network went; and samples drawn to the end from the same noise.
Each number stands beside what a second training seed of the network reaches. The same command again says that it is
done, or goes on from where it was stopped. docs/results/attention.md holds what was found.
"""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, device, run, use_threads
from compare.study.attention_config import CLOSED_FORMS, AttentionConfig


def parser() -> Parser:
    parse, default = Parser("compare.attention", __doc__), AttentionConfig(("toy",))
    add = parse.add_argument
    add("--networks", nargs="+", default=["toy"], metavar="NAME",
        help="toy, toy-gap: shipped sets; or checkpoints, trained on one training set (default: toy)")
    add("--samples", type=int, metavar="N", help=f"drawn to the end (default: {default.samples})")
    add("--points", type=int, metavar="N", help=f"training images that are noised (default: {default.points})")
    add("--steps", type=int, metavar="N", help=f"of the machines' sampler (default: {default.steps}; with --quick 10)")
    add("--closed-forms", nargs="+", metavar="NAME", choices=CLOSED_FORMS,
        help=f"which are asked (default: all, {', '.join(CLOSED_FORMS)}; innovation costs most)")
    add("--patch-sizes", type=int, nargs="+", metavar="K", help="candidates for k(t) (default: 1 3 5)")
    add("--seed", type=int, default=0, help="of all noise (default: 0)")
    add("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/attention-HASH)")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the networks (default: cuda if there is)")
    add("--jobs", type=int, metavar="N", help="CPU threads (default: all)")
    add("--quick", action="store_true", help="few samples, coarse calibration: a look, not a result")
    return parse


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    return run(parser().prog, lambda: _study(args, f"{parser().prog} {shlex.join(argv)}"))


def _study(args: Namespace, command: str) -> int:
    threads = use_threads(args.jobs)
    from compare.execute import Plan
    from compare.report import attention_figures as figures
    from compare.report.attention_report import report
    from compare.study.attention import attention_study
    from compare.study.cases import case, named, stems

    config = AttentionConfig(named(args.networks), seed=args.seed, device=device(args.device))
    config = config.quick() if args.quick else config
    config = config.with_given({name: getattr(args, name) for name in (
        "samples", "points", "steps", "closed_forms", "patch_sizes")})
    networks = case(config)
    plan = Plan("attention", config.resolved(stems(config.networks)), "attention.nc",
                lambda folder, command: attention_study(config, networks, folder, command=command), report,
                figures.draw)
    plan.carry_out(args.out, command, threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
