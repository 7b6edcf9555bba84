"""The line-up of closed forms that studies choose from: who is fitted, fixed or as derived."""

from __future__ import annotations

from compare.result.identity import MachineIdentity
from compare.result.words import CLOSED_FORMS, NETWORK_MAP_FORMS
from compare.study.networks import NetworkEntry

WINDOW = 5
"""Side of the window that the toy networks see."""

DERIVED = {"own map": 1.0 / WINDOW**2, "own pair": 1.0, "uniform": 1.0 / WINDOW**2, "pair": 1.0}
"""The strength that a closed form has before anything is fitted, with the networks' window: joint matching counts the
attended patch like the own one; for evidence sharing 1 / k^2 is a choice, a noisy pixel counted once for each of the
k^2 windows that hold it."""

ATTENTION_FITTED = {"identity": "identity", "top1": "top1", "learned": "uniform"}
"""The attention rule whose lambda(t) is fitted to a network with the attention named, chosen beforehand: its own, and
uniform, which prefers no pixel, where the rule is learned; on the toy set it answers for a network without, too."""

WHOLE_IMAGE = (MachineIdentity("ideal"), MachineIdentity("wiener"))


def els_fixed(patch_size: int) -> MachineIdentity:
    """Return ELS with one window at every step."""
    return MachineIdentity("equivariant_local", patch_size=patch_size)


def fitted(kind: str, variant: str, attention: str = "") -> MachineIdentity:
    """Return a machine whose k(t), by cosine, and lambda(t) are fitted to a variant."""
    return MachineIdentity(kind, attention, "fitted", variant, window_rule="cosine")


def els_by(rule: str, variant: str = "") -> MachineIdentity:
    """Return ELS whose k(t) is chosen by one of `result.words.WINDOW_RULES`."""
    return MachineIdentity("equivariant_local", "", "fitted", variant, window_rule=rule)


def fitted_form(form: str, network: NetworkEntry) -> MachineIdentity:
    """Return a form of CLOSED_FORMS fitted to the network's variant, attending as the network where it does so."""
    own = {"map_of": network.variant, "map_of_seed": network.training_seed} if form in NETWORK_MAP_FORMS else {}
    return MachineIdentity(*CLOSED_FORMS[form], "fitted", network.variant, window_rule="cosine", **own)


def derived_form(form: str, network: NetworkEntry | None = None) -> MachineIdentity:
    """Return a form of DERIVED with the settings of its derivation, attending as the network where it does so."""
    whose = {} if network is None else {"map_of": network.variant, "map_of_seed": network.training_seed}
    return MachineIdentity(*CLOSED_FORMS[form], "derived", patch_size=WINDOW, strength=DERIVED[form], **whose)
