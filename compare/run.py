"""Compare closed-form machines with trained networks, image by image, from the same noise.

  python -m compare.run --dataset toy --samples 64 --seed 5 --out runs/toy-5

writes runs/toy-5/result.nc (images and numbers, an xarray dataset), table.txt (also printed) and figures/*.png. The
same command again says that it is done, or goes on from where it was stopped. Networks: four toy variants with three
training seeds, shipped; --retrain trains them again in the run's folder. k(t) and lambda(t) are fitted on other samples
than the ones that are reported.
"""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from compare.command import Parser, run


def parser() -> Parser:
    """The command line."""
    parse = Parser("compare.run", __doc__)
    add = parse.add_argument
    add("--dataset", choices=("toy",), required=True, help="what the networks were trained on")
    add("--samples", type=int, metavar="N", help="evaluation samples (default: 64; with --quick 8)")
    add("--seed", type=int, default=0, help="of the noise; sample i is a function of (seed, i) (default: 0)")
    add("--out", type=Path, metavar="FOLDER", help="run folder (default: runs/toy-HASH, HASH of the configuration)")
    add("--steps", type=int, default=20, metavar="N", help="sampling steps of the machines (default: 20)")
    add("--network-steps", type=int, nargs="+", default=None, metavar="N",
        help="sampling steps of the networks (default: 20 150; with --quick those of --steps)")
    add("--variants", nargs="+", default=None, metavar="NAME",
        help="of the networks: cnn cnn-top1 cnn-identity cnn-learned (default: all)")
    add("--training-seeds", type=int, nargs="+", default=None, metavar="N",
        help="of every variant (default: 0 1 2; with --quick 0); k(t) and lambda(t) are fitted on the first")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="of the networks (default: cuda if there is)")
    add("--jobs", type=int, metavar="N", help="CPU threads (default: all)")
    add("--retrain", action="store_true", help="train the networks in the run's folder instead of loading the shipped")
    add("--training-steps", type=int, metavar="N", help="with --retrain (default: the recipe's; with --quick 200)")
    add("--quick", action="store_true", help="8 samples, one training seed, coarse calibration: a look, not a result")
    return parse


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 2 a user's error, 130 or 143 stopped."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser().parse_args(argv)
    return run(parser().prog, lambda: _compare(args, f"{parser().prog} {shlex.join(argv)}"))


def _compare(args: Namespace, command: str) -> int:
    threads = _threads(args.jobs)
    config = _config(args)
    from compare.folder import RunFolder, short_hash

    resolved = config.resolved()
    folder = RunFolder(args.out or Path("runs") / f"toy-{short_hash(resolved)}", resolved)
    from compare import results, toy_figures
    from compare.toy_report import report
    from empirical.atomic import write_text

    path = folder.path / "result.nc"
    if not path.is_file():
        from compare.toy_study import toy_study

        _set_threads(threads)
        results.save(toy_study(config, folder, command=command, progress=_progress), path)
    else:
        sys.stderr.write(f"{folder.path} is done; delete it to run again\n")
    dataset = results.load(path)
    text = report(dataset)
    write_text(folder.path / "table.txt", text)
    figures = toy_figures.draw(dataset, folder.path / "figures")
    print(text)
    print("\n".join(map(str, ("Written:", path, folder.path / "table.txt", *figures))))
    return 0


def _config(args: Namespace):
    """The ToyConfig that the options describe. ValueError for values out of range."""
    from compare.toy_config import ToyConfig
    from empirical.toy_networks import VARIANTS, recipe

    if args.training_steps is not None and not args.retrain:
        raise ValueError("--training-steps: got it without --retrain, want both")
    for variant in args.variants or ():
        if variant not in VARIANTS:
            raise ValueError(f"--variants: got {variant!r}, want some of: {', '.join(VARIANTS)}")
    config = ToyConfig(seed=args.seed, steps=args.steps, device=_device(args.device))
    if args.quick:
        config = config.quick()
    chosen = {name: tuple(value) if isinstance(value, list) else value
              for name in ("samples", "network_steps", "variants", "training_seeds")
              if (value := getattr(args, name)) is not None}
    if args.retrain:
        default = 200 if args.quick else recipe("cnn").steps
        chosen["training_steps"] = default if args.training_steps is None else args.training_steps
    return replace(config, **chosen)


def _device(name: str) -> str:
    """"cpu" or "cuda". ValueError for "cuda" where torch finds none."""
    if name == "cpu":
        return name
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device: got cuda, but torch sees no CUDA device; want auto or cpu")
    return "cuda" if torch.cuda.is_available() else "cpu"


def _threads(jobs: int | None) -> int:
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if jobs is not None and not 1 <= jobs <= available:
        raise ValueError(f"--jobs: got {jobs}, want 1 to {available}, the CPUs there are")
    return jobs or available


def _set_threads(threads: int) -> None:
    """The same for torch and numba, which would each take all."""
    import numba
    import torch

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def _progress(things, what: str):
    from tqdm import tqdm

    return tqdm(list(things), desc=what, disable=None, leave=False)


if __name__ == "__main__":
    sys.exit(main())
