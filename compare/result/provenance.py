"""Where a result came from: what netCDF attributes can hold of it (numbers and strings)."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

PACKAGES = ("numpy", "scipy", "numba", "llvmlite", "torch", "xarray", "h5netcdf", "h5py", "matplotlib")
ROOT = Path(__file__).resolve().parents[2]


def provenance(*, command: str, config: dict, seeds: dict, data_fingerprint: str, device: str,
               wall_seconds: float) -> dict[str, str | int | float]:
    """Attributes of a result: created_at, command, config_json, seeds_json, versions_json, data_fingerprint, device,
    wall_seconds (the computation's own, over all the sittings it took), and git_commit and git_dirty (0 or 1) if the
    package lies in its own git checkout."""
    return {
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "creation_library": "patchmosaic",
        "command": command,
        "config_json": json.dumps(config, sort_keys=True),
        "seeds_json": json.dumps(seeds, sort_keys=True),
        "versions_json": json.dumps(versions()),
        "data_fingerprint": data_fingerprint,
        "device": device,
        "platform": f"{platform.system()} {platform.machine()}, {os.cpu_count()} logical CPUs",
        "wall_seconds": round(float(wall_seconds), 1),
        **checkout(),
    }


def versions() -> dict[str, str]:
    """Versions of python, of this package where it is installed, and of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for package in ("patchmosaic", *PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def checkout() -> dict[str, str | int]:
    """Return git_commit and git_dirty of our own checkout; nothing where the packages lie inside another repository."""
    root = _git("rev-parse", "--show-toplevel")
    if root is None or Path(root).resolve() != ROOT:
        return {}
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no")
    return {} if commit is None else {"git_commit": commit, "git_dirty": int(bool(status))}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
