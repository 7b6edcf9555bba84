"""Search for faults for as long as one likes: kill runs, fail their writes, damage their files, fuzz the machines.

  python -m tests.campaign --minutes 60
  python -m tests.campaign --minutes 5 --parts damage --seed 7 --out damage.json

prints what was done and what was found, and writes it as JSON. The exit status is 1 if a fault was found.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
import time
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from empirical.atomic import write_text
from tests.campaign import FAULT, PARTS


def main(argv: list[str] | None = None) -> int:
    """Run the parts; return the exit status."""
    args = _parser().parse_args(argv)
    chosen = [module for module in PARTS if args.parts is None or _name(module) in args.parts]
    found = {}
    for module in tqdm(chosen, desc="parts", unit="part", disable=None):
        found[_name(module)] = _part(module, args.seed, args.minutes / len(chosen))
    record = {"seed": args.seed, "minutes": args.minutes, "python": platform.python_version(),
              "system": f"{platform.system()} {platform.machine()}", "parts": found}
    if args.out is not None:
        write_text(args.out, json.dumps(record, indent=1) + "\n")
    faults = [f"{name}: {fault}" for name, part in found.items() for fault in part["faults"]]
    print("\n".join([*_lines(found), f"{len(faults)} faults", *faults]))
    return int(bool(faults))


def _parser() -> argparse.ArgumentParser:
    names = [_name(module) for module in PARTS]
    parse = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--minutes", type=float, default=60.0, help="for all parts together (default: 60)")
    parse.add_argument("--parts", nargs="+", choices=names, metavar="NAME", help=f"{' '.join(names)} (default: all)")
    parse.add_argument("--seed", type=int, default=0, help="what is tried (default: 0)")
    parse.add_argument("--out", type=Path, metavar="FILE", help="the record, JSON (default: none)")
    return parse


def _part(module: str, seed: int, minutes: float) -> dict:
    """What a part did and found, and how long it took."""
    part, started = importlib.import_module(module), time.monotonic()
    counts: Counter = part.run(seed, minutes)
    return {"what": (part.__doc__ or module).splitlines()[0], "minutes": round((time.monotonic() - started) / 60, 1),
            "counts": {name: counts[name] for name in sorted(counts) if not name.startswith(FAULT)},
            "faults": {name.removeprefix(FAULT): counts[name] for name in sorted(counts) if name.startswith(FAULT)}}


def _lines(found: dict) -> list[str]:
    return [f"{name:16} {count:8,} {what}" for name, part in found.items() for what, count in part["counts"].items()]


def _name(module: str) -> str:
    return module.rpartition(".")[2].removeprefix("test_")


if __name__ == "__main__":
    sys.exit(main())
