"""How a command's study is carried out: once, in a folder, with its table and figures."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import xarray as xr

from compare.cli import bar, device, set_threads
from compare.report.report import Report
from compare.result import schema
from compare.study.config import NetworksConfig
from compare.study.folder import RunFolder, short_hash
from compare.study.networks import expand_names, find_all, weights_of
from compare.study.pipeline import Study, carry_out
from empirical.atomic import write_text


class Plan(NamedTuple):
    """What a command is to compute.

    name: of the folder; resolved: everything that decides the numbers, as JSON; file: the dataset's name
    study: from the folder and the command to be recorded; carry_out: how the dataset is made of these
    report: what is said of the dataset, and its figures
    """

    name: str
    resolved: dict
    file: str
    study: Callable[[RunFolder, str], Study]
    report: Report
    carry_out: Callable[[Study, RunFolder, str], xr.Dataset] = carry_out


def execute(plan: Plan, out: Path | None, command: str, threads: int) -> None:
    """Compute the dataset, unless it is there, write tables and figures, and print the table and where all is."""
    folder = RunFolder(out or Path("runs") / f"{plan.name}-{short_hash(plan.resolved)}", plan.resolved, bar)
    try:
        path = folder.path / plan.file
        if path.is_file():
            sys.stderr.write(f"{folder.path} is done; delete it to run again\n")
        else:
            set_threads(threads)
            schema.write(plan.carry_out(plan.study(folder, command), folder, command), path)
        dataset = schema.read(path)
        text, table, numbers = plan.report.text(dataset), folder.path / "table.txt", folder.path / "summary.csv"
        write_text(table, text)
        write_text(numbers, plan.report.tidy(dataset).to_csv(index=False))
        figures = plan.report.draw(dataset, folder.path / "figures")
    finally:
        folder.close()
    print(text)
    print("\n".join(map(str, ("Written:", path, table, numbers, *figures))))


def plan_on_networks(name: str, config: NetworksConfig, args: Namespace, study: Callable[..., Study],
                     report: Report) -> Plan:
    """Return the plan of a study of the toy networks that `args.networks` names.

    config: to which the command's options are added; study: of config, the networks' checkpoints and the folder.
    """
    config = config.with_given(vars(args) | {"networks": expand_names(args.networks), "device": device(args.device)})
    stems = find_all(config.networks)
    return Plan(name, config.to_json() | weights_of(config.networks, stems), f"{name}.nc",
                lambda folder, _: study(config, stems, folder), report)
