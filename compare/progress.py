"""How long work shows how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Progress = Callable[[list, str], Iterable[Any]]
"""Goes through a list of things to do, showing how far it is and what is being done."""


def bar(things: list, what: str) -> Iterable[Any]:
    """A bar on stderr; nothing where stderr is no terminal."""
    from tqdm import tqdm

    return tqdm(things, desc=what, disable=None, leave=False)


def quiet(things: list, what: str) -> Iterable[Any]:
    """Nothing at all."""
    return things
