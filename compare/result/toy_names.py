"""What the machines of the toy study are called, in the dataset, the table and the figures alike."""

from __future__ import annotations

ATTENTIONS = ("uniform", "identity", "top1")

ATTENTION_FITTED = {"cnn": "uniform", "cnn-top1": "top1", "cnn-identity": "identity", "cnn-learned": "uniform"}
"""The attention rule whose lambda(t) is fitted to a variant and that answers for it, chosen beforehand: the network's
own rule, and uniform, which prefers no pixel, where the rule is learned or there is none."""


def attention_fitted(variant: str) -> str:
    """Name of the attention machine whose lambda(t) is fitted to the variant, on top of the variant's k(t)."""
    return f"{ATTENTION_FITTED[variant]} fitted to {variant}"


def els_fixed(patch_size: int) -> str:
    """Name of the equivariant local machine with one window size."""
    return f"els k={patch_size}"


def attention_fixed(attention: str, patch_size: int, strength: float) -> str:
    """Name of the attention machine whose window and strength are stated beforehand."""
    return f"{attention} k={patch_size} lambda={strength:g}"
