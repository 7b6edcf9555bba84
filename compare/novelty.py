"""Is a sample a copy of a training image, or a mosaic of which? For samples of any origin.

  python -m compare.novelty samples/ --train fashion-mnist --subset 5000 --out runs/novelty

SAMPLES: a folder of images, one image, or an .npz of them. --train: a folder, an .npz, or a data set by name. Writes
novelty.csv (a row a sample), novelty.nc (the same with the source of every pixel) and contact-sheet.png. A copy lies
nearer to a training image than images do that are none, at the stated level: by default the training images
themselves, each left out of the training set in turn (exactly, in closed form), or those of --held-out.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, main_of, user_error
from empirical.size_option import Size

AT_ONCE = 16
"""Images of a part: what a killed run loses at most."""


def parser() -> Parser:
    """The command line."""
    parse = Parser("compare.novelty", __doc__)
    add = parse.add_argument
    add("samples", metavar="SAMPLES", help="folder of images, one image, or .npz")
    add("--train", required=True, metavar="SET", help="training images: a folder, an .npz, or a data set by name")
    add("--held-out", metavar="SET",
        help="images that are no copies; of a data set by name its test split (default: training images left out)")
    add("--null", type=int, default=200, metavar="N", help="so many of them (default: 200)")
    add("--level", type=float, default=0.005, help="chance of calling a held-out image a copy (default: 0.005)")
    add("--sigma", type=float, default=0.1, help="noise level of the question, in units of [-1, 1] (default: 0.1)")
    add("--machine", choices=("local", "els"), default="local",
        help="patches from the same place, or from every place, which takes far longer (default: local)")
    add("--patch-size", type=int, default=5, metavar="K", help="side of the patches (default: 5)")
    add("--boundary", choices=("zeros", "circular"), default="zeros", help="of the windows (default: zeros)")
    add("--size", type=int, nargs="+", action=Size, default=32, metavar="N",
        help="all images become N x N, or height and width (default: 32); 0 leaves them")
    add("--skip-bad", action="store_true", help="leave out, and list, files of a folder that cannot be read")
    add("--augment", choices=("flip",), help="flip: a mirrored training image is a copy too")
    add("--subset", type=int, metavar="N", help="so many of the training images, drawn by --seed (default: all)")
    add("--seed", type=int, default=0, help="of the draws (default: 0)")
    add("--data-dir", type=Path, metavar="FOLDER", help="where data sets are looked for first")
    add("--out", type=Path, default=Path("novelty"), metavar="FOLDER", help="run folder (default: novelty)")
    parse.add_scale()
    parse.add_dry_run()
    parse.add_error_options()
    return parse


def _novelty(args: Namespace, command: str) -> None:
    _check(args)
    from compare.attribution.copies import copy_test, first_of_near_twins, first_of_twins, largest_false_rate
    from empirical.progress import announce

    training, samples, held_out = _sets(args)
    unequal = first_of_twins(training.images)
    kept = unequal[first_of_near_twins(training.images[unequal])]
    images = training.images[kept]
    if held_out is None and args.null > len(images):
        raise user_error(f"--null: got {args.null} of {len(images)} different training images, want fewer, "
                         "or --held-out")
    machines = _machines(args, images)
    settings = {name: getattr(args, name) for name in ("null", "sigma", "machine", "patch_size", "boundary", "seed")}
    prints = {"samples": samples.fingerprint, "train": training.fingerprint}
    config = {**settings, **prints, "held_out": held_out and held_out.fingerprint}
    forecast = _forecast(args, config, machines, len(samples.images), held_out)
    announce(args.prog, forecast, "--subset and --null make it smaller")
    if args.dry_run:
        return
    made = _made(args, config, forecast, machines, lambda folder, ours: folder.each(
        lambda stage: stage(), [lambda: _null(folder, ours, images, held_out, args),
                                lambda: _sources(folder, ours, samples.images, args.sigma, kept)], "stages"))
    if made is None:
        number, count = args.shard
        print(f"Share {number} of {count} is done in {args.out}; when all are, the command without --shard merges.")
        return
    null, found = made
    rate = args.level if held_out is not None else largest_false_rate(args.level, args.null, len(images))
    dataset = copy_test(samples.images, found, *null, args.level).assign_attrs(
        command=command, level=args.level, largest_false_rate=rate, **settings, **prints,
        training_images=len(training.images), twins=len(training.images) - len(unequal),
        near_twins=len(unequal) - len(kept))
    _write(args.out, dataset, training, samples)


def _check(args: Namespace) -> None:
    """UserError: numbers out of range."""
    if not 0.0 < args.level < 1.0:
        raise user_error(f"--level: got {args.level:g}, want a number between 0 and 1")
    if not args.sigma > 0.0:
        raise user_error(f"--sigma: got {args.sigma:g}, want a number above 0")
    from compare.attribution.copies import smallest_null

    if args.null < smallest_null(args.level):
        raise user_error(f"--null: got {args.null}, want at least {smallest_null(args.level)} at level {args.level:g}")


def _sets(args: Namespace) -> tuple:
    """Training images, samples, and images that are no copies, or None; all of one shape."""
    options = {"data_dir": args.data_dir, "size": args.size or None, "skip_bad": args.skip_bad}
    training = _load(args.train, subset=args.subset, seed=args.seed, augment=args.augment, **options)
    samples, held_out = _load(args.samples, **options), None
    if args.held_out is not None:
        split = "train" if _is_path(args.held_out) else "test"
        held_out = _load(args.held_out, split=split, subset=args.null, seed=args.seed, **options)
    for name, other in (("samples", samples), ("held-out", held_out)):
        if other is not None and other.images.shape[1:] != training.images.shape[1:]:
            raise user_error(f"--{name}: got images of {other.images.shape[1:]}, want {training.images.shape[1:]} like "
                             "the training images (--size)")
    return training, samples, held_out


def _machines(args: Namespace, images) -> tuple:
    """That of whole images, and that of patches."""
    from theory import EquivariantLocalScore, IdealScore, LocalScore

    patches = {"local": LocalScore, "els": EquivariantLocalScore}[args.machine]
    return IdealScore(images), patches(images, args.patch_size, args.boundary)


def _made(args: Namespace, config: dict, forecast, machines: tuple, make):
    """make(folder, machines), the machines where --cluster says; None for a share, whose parts alone are made."""
    from contextlib import nullcontext

    from compare.cli import bar
    from compare.study.folder import Elsewhere, RunFolder, Share, SharedFolder
    from compare.study.workers import AT_ONCE, cluster
    from empirical.progress import Progress
    from theory.engine.chunks import thread_count

    with nullcontext() if args.cluster is None else cluster(args.cluster, thread_count()) as workers:
        if args.shard:
            folder = SharedFolder(args.out, config, bar, Share(*args.shard))
        else:
            folder = RunFolder(args.out, config, bar, at_once=1 if workers is None else AT_ONCE * workers.count)
        try:
            with Progress(args.prog, forecast) as folder.foretold:
                return make(folder, machines if workers is None else tuple(map(workers.remote, machines)))
        except Elsewhere:
            return None
        finally:
            folder.close()


def _forecast(args: Namespace, config: dict, machines: tuple, samples: int, held_out):
    """What the errors of the null and the sources of the samples will take, and which parts of them are there."""
    from compare.study.folder import Parts, check_folder, part_arrays
    from compare.study.price import NAMED
    from empirical.progress import Forecast, used_memory
    from theory.engine.chunks import thread_count

    check_folder(args.out, config)
    null = args.null if held_out is None else len(held_out.images)
    at_once = sum(machine.cost(AT_ONCE, args.sigma).seconds for machine in machines) / AT_ONCE
    alone = sum(machine.cost(1, args.sigma).seconds for machine in machines)
    each = {"null": alone if held_out is None else at_once, "samples": NAMED * at_once}
    prices = {f"{name} {start}": each[name] * min(AT_ONCE, count - start)
              for name, count in (("null", null), ("samples", samples)) for start in range(0, count, AT_ONCE)}
    folder = Parts(args.out, config)
    done = sum(price for name, price in prices.items() if part_arrays(folder.part_file(name))[0] is not None)
    return Forecast(f"{samples} samples, {null} images of the null", sum(prices.values()), done, used_memory(),
                    thread_count(), prices)


def _write(out: Path, dataset, training, samples) -> None:
    """Table, dataset and contact sheet; what they say in a few lines is printed."""
    from compare.attribution import copies_report
    from compare.result import netcdf
    from empirical.atomic import write_text

    table, numbers, sheet = (out / name for name in ("novelty.csv", "novelty.nc", "contact-sheet.png"))
    write_text(table, copies_report.table(dataset, training, samples))
    netcdf.write(dataset, numbers)
    copies_report.contact_sheet(sheet, dataset, training)
    print(copies_report.summary(dataset))
    print("\n".join(map(str, ("Written:", table, numbers, sheet))))


def _load(name: str, **options):
    """A data set by name, or from a path: a folder or image, or an .npz."""
    from empirical.datasets import load, say_skipped

    path = Path(name)
    if path.suffix == ".npz":
        name = f"npz:{path}"
    elif path.exists():
        name = f"folder:{path}"
    dataset = load(name, **options)
    say_skipped(dataset)
    return dataset


def _is_path(name: str) -> bool:
    return Path(name).exists() or name.startswith(("folder:", "npz:"))


def _null(folder, machines: tuple, images, held_out, args: Namespace) -> list:
    """copy_error and mosaic_error of the null images, each (n,)."""
    import numpy as np

    from compare.attribution.copies import errors, left_out_errors

    left_out = np.random.default_rng(args.seed).permutation(len(images))[: args.null]

    def error(machine, chosen):
        if held_out is None:
            return left_out_errors(machine, images, left_out[chosen], args.sigma)
        return errors(machine, held_out.images[chosen], args.sigma)

    found = _in_parts(folder, "null", len(left_out if held_out is None else held_out.images), "held-out images",
                      lambda chosen: dict(zip(("copy", "mosaic"), (error(machine, chosen) for machine in machines))))
    return [found["copy"], found["mosaic"]]


def _sources(folder, machines: tuple, x, sigma: float, kept) -> dict:
    """What `copies.sources` finds; kept: the machines' images as the training set numbers them."""
    import numpy as np

    from compare.attribution.copies import sources

    found = _in_parts(folder, "samples", len(x), "samples", lambda chosen: sources(*machines, x[chosen], sigma))
    return found | {name: np.where(found[name] >= 0, kept[found[name]], -1)
                    for name in ("nearest", "contributor", "source")}


def _in_parts(folder, name: str, count: int, what: str, make) -> dict:
    """The arrays of make(indices), index after index; each part kept in the folder."""
    import numpy as np

    def part(start: int) -> dict:
        return folder.cached(f"{name} {start}", lambda: make(np.arange(start, min(start + AT_ONCE, count))))

    parts = folder.each(part, range(0, count, AT_ONCE), what, dealt=True)
    return {array: np.concatenate([part[array] for part in parts]) for array in parts[0]}


main = main_of(parser, _novelty)


if __name__ == "__main__":
    sys.exit(main())
