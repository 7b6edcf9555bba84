"""What the commands share: one-line errors, and an exit status for each way to end."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

USER_ERROR = 2


class Parser(argparse.ArgumentParser):
    """argparse with the module's docstring as help, and errors in one line instead of the usage and a line."""

    def __init__(self, module: str, description: str):
        super().__init__(prog=f"python -m {module}", description=description,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (--help shows the options)\n")


def run(prog: str, work: Callable[[], int]) -> int:
    """`work`'s exit status; 2 after a ValueError or OSError, said in one line; 130 or 143 after SIGINT or SIGTERM.

    Library functions say in a ValueError's one line what was given and what is wanted: it is handed on to the user.
    """
    def stop(number, _):
        raise KeyboardInterrupt(number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return work()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{prog}: error: {' '.join(str(error).split())}\n")
        return USER_ERROR
    except KeyboardInterrupt as interrupt:
        sys.stderr.write(f"{prog}: stopped; the same command goes on from what is done\n")
        return 128 + (interrupt.args[0] if interrupt.args else signal.SIGINT)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
