"""What a run's networks were, in its record: the SHA-256 of their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def digests(names: Sequence[str], stems: Sequence[Path]) -> dict[str, str]:
    """By the names under which the networks were asked for; stems: their checkpoints, without suffix."""
    weights = [stem.with_name(stem.name + ".safetensors") for stem in stems]
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in zip(names, weights)}
