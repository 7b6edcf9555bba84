"""Every Python block of the README and of docs/ runs as it stands; blocks of one page share their names.

Of the shell blocks, every command of ours has the options that it is called with (.ci/run runs the README's own).
"""

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest

from empirical.training import command_line

ROOT = Path(__file__).parents[1]
PAGES = [p for p in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if "```python" in p.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_code_blocks_run(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    exec(compile("\n".join(blocks), page.name, "exec"), {"__name__": "page"})


def commands() -> list[tuple[str, str]]:
    """(page, what follows `python -m`) of each command of ours in a shell block."""
    found = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, command) for line in lines
                      for command in re.findall(r" -m ((?:compare|empirical|tests)\..*)", line)]
    return found


def parser(module: str) -> argparse.ArgumentParser:
    if module == "empirical.train":
        return command_line.parser("")
    return importlib.import_module(module).parser()


@pytest.mark.parametrize("page, command", commands())
def test_shell_commands_have_their_options(page, command):
    inner = command.rstrip('"') if command.count('"') % 2 else command  # sbatch --wrap "python -m ..."
    module, *arguments = shlex.split(re.sub(r"\$\w+", "1", inner), comments=True)  # a shell's variable is a number
    try:
        parser(module).parse_args(arguments)
    except SystemExit:
        pytest.fail(f"{page}: {command} is refused")


def test_shell_commands_are_found():
    assert {"compare.run", "compare.inspect", "compare.novelty", "compare.figures", "empirical.train"} <= {
        command.split()[0] for _, command in commands()}


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
