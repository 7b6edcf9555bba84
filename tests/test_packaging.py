"""What is handed out: wheel, sdist, the repository's weight, and versions that pyproject and constraints name."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from compare.console import main

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PACKAGES = ("theory", "empirical", "compare")
CHECKPOINTS = {p.relative_to(ROOT).as_posix() for p in (ROOT / "empirical" / "checkpoints").rglob("*.*")}


def tracked(*folders):
    """Paths of the repository's files, relative to it."""
    git = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", *folders], capture_output=True, text=True)
    if git.returncode:
        pytest.skip("no clone")
    return {name for name in git.stdout.split("\0") if (ROOT / name).is_file()}


def contents(builder):
    return {file.distribution_path for file in builder(str(ROOT)).recurse_included_files()}


def test_the_wheel_is_the_three_packages():
    found = contents(WheelBuilder)
    assert found >= tracked(*PACKAGES) | CHECKPOINTS
    assert {name.split("/")[0] for name in found} == set(PACKAGES)
    assert {f"{package}/py.typed" for package in PACKAGES} <= found
    for name in ("page/page.html", "page/page.css", "page/script/main.js"):
        assert f"compare/attribution/{name}" in found
    assert "compare/report/patchmosaic.mplstyle" in found


def test_the_sdist_is_what_users_need():
    found = contents(SdistBuilder)
    assert found >= contents(WheelBuilder) | {"CHANGELOG.md", "constraints.txt"}  # hatchling adds README and licence
    assert not any(name.startswith(("docs/", "tests/", ".ci/")) for name in found)


def test_the_repository_is_light():
    sizes = {name: (ROOT / name).stat().st_size for name in tracked()}
    assert {name: size for name, size in sizes.items() if size > 2_000_000} == {}
    assert sum(sizes.values()) < 30_000_000


def test_the_script_is_the_console():
    assert PROJECT["scripts"] == {"patchmosaic": f"{main.__module__}:{main.__name__}"}


def wanted():
    """Every requirement, with those of the extras: (name, lowest version)."""
    every = [*PROJECT["dependencies"], *(one for extra in PROJECT["optional-dependencies"].values() for one in extra)]
    return [re.match(r"([\w.-]+)>=([\d.]+)", one).groups() for one in every]


def pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.lower().split("==") for line in lines if not line.startswith("#"))


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)][:3]


@pytest.mark.parametrize("name, lowest", wanted())
def test_what_is_pinned_lies_in_the_range(name, lowest):
    assert numbers(pinned()[name]) >= numbers(lowest)
