"""Docstrings of machines: parameters as the signatures have them, examples that run, references that exist."""

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import theory
from theory.machines.machine import ScoreMachine

MODULES = ["theory.arguments", "theory.errors",
           *(module.name for module in pkgutil.walk_packages(theory.machines.__path__, "theory.machines."))]
PUBLIC = [getattr(theory, name) for name in theory.__all__]
MACHINES = [kind for kind in PUBLIC if inspect.isclass(kind) and issubclass(kind, ScoreMachine)]
METHODS = list(dict.fromkeys(
    method for kind in MACHINES for name, method in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"))
DOCUMENTED = [*MACHINES, *METHODS]
REFERENCE = re.compile(r"\[([A-Z]+\d{4})\]_")


def parameters_of(docstring):
    """The names under Parameters, in their order."""
    section = re.search(r"Parameters\n-+\n(.*?)(\n\n\w[\w ]*\n-+\n|\Z)", docstring, re.S)
    return re.findall(r"^(\*{0,2}\w+)(?: : .+)?$", section[1], re.M) if section else []


def signature_of(function):
    mark = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    parameters = inspect.signature(function).parameters.values()
    return [mark.get(p.kind, "") + p.name for p in parameters if p.name != "self"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda d: d.__qualname__)
def test_parameters_are_those_of_the_signature(documented):
    assert parameters_of(inspect.getdoc(documented)) == signature_of(documented)


@pytest.mark.parametrize("documented", DOCUMENTED, ids=lambda d: d.__qualname__)
def test_it_begins_with_what_it_does_and_has_an_example(documented):
    first, *rest = inspect.getdoc(documented).split("\n")
    assert first.endswith(".") and not rest[0]
    assert first.split()[0] in ("Denoise", "Return")
    assert "\nExamples\n--------\n>>> " in "\n".join(rest)


def test_every_reference_is_in_the_bibliography():
    known = set(re.findall(r"^\.\. \[([A-Z]+\d{4})\]", theory.__doc__, re.M))
    used = {key for path in Path(theory.__file__).parent.rglob("*.py") for key in REFERENCE.findall(path.read_text())}
    assert {"KG2025", "FKTB2025"} <= used <= known
