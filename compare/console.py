"""Closed-form score machines beside trained diffusion networks: one name for every command.

  patchmosaic run --dataset toy --samples 64 --seed 5 --out runs/toy-5
  patchmosaic inspect runs/toy-5/result.nc --sample 3 --out sample-3.html
  patchmosaic run --help

commands:
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys

from compare.cli import Parser

COMMANDS = {
    "run": ("compare.run", "compare machines and networks from the same noise: dataset, table, figures"),
    "inspect": ("compare.inspect", "show which training patches a sample came from"),
    "novelty": ("compare.novelty", "say of images of any origin whether they are copies or mosaics"),
    "figures": ("compare.figures", "draw the papers' figures"),
    "attention": ("compare.attention", "ask how well closed forms of attention predict networks"),
    "approach": ("compare.approach", "ask which closed form a network approaches while it is trained"),
    "calibrate": ("compare.calibrate", "fit k(t) and lambda(t) to a network"),
    "train": ("empirical.train", "train a network"),
}
"""Module and one line of each command; a module is imported when it is asked for."""


def parser() -> argparse.ArgumentParser:
    """Return the command line: a command, and what is handed on to it."""
    lines = "\n".join(f"  {name:10} {summary}" for name, (_, summary) in COMMANDS.items())
    parse = Parser("compare.console", __doc__ + lines)
    parse.prog = "patchmosaic"
    parse.add_argument("--version", action=_Version, help="print the versions that matter in a bug report")
    parse.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of the above")
    parse.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its own; COMMAND --help shows them")
    return parse


def main(argv: list[str] | None = None) -> int:
    """Run a command by its name; returns its exit status."""
    args = parser().parse_args(argv)
    module, _ = COMMANDS[args.command]
    return importlib.import_module(module).main(args.arguments)


def environment() -> dict[str, str]:
    """Return what a bug report should say: versions, commit, operating system, CPU and threads, by name."""
    from compare.result.provenance import checkout, versions

    found, here = versions(), checkout()
    ours = found.pop("patchmosaic")
    if here:
        ours += f", commit {here['git_commit']:.12}{' with changes' if here['git_dirty'] else ''}"
    return {"patchmosaic": ours} | found | _torch() | {
        "system": platform.platform(),
        "cpu": _cpu(),
        "threads": _threads(),
    }


class _Version(argparse.Action):
    """Prints the environment and leaves."""

    def __init__(self, option_strings: list[str], dest: str, **options):
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_) -> None:
        for name, said in environment().items():
            print(f"{name:12} {said}")
        parser.exit()


def _torch() -> dict[str, str]:
    """The build of torch and its GPU; a torch that cannot be imported says why."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return {"torch": f"cannot be imported: {error}"}
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {"torch": f"{torch.__version__}, CUDA {torch.version.cuda or 'not built in'}, {gpu}"}


def _cpu() -> str:
    """The model, and LLVM's name of it, which the kernels are compiled for."""
    from llvmlite.binding import get_host_cpu_name

    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model} ({get_host_cpu_name()})"


def _threads() -> str:
    """CPUs that this process may use, and how many numba takes."""
    import numba

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    taken = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # set when numba is imported
    return f"{usable} of {os.cpu_count()} CPUs usable, numba {taken}"


if __name__ == "__main__":
    sys.exit(main())
