"""What a convolution sees beyond the border."""

from __future__ import annotations

from theory.errors import UserError

PADDING = ("zeros", "circular")


def check_padding(padding: str) -> None:
    """Raise a UserError unless it is "zeros" (borders are visible) or "circular" (commutes with circular shifts)."""
    if padding not in PADDING:
        raise UserError(f"padding: got {padding!r}, want one of {', '.join(PADDING)}")
