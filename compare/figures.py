"""Draw the papers' figures, and our own, from results on disk and runs of the machines.

  python -m compare.figures all --out figures --quick
  python -m compare.figures kg5 lambda --out figures

Each figure is written as NAME.pdf, NAME.png and NAME.nc, the numbers behind it. NAME: kg1 ... after Kamb & Ganguli
2025, fktb1 ... after Finn et al. 2025, or one of ours; --list names them all.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, main_of, user_error


def parser() -> Parser:
    """The command line."""
    parse = Parser("compare.figures", __doc__)
    add = parse.add_argument
    add("names", nargs="*", metavar="NAME", help="figures, or all")
    add("--list", action="store_true", help="the figures' names and captions")
    add("--out", type=Path, default=Path("figures"), metavar="FOLDER", help="where to (default: figures)")
    add("--results", type=Path, metavar="FOLDER", help="a run's folder, or one with NAME/result.nc of compare.run "
        "(default: docs/results of the clone, or runs where there is no clone)")
    add("--networks", type=Path, metavar="FOLDER", help="checkpoints of image networks (default: the shipped)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where real images are looked for first")
    add("--quick", action="store_true", help="fewer samples: each in less than a minute")
    parse.add_error_options()
    return parse


def _figures(args: Namespace, command: str) -> None:
    from compare.paper.catalogue import FIGURES

    if args.list:
        print("\n".join(f"{name:15} {figure.caption}" for name, figure in FIGURES.items()))
        return
    everything = args.names == ["all"]
    chosen = list(FIGURES) if everything else list(dict.fromkeys(args.names))
    unknown = [name for name in chosen if name not in FIGURES]
    if unknown or not chosen:
        raise user_error(f"NAME: got {unknown[0] if unknown else 'none'}, want all or some of: {', '.join(FIGURES)}")
    from tqdm import tqdm

    from compare.paper.source import CHECKPOINTS, Source, results_folder

    source = Source(args.results or results_folder(), args.networks or CHECKPOINTS, args.data_dir, args.quick)
    args.out.mkdir(parents=True, exist_ok=True)
    written, missing = [], []
    for name in tqdm(chosen, desc="figures", disable=None, leave=False):
        try:
            written += FIGURES[name].save(source, args.out)
        except ValueError as error:  # what it is made from is not there
            if not everything:
                raise
            missing.append(f"{name}: {error}")
    print("\n".join(map(str, ("Written:", *written))))
    for line in missing:
        sys.stderr.write(f"{parser().prog}: left out {line}\n")


main = main_of(parser, _figures)


if __name__ == "__main__":
    sys.exit(main())
