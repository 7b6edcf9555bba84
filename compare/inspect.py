"""Show which training patches a sample came from: one HTML page that needs no server and fetches nothing.

  python -m compare.inspect docs/results/toy/result.nc --sample 3 --network cnn-learned --out sample-3.html --png
  python -m compare.inspect runs/toy --all --out gallery

draws the machine's image again from the sample's noise and writes, pixel by pixel and step by step, the training
patches that it is made of, beside the network's image from the same noise. --png adds a figure for print.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from compare.cli import Parser, main_of, use_threads, user_error


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
    add("--all", action="store_true", help="a gallery: an index of all samples, and a page for each; pages that are "
        "there are left")
    add("--out", type=Path, metavar="FILE", help="the page (default: sample-N.html); with --all the gallery's folder "
        "(default: gallery)")
    add("--jobs", type=int, metavar="N", help="CPU threads, with --all processes (default: all)")
    add("--png", action="store_true", help="also a figure for print, beside the page")
    add("--train", metavar="SET", help="the training images, where the result does not say whence they come (of "
        "compare_own): npz:FILE, npy:FILE or folder:PATH")
    add("--data-dir", type=Path, metavar="FOLDER", help="where real training images are looked for first")
    parse.add_error_options()
    return parse


def _inspect(args: Namespace, command: str) -> None:
    threads = use_threads(args.jobs)
    if args.left_out < 0:
        raise user_error(f"--left-out: got {args.left_out}, want at least 0")
    if args.all:
        _refuse_of_one(args)
        _gallery(args, _load(args.result), threads)
    else:
        _page(args)


def _refuse_of_one(args: Namespace) -> None:
    for name, given in (("sample", args.sample != 0), ("along", args.along is not None), ("png", args.png)):
        if given:
            raise user_error(f"--{name}: got it with --all, want it for one sample")


def _page(args: Namespace) -> None:
    out = args.out or Path(f"sample-{args.sample}.html")
    if not out.parent.is_dir():
        raise user_error(f"--out: found no folder {out.parent}, want one that exists")
    from compare.attribution.page.document import page
    from empirical.atomic import write_text

    result = _load(args.result)
    if args.sample not in result.sample.values:
        raise user_error(f"--sample: got {args.sample}, want {result.sample.values[0]} to {result.sample.values[-1]}")
    if args.sample not in result.sample.values[: result.attrs.get("images_kept")]:
        raise user_error(f"--sample: got {args.sample}, want less than {result.attrs['images_kept']}: the result was "
                         "shipped without the images of the others")
    subject = _subject(args, result)
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

    if (path / "result.zarr").is_dir():
        path = path / "result.zarr"
    if path.is_dir() and path.suffix != ".zarr":
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


def _asked(args: Namespace):
    from compare.attribution.inspected import Inspection

    return Inspection(args.network, args.machine, args.along, args.top, args.left_out)


def _subject(args: Namespace, result):
    """The sample as a `Subject`, with a bar of its steps."""
    from tqdm import tqdm

    from compare.attribution.inspected import steps_of, subject_of

    training = _training_set(args, result)
    with tqdm(total=steps_of(result, _asked(args)), desc="steps", disable=None, leave=False) as bar:
        return subject_of(result, args.sample, training, _asked(args), source=str(args.result), callback=bar.update)


def _gallery(args: Namespace, result, threads: int) -> None:
    """A page for every sample and the index, in the folder --out."""
    from tqdm import tqdm

    from compare.attribution.gallery.index import index
    from compare.attribution.gallery.pages import make_pages, path_of, samples_of
    from empirical.atomic import write_text

    out = args.out or Path("gallery")
    out.mkdir(parents=True, exist_ok=True)
    run = args.result if args.result.is_dir() else args.result.parent
    training, samples = _training_set(args, result), samples_of(result)
    pages = make_pages(result, training, _asked(args), out, str(args.result), threads)
    made = sum(tqdm(pages, total=len(samples), desc="pages", disable=None, leave=False))
    table = run / "table.txt"
    text = index(result, _asked(args), out, title=f"Gallery of {run.resolve().name}", classes=training.classes,
                 table=table.read_text(encoding="utf-8") if table.is_file() else "There is none beside the result.",
                 figures=sorted((run / "figures").glob("*.png")))
    write_text(out / "index.html", text)
    size = sum(path_of(out, sample).stat().st_size for sample in samples)
    print(f"Written: {out / 'index.html'} and {len(samples)} pages, {made} of them now; "
          f"{size / len(samples) / 1000:,.0f} kB a sample, {size / 1e6:,.1f} MB in all")


main = main_of(parser, _inspect)


if __name__ == "__main__":
    sys.exit(main())
