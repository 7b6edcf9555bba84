"""Datasets as netCDF-4 files that HDF5 is handed only when they are whole.

HDF5 ends in a crash where the disk is full, and in one, or in an endless loop, on some damaged files. So files are made
in memory and end in a line with the SHA-256 of what is before it, which readers of HDF5 do not look at; where it is
there, it is checked first. Files without it, as other programs write them, are read as they are.
"""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path

import xarray as xr

from empirical.atomic import write_bytes
from theory.errors import UserError

SEAL = re.compile(rb"\nsha256 ([0-9a-f]{64})\n\Z")
SEAL_LENGTH = len("\nsha256 ") + 64 + len("\n")
LENGTH_AT = 40  # of an HDF5 file of version 0: where it says how long it is


def write(dataset: xr.Dataset, path: Path, **options) -> None:
    """Write a dataset whole; options: of `xarray.Dataset.to_netcdf`."""
    content = bytes(dataset.to_netcdf(engine="h5netcdf", **options))
    write_bytes(path, content + f"\nsha256 {hashlib.sha256(content).hexdigest()}\n".encode())


def read(path: Path) -> xr.Dataset:
    """Read a dataset into memory. UserError: it is damaged, or not netCDF."""
    content = path.read_bytes()
    found = SEAL.search(content, max(0, len(content) - SEAL_LENGTH))
    whole = content[: found.start()] if found else content
    if found and hashlib.sha256(whole).hexdigest().encode() != found[1] or not found and _lost_its_seal(content):
        raise UserError(f"result: {path} was changed since it was written, want it whole: delete it and run its "
                        "command again")
    try:
        with xr.open_dataset(io.BytesIO(whole), engine="h5netcdf") as dataset:
            return dataset.load()
    except Exception as error:  # h5py and h5netcdf raise whatever they like on damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"result: {path} cannot be read as netCDF ({reason})") from error


def _lost_its_seal(content: bytes) -> bool:
    """Whether an HDF5 file has more bytes than it says, as one whose last bytes were overwritten."""
    return content.startswith(b"\x89HDF\r\n\x1a\n\0") and len(content) > int.from_bytes(
        content[LENGTH_AT : LENGTH_AT + 8], "little")
