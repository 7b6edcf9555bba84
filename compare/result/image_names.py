"""What machines and networks of an image study are called, in the dataset, the table and the figures alike."""

from __future__ import annotations

NETWORK_FREE = ("validation", "entropy")
"""Those of RULES that need no network: their k(t) is the same for every variant."""

ATTENTION_FITTED = {"identity": "identity", "top1": "top1", "learned": "uniform"}
"""The attention rule whose lambda(t) is fitted to a network with the attention named: its own, and uniform, which
prefers no pixel, where the rule is learned."""


def variant_name(network: str, attention: str | None) -> str:
    """"resnet", "unet-identity"."""
    return network if attention is None else f"{network}-{attention}"


def els_by(rule: str, variant: str) -> str:
    """Name of the equivariant local machine whose k(t) is chosen by one of RULES; the variant, where it needs one."""
    return f"els by {rule}" if rule in NETWORK_FREE else f"els by {rule} fitted to {variant}"


def local_fitted(variant: str) -> str:
    """Name of the local machine whose k(t) is fitted to the variant by cosine."""
    return f"local fitted to {variant}"


def attention_fitted(attention: str, variant: str) -> str:
    """Name of the attention machine, by the network's attention, whose lambda(t) is fitted to the variant."""
    return f"{ATTENTION_FITTED[attention]} fitted to {variant}"
