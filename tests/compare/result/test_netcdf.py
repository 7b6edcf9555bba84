"""Files of results are handed to HDF5 only when they are as they were written."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from compare.result.netcdf import SEAL, SEAL_LENGTH, read, write
from theory.errors import UserError


@pytest.fixture
def dataset(rng):
    return xr.Dataset({"a": (("x", "y"), rng.normal(size=(3, 40)))}, {"x": list("abc")})


@pytest.fixture
def path(dataset, tmp_path):
    write(dataset, tmp_path / "a.nc")
    return tmp_path / "a.nc"


def test_what_is_written_is_read(path, dataset):
    np.testing.assert_array_equal(read(path).a, dataset.a)
    with h5py.File(path) as file:  # the seal is no matter to other readers
        assert file["a"].shape == (3, 40)


def test_no_flipped_bit_and_no_cut_is_accepted(path, rng):
    content, before = path.read_bytes(), read(path)
    end = len(content) - SEAL_LENGTH
    for at in [*rng.integers(end, size=40), end - 1]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :])
        with pytest.raises(UserError, match="^result: .*a.nc was changed since it was written, want it whole"):
            read(path)
    for cut in (end - 1, end // 2, 3, 0):
        path.write_bytes(content[:cut])
        with pytest.raises(UserError, match="^result: .*a.nc cannot be read as netCDF"):
            read(path)
    path.write_bytes(content[: end - 200] + bytes(200 + SEAL_LENGTH))
    with pytest.raises(UserError, match="was changed"):
        read(path)
    path.write_bytes(content[:end])  # as another program writes it
    xr.testing.assert_identical(read(path), before)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "docs" / "results").rglob("*.nc")),
                         ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_datasets_are_sealed(path):
    content = path.read_bytes()
    seal = SEAL.search(content, len(content) - SEAL_LENGTH)
    assert seal and hashlib.sha256(content[: seal.start()]).hexdigest().encode() == seal[1]
