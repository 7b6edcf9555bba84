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

import sys
from argparse import Namespace

from compare.cli import Parser, main_of, use_threads
from compare.result.words import CLOSED_FORMS
from compare.study.config import AttentionConfig


def parser() -> Parser:
    parse, default = Parser("compare.attention", __doc__), AttentionConfig()
    add = parse.add_argument
    add("--networks", nargs="+", default=["toy"], metavar="NAME",
        help="toy, toy-gap: shipped sets; or checkpoints, trained on one training set (default: toy)")
    add("--samples", type=int, metavar="N", help=f"drawn to the end (default: {default.samples})")
    add("--points", type=int, metavar="N", help=f"training images that are noised (default: {default.points})")
    add("--steps", type=int, metavar="N", help=f"of the machines' sampler (default: {default.steps}; with --quick 10)")
    add("--closed-forms", nargs="+", metavar="NAME", choices=CLOSED_FORMS,
        help=f"which are asked (default: all, {', '.join(CLOSED_FORMS)}; innovation costs most)")
    add("--patch-sizes", type=int, nargs="+", metavar="K", help="candidates for k(t) (default: 1 3 5)")
    parse.add_common("runs/attention-HASH", "of all noise")
    add("--quick", action="store_true", help="few samples, coarse calibration: a look, not a result")
    return parse


def _study(args: Namespace, command: str) -> None:
    threads = use_threads(args.jobs)
    from compare.execute import execute, plan_on_networks
    from compare.report.attention import REPORT
    from compare.study.attention import attention_study

    config = AttentionConfig().quick() if args.quick else AttentionConfig()
    plan = plan_on_networks("attention", config, args, attention_study, REPORT)
    execute(plan, args.out, command, threads)


main = main_of(parser, _study)


if __name__ == "__main__":
    sys.exit(main())
