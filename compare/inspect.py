"""Show which training patches a sample came from: one HTML page that needs no server and fetches nothing.

  python -m compare.inspect docs/results/toy/result.nc --sample 3 --network cnn-learned --out sample-3.html --png

draws the machine's image again from the sample's noise and writes, pixel by pixel and step by step, the training
patches that it is made of, beside the network's image from the same noise. --png adds a figure for print.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, main_of, user_error


def parser() -> Parser:
    """The command line."""
    parse = Parser("compare.inspect", __doc__)
    add = parse.add_argument
    add("result", type=Path, metavar="RUN", help="a run's folder, or a result.nc of compare.run or compare_own")
    add("--sample", type=int, default=0, metavar="N", help="sample of the result (default: 0)")
    add("--network", metavar="NAME", help="variant, or variant/seed/steps as in the result (default: the first)")
    add("--machine", metavar="NAME",
        help="closed form whose patches are shown (default: the one that is fitted to the network)")
    add("--along", metavar="CHECKPOINT", help="go along this network's own trajectory and show what the machine makes "
        "of its points: a path, or a shipped name as cnn-learned-0 (default: the machine's trajectory)")
    add("--top", type=int, default=8, metavar="N", help="patches named for each pixel (default: 8)")
    add("--left-out", type=int, default=5, metavar="N",
        help="training images without which the sample is drawn again, step by step, those that win the most pixels "
        "(default: 5)")
    add("--out", type=Path, metavar="FILE", help="the page (default: sample-N.html)")
    add("--png", action="store_true", help="also a figure for print, beside the page")
    add("--train", metavar="SET", help="the training images, where the result does not say whence they come (of "
        "compare_own): npz:FILE, npy:FILE or folder:PATH")
    add("--data-dir", type=Path, metavar="FOLDER", help="where real training images are looked for first")
    parse.add_error_options()
    return parse


def _inspect(args: Namespace, command: str) -> None:
    out = args.out or Path(f"sample-{args.sample}.html")
    if not out.parent.is_dir():
        raise user_error(f"--out: found no folder {out.parent}, want one that exists")
    if args.left_out < 0:
        raise user_error(f"--left-out: got {args.left_out}, want at least 0")
    from compare.attribution.page.document import page
    from empirical.atomic import write_text

    result = _load(args.result)
    if args.sample not in result.sample.values:
        raise user_error(f"--sample: got {args.sample}, want {result.sample.values[0]} to {result.sample.values[-1]}")
    if args.sample not in result.sample.values[: result.attrs.get("images_kept")]:
        raise user_error(f"--sample: got {args.sample}, want less than {result.attrs['images_kept']}: the result was "
                         "shipped without the images of the others")
    subject = _subject(args, result.sel(sample=args.sample))
    write_text(out, page(subject))
    written = [out]
    if args.png:
        from compare.attribution.page.figure import save

        written.append(save(out.with_suffix(".png"), subject))
    print("\n".join(map(str, ("Written:", *written))))


def _load(path: Path):
    """The result of a run, by its folder or file."""
    import json

    from compare.result import schema as results

    if path.is_dir():
        others = ", ".join(sorted(file.name for file in path.glob("*.nc")))
        if not (path / "result.nc").is_file():
            raise user_error(f"RUN: found no result.nc in {path}{f', but {others}' if others else ''}, want the folder "
                             "of a run of compare.run or compare_own")
        path = path / "result.nc"
    result = results.load(path)
    if "dataset" not in json.loads(result.attrs["config_json"]):
        raise user_error(f"RUN: got {path}, made by {result.attrs['command'] or 'another command'}, which keeps no "
                         "machine to show the patches of; want a result of compare.run or compare_own")
    return result


def _training_set(args: Namespace, result):
    """The images that the result was made from, checked."""
    import json

    from compare.study.machines import training_set_of
    from empirical.datasets import load

    if args.train is None:
        if json.loads(result.attrs["config_json"])["dataset"] == "own":
            raise user_error("--train: got none, want the training images of this result of compare_own: npz:FILE, "
                             "npy:FILE or folder:PATH")
        return training_set_of(result, args.data_dir)
    training = load(args.train, data_dir=args.data_dir, size=None)
    if training.fingerprint != result.attrs["data_fingerprint"]:
        raise user_error(f"--train: got {args.train}, which is other data than the result was made with")
    return training


def _subject(args: Namespace, result):
    """The sample of the result as a `Subject`: the machine's trajectory drawn and attributed again."""
    import numpy as np

    from compare.attribution.page.subject import Subject
    from compare.attribution.page.words import describe
    from compare.result.choose import choose_network, machine_beside
    from compare.study.machines import reconstruct

    network = choose_network(result, args.network)
    name = args.machine or machine_beside(result, network)
    training = _training_set(args, result)
    made = reconstruct(result, name, training)
    label = int(result.label) if made.machine.conditional else None
    found, drawn_by, without = _found(args, made, result.noise.values[None], result.sizes["step"], label)
    if args.along is None:
        apart = float(np.abs(found.drawn.values - result.predicted.sel(machine=name).values).max())
        note = f"Drawn again for this page; the largest difference of a pixel from the result's image is {apart:.1e}."
    else:
        note = f"Along the trajectory of {args.along}: the predictions are the machine's at the network's noisy images."
    about = describe(made, training, label, None if args.along is None else args.along)
    return Subject(
        found, training.images, title=f"What sample {args.sample} is made of", machine=name, about=about,
        labels=training.labels, classes=training.classes, files=training.files, network=network,
        generated=result.generated.sel(network=network).values, drawn_by=drawn_by,
        wraps=getattr(made.machine, "boundary", "zeros") == "circular", without=without,
        notes=(f"Machine: {name}. Network: {network}.", f"Result: {args.result}, made by {result.attrs['command']}",
               f"Training set: {training.name}, {len(training.images):,} images, sha256 {training.fingerprint[:16]}",
               note))


def _found(args: Namespace, made, noise, steps: int, label: int | None):
    """The attribution at every step, who drew the sample, and the sample without each of some images."""
    from tqdm import tqdm

    from compare.attribution.influence import redrawn
    from compare.attribution.page.subject import most_winning
    from compare.attribution.trace import inspect_machine, inspect_path
    from theory import CosineSchedule

    schedule = CosineSchedule()
    settings = {"patch_sizes": made.patch_sizes, "strengths": made.strengths, "labels": label}
    options = settings | {"top": args.top, "deviation": True}
    redraws = 0 if args.along else min(args.left_out, made.machine.count - 1)
    with tqdm(total=steps * (1 + redraws), desc="steps", disable=None, leave=False) as bar:
        if args.along is None:
            found = inspect_machine(made.machine, noise, schedule, steps, callback=bar.update, **options)
            chosen = most_winning(found.isel(sample=0), redraws)
            without = redrawn(made.machine, noise, schedule, chosen, drawn=found.drawn.values, steps=steps,
                              callback=bar.update, **settings).isel(sample=0) if chosen else None
            return found.isel(sample=0), "theory", without
        from compare.study.networks import load_network
        from compare.study.sampling import trajectory
        from empirical import checkpoint

        denoiser = load_network(checkpoint.find(args.along), "cpu")[0].denoiser
        path = trajectory(denoiser, noise, schedule, steps, None if label is None else [label])
        found = inspect_path(made.machine, path, path.x0[0], schedule, callback=bar.update, **options)
        return found.isel(sample=0), "the network", None


main = main_of(parser, _inspect)


if __name__ == "__main__":
    sys.exit(main())
