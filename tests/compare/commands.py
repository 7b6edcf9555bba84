"""What the tests of several commands ask."""

import subprocess
import sys

import xarray as xr

HEAVY = {"torch", "numba", "xarray", "scipy", "numpy", "matplotlib", "tqdm"}


def status(main, argv):
    """The exit status of a command, also where argparse leaves."""
    try:
        return main(argv)
    except SystemExit as exit:
        return exit.code


def same_numbers(one, other):
    """Two results but for where they came from."""
    xr.testing.assert_identical(one.drop_attrs(deep=False), other.drop_attrs(deep=False))


def quick_help(module):
    """What a command's --help prints; nothing heavy may be imported for it."""
    script = (f"import sys; from {module} import main\n"
              "try: main(['--help'])\n"
              "except SystemExit as exit: assert exit.code == 0\n"
              f"heavy = {HEAVY} & set(sys.modules)\n"
              "assert not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
