"""Which package may import which: theory <- empirical (its schedules and errors only) <- compare."""

import ast
import sys
from graphlib import TopologicalSorter
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
        return top == "empirical" or name.startswith(("theory.schedules", "theory.samplers", "theory.errors"))
    return True


@pytest.mark.parametrize("path", [p for r in sorted(OURS) for p in sorted((ROOT / r).rglob("*.py"))],
                         ids=lambda p: str(p.name))
def test_imports_point_one_way(path):
    wrong = [name for name in imports(path) if not allowed(path, name)]
    assert not wrong, f"{path} imports {wrong}"


@pytest.mark.parametrize("path", sorted((ROOT / "theory").rglob("*.py")), ids=lambda p: str(p.name))
def test_theory_needs_only_the_numerical_packages(path):
    third_party = {n.split(".")[0] for n in imports(path)} - OURS - set(sys.stdlib_module_names)
    allowed_here = SCIENCE | {"torch"} if TORCH_ENGINE & set(path.parts) else SCIENCE
    assert third_party <= allowed_here, f"{path} imports {third_party - allowed_here}"


@pytest.mark.parametrize("path", sorted((ROOT / "theory" / "_kernels").glob("*.py")), ids=lambda p: str(p.name))
def test_kernels_know_only_arrays(path):
    third_party = {n.split(".")[0] for n in imports(path)} - set(sys.stdlib_module_names)
    assert third_party <= {"numpy", "numba", "llvmlite", "theory"}
    assert all(n.startswith("theory._kernels") for n in imports(path) if n.startswith("theory"))


def test_naive_twins_import_nothing_of_ours():
    assert set(imports(ROOT / "tests" / "naive.py")) <= {"math", "numpy"}


ORDER = ("cli", "measure", "result", "study", "report", "attribution", "paper")
"""Folders of compare, each may import those before it; what lies at its top, the commands, comes last."""


def module(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def floor(name):
    """Height of a module of compare, or of a name in it."""
    below_compare = name.split(".")[1]
    return ORDER.index(below_compare) if below_compare in ORDER else len(ORDER)


def arrows_up():
    for path in (ROOT / "compare").rglob("*.py"):
        for name in imports(path):
            if name.startswith("compare.") and floor(name) > floor(f"{module(path)}."):
                yield module(path), [*ORDER, "commands"][floor(name)]


def test_compare_imports_in_order():
    assert not list(arrows_up())


def test_no_module_of_compare_imports_itself_in_a_circle():
    paths = {module(path): path for path in (ROOT / "compare").rglob("*.py")}
    packages = {name for name, path in paths.items() if path.name == "__init__.py"}
    graph = {name: set(imports(path)) & set(paths) - packages for name, path in paths.items() if name not in packages}
    list(TopologicalSorter(graph).static_order())  # CycleError names the circle
