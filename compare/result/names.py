"""What machines are called in every dataset, table and figure. The first word is the kind of machine."""

from __future__ import annotations

IDEAL = "ideal"
"""Name of the ideal score machine."""


def els_fitted(variant: str) -> str:
    """Name of the equivariant local machine whose k(t) is fitted to the variant."""
    return f"els fitted to {variant}"


def fitted(form: str, variant: str, training_seed: int | None = None) -> str:
    """Name of a closed form whose settings are fitted to the variant; with training_seed, attending as that network."""
    return f"{form}{'' if training_seed is None else f' of seed {training_seed}'} fitted to {variant}"


AS_DERIVED = " as derived"
"""How the name of a closed form ends whose settings are those of its derivation, fitted to nothing."""


def derived(form: str, variant: str | None = None, training_seed: int | None = None) -> str:
    """Name of a closed form as it was derived; with variant and training_seed, attending as that network."""
    return f"{form}{'' if variant is None else f' of {variant} seed {training_seed}'}{AS_DERIVED}"


def machines_for(variant: str, machines: list[str]) -> list[str]:
    """The machines to hold against a variant: those that are fitted to none, and those that are fitted to it."""
    return [name for name in machines if " fitted to " not in name or name.endswith(f" fitted to {variant}")]
