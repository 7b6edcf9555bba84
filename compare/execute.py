"""How a command's study is carried out: once, in a folder, with its table and figures."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from compare.cli import bar, device, set_threads
from compare.report.report import Report
from compare.result import schema, zarr_store
from compare.study.config import NetworksConfig
from compare.study.folder import Elsewhere, Parts, RunFolder, Share, SharedFolder, check_folder, short_hash
from compare.study.networks import expand_names, find_all, weights_of
from compare.study.pipeline import WHOLE, Run, Stages, Study, carry_out, in_blocks
from compare.study.place import Here, Place
from compare.study.price import foretell
from compare.study.workers import AT_ONCE, cluster
from empirical.atomic import write_text
from empirical.progress import Progress, announce

LESS = "--samples and --quick make it smaller, --shard and --cluster spread it"


Printed = Callable[[xr.Dataset, dict[str, Path]], str]


class Plan(NamedTuple):
    """What a command is to compute.

    name: of the folder; resolved: everything that decides the numbers, as JSON; file: the dataset's name
    study: from the folder, the command to be recorded and the place where denoisers answer
    report: what is said of the dataset, and its figures; stages: which of the study
    """

    name: str
    resolved: dict
    file: str
    study: Callable[[Parts, str, Place], Study]
    report: Report
    stages: Stages = WHOLE


def execute(plan: Plan, args: Namespace, command: str, threads: int, printed: Printed | None = None) -> None:
    """Compute the dataset, unless it is there, write tables and figures, and print the table and where all is.

    args: with out, prog and dry_run; what the dataset will take is said first, and with dry_run no more done.
    printed: what is printed instead, from the dataset and its files by what they are.
    """
    path, here = args.out or Path("runs") / f"{plan.name}-{short_hash(plan.resolved)}", Here()
    result = (path / plan.file).with_suffix(zarr_store.SUFFIX if args.format == "zarr" else ".nc")
    forecast, share = None, args.shard and Share(*args.shard)
    if result.exists():
        check_folder(path, plan.resolved)
        sys.stderr.write(f"{path} is done; delete it to run again\n")
    else:
        set_threads(threads)
        forecast = foretell(plan.study, plan.stages, path, plan.resolved, command, here, threads, share)
        announce(args.prog, forecast, LESS)
    if args.dry_run:
        return
    if share is not None:
        if forecast is not None:
            _carry_out_share(plan, path, share, command, here, Progress(args.prog, forecast))
        return
    with nullcontext(here) if forecast is None or args.cluster is None else cluster(args.cluster, threads) as place:
        folder = RunFolder(path, plan.resolved, bar, at_once=AT_ONCE * place.count if place is not here else 1)
        try:
            if forecast is not None:
                with Progress(args.prog, forecast) as folder.foretold:
                    asked = plan.study(folder, command, place), folder, command, place, plan.stages
                    if args.format == "zarr":
                        zarr_store.write(in_blocks(*asked), result)
                    else:
                        schema.write(carry_out(*asked), result)
            dataset = schema.read(result)
            text, table, numbers = plan.report.text(dataset), path / "table.txt", path / "summary.csv"
            write_text(table, text)
            write_text(numbers, plan.report.tidy(dataset).to_csv(index=False))
            figures = plan.report.draw(dataset, path / "figures")
        finally:
            folder.close()
    if printed is None:
        print(text)
        print("\n".join(map(str, ("Written:", result, table, numbers, *figures))))
    else:
        print(printed(dataset, {"table": table, "numbers": numbers, "dataset": result, "figures": path / "figures"}))


def _carry_out_share(plan: Plan, path: Path, share: Share, command: str, here: Here, progress: Progress) -> None:
    """Do what is this share's, and what all need; the command without --shard merges."""
    folder = SharedFolder(path, plan.resolved, bar, share)
    try:
        with progress as folder.foretold, suppress(Elsewhere):
            plan.stages.make(Run(plan.study(folder, command, here), folder, here))
    finally:
        folder.close()
    print(f"Share {share.number} of {share.count} is done in {path}; when all are, the command without --shard merges.")


def plan_on_networks(name: str, config: NetworksConfig, args: Namespace, study: Callable[..., Study],
                     report: Report) -> Plan:
    """Return the plan of a study of the toy networks that `args.networks` names.

    config: to which the command's options are added; study: of config, the networks' checkpoints and the folder.
    """
    config = config.with_given(vars(args) | {"networks": expand_names(args.networks), "device": device(args.device)})
    stems = find_all(config.networks)
    return Plan(name, config.to_json() | weights_of(config.networks, stems), f"{name}.nc",
                lambda folder, *_: study(config, stems, folder), report)
