"""Numbers on pages come from datasets: every table is made again, and no page of results has a number of its own."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
RESULT_PAGES = sorted([DOCS / "results.md", *DOCS.glob("results/**/*.md")])
PUBLISHED = {"0.25", "0.65"}
"""Decimals that a result page may hold outside tables: the ends of the time window that toy networks are trained on."""
README_TABLES = ("images-short.md", "toy-short.txt")


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    sys.path.insert(0, str(DOCS))
    try:
        import make_tables
        return make_tables.tables()
    finally:
        sys.path.remove(str(DOCS))


@pytest.mark.slow
def test_tables_are_those_of_the_datasets(made):
    committed = {path.name: path.read_text() for path in (DOCS / "tables").iterdir()}
    assert committed.keys() == made.keys()
    changed = [name for name, text in made.items() if committed[name] != text]
    assert not changed, f"python docs/make_tables.py makes other tables than are committed: {', '.join(changed)}"


@pytest.mark.parametrize("name", README_TABLES)
def test_readme_holds_the_table(name):
    assert (DOCS / "tables" / name).read_text() in (ROOT / "README.md").read_text()


def test_every_table_is_on_a_page():
    pages = "".join(path.read_text() for path in DOCS.rglob("*.md"))
    unused = [path.name for path in (DOCS / "tables").iterdir()
              if f"tables/{path.name}" not in pages and path.name not in README_TABLES]
    assert not unused


def typed_numbers(text: str) -> list[str]:
    """Decimals in prose: outside included files, code, and the targets of links."""
    for outside in (r"```.*?```", r"`[^`]*`", r"\]\([^)]*\)"):
        text = re.sub(outside, "", text, flags=re.DOTALL)
    return [found for found in re.findall(r"(?<![\w.])\d*\.\d+", text) if found not in PUBLISHED]


@pytest.mark.parametrize("page", RESULT_PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_result_pages_have_no_numbers_of_their_own(page):
    assert not typed_numbers(page.read_text()), "numbers belong in docs/tables, made by docs/make_tables.py"


def test_typed_numbers_are_seen():
    assert typed_numbers("r is 0.97 [.96, +0.98] at k = 5; `0.1`, [a](b-0.5.md)\n```{include} x0.3\n```\n") == [
        "0.97", ".96", "0.98"]


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))],
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page):
    """But for commands, tables, formulas and links, which cannot be broken."""
    if page.parent == DOCS / "tables":
        return
    prose = re.sub(r"```.*?```|\$\$.*?\$\$", "", page.read_text(), flags=re.DOTALL)
    assert not [line for line in prose.splitlines() if len(line) > 120 and not re.match(r"\s*(\||!?\[|-? *\$)", line)]


def test_readme_is_read_in_two_minutes():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
