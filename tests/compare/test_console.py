"""`patchmosaic COMMAND`: the same commands by one name, and what a bug report should say."""

import importlib.metadata
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import compare.run
from compare.console import COMMANDS, main
from tests.compare.commands import quick_help, status

ROOT = Path(__file__).parents[2]


def test_every_command_has_its_name():
    modules = {f"compare.{p.stem}" for p in (ROOT / "compare").glob("*.py") if "\nmain = main_of(" in p.read_text()}
    assert {module for module, _ in COMMANDS.values()} == modules | {"empirical.train"}
    assert all(module.split(".")[-1] == name for name, (module, _) in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_comes_through(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/patchmosaic", name, "--help"])
    assert status(main, None) == 0
    module, _ = COMMANDS[name]
    out = capsys.readouterr().out
    assert f"{module} " in out and "usage: patchmosaic [" not in out  # its own docstring's example, its own usage


def test_options_and_status_are_handed_on(monkeypatch):
    given = []
    monkeypatch.setattr(compare.run, "main", lambda argv: given.append(argv) or 130)
    assert main(["run", "--dataset", "toy", "--out=a b", "--", "-x"]) == 130
    assert given == [["--dataset", "toy", "--out=a b", "--", "-x"]]


@pytest.mark.parametrize("script, prog", [("/opt/bin/patchmosaic", "patchmosaic run"),
                                          ("patchmosaic.exe", "patchmosaic run"), ("pytest", "python -m compare.run")])
def test_errors_name_the_command_as_it_was_called(script, prog, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script])
    assert status(main, ["run", "--dataset", "toy", "--samples", "none"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"{prog}: error: argument --samples: ") and err.count("\n") == 1 and not out


@pytest.mark.parametrize("wrong", [[], ["ran"], ["--dataset", "toy"]], ids=shlex.join)
def test_user_errors_take_one_line(wrong, capsys):
    assert status(main, wrong) == 2
    out, err = capsys.readouterr()
    assert err.startswith("patchmosaic: error: ") and err.count("\n") == 1 and not out


def test_version_is_of_what_runs(capsys):
    assert status(main, ["--version"]) == 0
    said = {line.split()[0]: line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines()}
    assert list(said)[0] == "patchmosaic"
    for package in ("numpy", "scipy", "numba", "llvmlite", "xarray", "h5netcdf"):
        assert said[package] == importlib.metadata.version(package)
    assert said["torch"].startswith(f"{torch.__version__}, CUDA {torch.version.cuda or 'not built in'}, ")
    assert said["python"] == sys.version.split()[0]
    assert {"system", "cpu", "threads"} <= set(said)


def test_version_names_the_commit_of_a_clone(capsys):
    git = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    if git.returncode:
        pytest.skip("no clone")
    assert status(main, ["--version"]) == 0
    assert f", commit {git.stdout[:12]}" in capsys.readouterr().out.splitlines()[0]


def test_help_is_quick():
    assert "patchmosaic run --dataset toy" in quick_help("compare.console")
