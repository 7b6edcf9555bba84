"""Train a network, or go on with a training that was stopped.

  python -m empirical.train --attention learned --seed 1 --out runs/cnn-learned-1
  python -m empirical.train --dataset fashion-mnist --network resnet --preset small --subset 5000 --out runs/resnet
  torchrun --standalone --nproc_per_node=4 -m empirical.train --dataset cifar10 --preset paper --out runs/paper

The first is a toy network: it writes runs/cnn-learned-1.safetensors (averaged weights) and runs/cnn-learned-1.json (the
whole configuration, the loss history, the consistency of its samples); its defaults are the recipe of the shipped
networks, see docs/use/toy-networks.md. The others are networks for images, see docs/use/networks.md; a sheet of samples
lies
beside them, runs/resnet.png. While it runs, NAME.resume.safetensors holds its state: Ctrl-C, SIGTERM or a kill loses at
most the steps since the last one, and the same command goes on from there.
"""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import sys
from argparse import Namespace
from pathlib import Path

# The rest is imported where it is used: it takes seconds, in which Ctrl-C is to end in one line and --help to answer.


class Interrupts:
    """End the process on SIGINT and SIGTERM until the training asks for itself, then only remember them.

    At once, not by a KeyboardInterrupt: imports may swallow that, and all that is written can be stopped anywhere.
    """

    def __init__(self):
        self.received, self.asked = [], False

    def __enter__(self):
        self.previous = {number: signal.signal(number, self._receive) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _receive(self, number, _):
        self.received.append(number)
        if not self.asked:
            os.write(2, b"stopped while it was starting; the same command starts it again\n")
            os._exit(self.status)

    def stop(self) -> bool:
        """Return whether one came; from now on the run ends where it asks."""
        self.asked = True
        return bool(self.received)

    @property
    def status(self) -> int:
        """The exit status; of a process that another one of torchrun stopped, too."""
        return 128 + (self.received or [signal.SIGTERM])[0]


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status: 0 done, 2 a user's error, 130 or 143 stopped by SIGINT or SIGTERM."""
    argv = sys.argv[1:] if argv is None else argv
    with Interrupts() as interrupts:
        return _run(argv, interrupts)


def _run(argv: list[str], interrupts: Interrupts) -> int:
    from empirical.training.command_line import config_from, parser
    from theory.errors import UserError

    parse = parser(__doc__)
    args = parse.parse_args(argv)
    try:
        return _train(config_from(args), args, shlex.join([*parse.prog.split(), *argv]), interrupts)
    except (UserError, OSError) as error:
        if args.traceback:
            raise
        print(f"{parse.prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _train(config, args: Namespace, command: str, interrupts: Interrupts) -> int:
    from theory.errors import UserError

    threads = getattr(args, "threads", None)
    if threads is not None and threads < 1:
        raise UserError(f"threads: got {threads}, want at least 1")
    import torch

    from empirical.progress import Progress, announce
    from empirical.training.command_line import PROG
    from empirical.training.forecast import foretell
    from empirical.training.loop import is_finished

    if threads is not None:
        torch.set_num_threads(threads)
    rank, dataset = int(os.environ.get("RANK", 0)), None
    if not is_finished(args.out, config):
        dataset = config.load(getattr(args, "data_dir", None))
    forecast = foretell(config, args.out, dataset, args.device)
    if rank == 0 and forecast.left:
        announce(PROG, forecast, "--steps and --preset make it smaller")
    if args.dry_run:
        return 0
    args.out.parent.mkdir(parents=True, exist_ok=True)
    log = None if rank == 0 else io.StringIO()
    with Progress(PROG, forecast, log) as progress:
        return _trained(config, dataset, args, command, interrupts, progress)


def _trained(config, dataset, args: Namespace, command: str, interrupts: Interrupts, progress) -> int:
    from empirical.training.loop import Stopped, train

    def stop() -> bool:
        progress.add(progress.forecast.parts.get("step", 0.0))
        return interrupts.stop()

    try:
        out = train(config, args.out, dataset=dataset, device=args.device,
                    checkpoint_every=args.checkpoint_every, snapshots=args.snapshots, stop=stop, command=command)
    except Stopped as stopped:
        print(f"{stopped} of {config.steps}; the same command goes on from there", file=sys.stderr)
        return interrupts.status
    report(out, json.loads(Path(f"{out}.json").read_text(encoding="utf-8")))
    return 0


def report(out: Path, record: dict) -> None:
    """Print one line a set of samples."""
    for row in record["samples"]:
        if "sheet" in row:
            said = f"loss {record['losses'][-1]:.4f}, {row['n']} samples on {out.with_name(row['sheet'])}"
        else:
            shares = {name: f"{row[name] / row['n']:.3f}" for name in ("consistent", "clean", "novel")}
            said = f"{row['n']} samples: " + ", ".join(f"{name} {value}" for name, value in shares.items())
        print(f"{out}.safetensors  {row['steps']} steps, {said}")


if __name__ == "__main__":
    sys.exit(main())
