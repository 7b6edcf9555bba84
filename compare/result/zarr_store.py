"""Datasets as zarr stores, written some samples at a time, and there only when they are whole.

A store is a folder of a file for each sample of each variable. It is made under another name and renamed: a kill leaves
the parts of the run, from which it is made again, and no store.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

import xarray as xr

from compare.result.words import CLUSTER_EXTRA
from theory.errors import UserError

SUFFIX = ".zarr"


def write(blocks: Iterable[xr.Dataset], path: Path) -> None:
    """Write datasets of successive samples as one store. UserError: zarr is not installed."""
    _require()
    for left in path.parent.glob(f".{path.stem}.*.tmp{SUFFIX}"):
        shutil.rmtree(left, ignore_errors=True)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}.tmp{SUFFIX}")
    for number, block in enumerate(blocks):
        if number == 0:
            block.to_zarr(temporary, mode="w-", zarr_format=2, consolidated=False, encoding=_chunks(block))
        else:
            fixed = [name for name, values in block.variables.items() if "sample" not in values.dims]
            block.drop_vars(fixed).to_zarr(temporary, append_dim="sample", consolidated=False)
    import zarr

    zarr.consolidate_metadata(str(temporary))
    os.replace(temporary, path)


def read(path: Path) -> xr.Dataset:
    """Read a store into memory. UserError: it is damaged, or zarr is not installed."""
    _require()
    try:
        with xr.open_dataset(path, engine="zarr", chunks=None) as dataset:
            return dataset.load()
    except Exception as error:  # zarr raises whatever it likes on damaged stores
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"result: {path} cannot be read as zarr ({reason})") from error


def _chunks(block: xr.Dataset) -> dict:
    """A sample a chunk."""
    return {name: {"chunks": tuple(1 if dim == "sample" else size for dim, size in values.sizes.items())}
            for name, values in block.data_vars.items() if values.ndim and values.dtype.kind != "O"}


def _require() -> None:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise UserError(f"format: got zarr, but it is not installed; {CLUSTER_EXTRA}") from None
