"""Which package may import which: theory <- empirical (its schedules and errors only) <- compare."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"theory", "empirical", "compare"}
SCIENCE = {"numpy", "scipy", "numba", "xarray", "llvmlite"}
TORCH_ENGINE = {"torch_backend.py", "_torch"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path):
    return path.relative_to(ROOT).parts[0]


def allowed(path, name):
    top = name.split(".")[0]
    if top not in OURS:
        return True
    if room(path) == "theory":
        return top == "theory"
    if room(path) == "empirical":
        return top == "empirical" or name.startswith(("theory.schedules", "theory.errors"))
    return True


@pytest.mark.parametrize("path", [p for r in OURS for p in (ROOT / r).rglob("*.py")], ids=lambda p: str(p.name))
def test_imports_point_one_way(path):
    wrong = [name for name in imports(path) if not allowed(path, name)]
    assert not wrong, f"{path} imports {wrong}"


@pytest.mark.parametrize("path", list((ROOT / "theory").rglob("*.py")), ids=lambda p: str(p.name))
def test_theory_needs_only_the_numerical_packages(path):
    third_party = {n.split(".")[0] for n in imports(path)} - OURS - set(sys.stdlib_module_names)
    allowed_here = SCIENCE | {"torch"} if TORCH_ENGINE & set(path.parts) else SCIENCE
    assert third_party <= allowed_here, f"{path} imports {third_party - allowed_here}"


@pytest.mark.parametrize("path", list((ROOT / "theory" / "_kernels").glob("*.py")), ids=lambda p: str(p.name))
def test_kernels_know_only_arrays(path):
    third_party = {n.split(".")[0] for n in imports(path)} - set(sys.stdlib_module_names)
    assert third_party <= {"numpy", "numba", "llvmlite", "theory"}
    assert all(n.startswith("theory._kernels") for n in imports(path) if n.startswith("theory"))


def test_naive_twins_import_nothing_of_ours():
    assert set(imports(ROOT / "tests" / "naive.py")) <= {"math", "numpy"}
