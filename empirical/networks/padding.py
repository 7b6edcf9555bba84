"""What a convolution sees beyond the border."""

from __future__ import annotations

PADDING = ("zeros", "circular")


def check_padding(padding: str) -> None:
    """ValueError unless it is "zeros" (borders are visible) or "circular" (commutes with circular shifts)."""
    if padding not in PADDING:
        raise ValueError(f"padding: got {padding!r}, want one of {', '.join(PADDING)}")
