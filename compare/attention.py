"""Does a closed form predict what a trained attention network draws? Asked of networks on one training set.

  python -m compare.attention --networks toy --out runs/attention-toy
  python -m compare.attention --networks runs/cnn-0 runs/cnn-1 runs/cnn-learned-0 runs/cnn-learned-1 --out runs/mine
  python -m compare.attention --dataset pairs:mnist --training-seeds 2 3 4 5 6 --out runs/pairs-mnist
  python -m compare.attention --dataset pairs:mnist --networks runs/none-2 runs/learned-2 --out runs/pairs-2

Of toy networks it writes OUT/attention.nc (an xarray dataset), table.txt (also printed) and figures/*.png. For every
network: denoising loss against t beside ELS, the closed forms of attention and the ideal score; the residual test at
the same noisy image, does a closed form's correction of ELS point where the network went; and samples drawn to the end
from the same noise. Each number stands beside what a second training seed of the network reaches. The same command
again says that it is done, or goes on from where it was stopped. docs/results/attention.md holds what was found.

Of rows of real images with a shared hue, pairs:NAME: rates, agreement of the samples, and what attention adds, network
minus CNN, beside what each closed form says that it adds, OUT/result.nc. Networks are trained in OUT/networks, seven
minutes of one core each, or given. k(t) is fitted to the CNN, the strength set by denoising held-out images.
docs/registration.md says what is asked and how it is judged.
"""

from __future__ import annotations

import sys
from argparse import SUPPRESS, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from compare.cli import Parser, device, main_of, use_threads, user_error
from compare.result.words import CLOSED_FORMS
from compare.study.config import AttentionConfig, PairsConfig

if TYPE_CHECKING:
    from compare.execute import Plan


TOY, PAIRS = ("closed_forms",), ("attention", "training_seeds", "training_steps", "data_dir", "network_steps")
"""Options of one kind of study only."""


def parser() -> Parser:
    """The command line. What is not given of a study's own options is left out."""
    parse, toy, rows = Parser("compare.attention", __doc__), AttentionConfig(), PairsConfig()
    add = parse.add_argument
    add("--dataset", default="toy", metavar="NAME", help="toy, or pairs:NAME as pairs:mnist (default: toy)")
    add("--networks", nargs="+", metavar="NAME", help="toy, toy-gap: shipped sets; or checkpoints, trained on one "
        "training set (default: toy; of pairs those that are trained here)")
    add("--samples", type=int, metavar="N", help=f"drawn to the end (default: toy {toy.samples}, pairs {rows.samples})")
    add("--points", type=int, metavar="N", help="images that are noised: of the training set for toy, held-out ones "
        f"for pairs (default: toy {toy.points}, pairs {rows.points})")
    add("--steps", type=int, metavar="N", help=f"of the machines' sampler (default: {toy.steps}; toy --quick 10)")
    add("--patch-sizes", type=int, nargs="+", metavar="K",
        help="candidates for k(t) (default: toy 1 3 5, pairs 3 5 7 ... up to the receptive field)")
    parse.add_common("runs/attention-HASH", "of all noise")
    add("--quick", action="store_true", help="few samples, coarse calibration: a look, not a result")

    add = parse.add_argument_group("toy networks only", argument_default=SUPPRESS).add_argument
    add("--closed-forms", nargs="+", metavar="NAME", choices=CLOSED_FORMS,
        help=f"which are asked (default: all, {', '.join(CLOSED_FORMS)}; innovation costs most)")

    add = parse.add_argument_group("pairs only", argument_default=SUPPRESS).add_argument
    add("--attention", nargs="+", choices=("learned", "identity", "top1"), metavar="RULE",
        help="learned, identity, top1: of the networks that are trained here, beside one without (default: learned)")
    add("--training-seeds", type=int, nargs="+", metavar="N", help="of each (default: 0)")
    add("--training-steps", type=int, metavar="N", help="of each (default: 3000)")
    add("--network-steps", type=int, nargs="+", metavar="N",
        help=f"sampling steps of the networks (default: {rows.network_steps[0]})")
    add("--data-dir", type=Path, metavar="FOLDER", help="where the files are looked for first")
    return parse


def _study(args: Namespace, command: str) -> None:
    threads = use_threads(args.jobs)
    of_pairs = args.dataset.partition(":")[0] == "pairs"
    if args.dataset != "toy" and not of_pairs:
        raise user_error(f"--dataset: got {args.dataset}, want toy or pairs:NAME")
    for name in TOY if of_pairs else PAIRS:
        if name in args:
            raise user_error(f"--{name.replace('_', '-')}: got it with --dataset {args.dataset}, want it for the other")
    from compare.execute import execute

    execute(_pairs_plan(args) if of_pairs else _toy_plan(args), args, command, threads)


def _toy_plan(args: Namespace) -> Plan:
    from compare.execute import plan_on_networks
    from compare.report.attention import REPORT
    from compare.study.attention import attention_study

    args.networks = args.networks or ["toy"]
    config = AttentionConfig().quick() if args.quick else AttentionConfig()
    return plan_on_networks("attention", config, args, attention_study, REPORT)


def _pairs_plan(args: Namespace) -> Plan:
    from compare.execute import Plan
    from compare.report.pairs import REPORT
    from compare.study.image_inputs import given_networks, trained_networks
    from compare.study.pairs import pairs_study, recipes

    config, data_dir = PairsConfig().quick() if args.quick else PairsConfig(), getattr(args, "data_dir", None)
    config = config.with_given(vars(args) | {"device": device(args.device)})
    asked = {name: getattr(args, name) for name in ("attention", "training_seeds", "training_steps") if name in args}
    if args.networks and asked:
        raise user_error(f"--{next(iter(asked)).replace('_', '-')}: got it with --networks, want one of the two")
    if args.networks:
        inputs = given_networks(args.networks, config.points, data_dir, args.dataset)
    else:
        inputs = trained_networks(recipes(args.dataset, **asked), config.points, data_dir)

    def study(folder, command, place):
        networks, _ = inputs.load(folder, config.device, False, command, place)
        return pairs_study(networks, inputs.training, config, folder.config)

    return Plan(f"attention-{inputs.name}", inputs.record(config), "result.nc", study, REPORT)


main = main_of(parser, _study)


if __name__ == "__main__":
    sys.exit(main())
