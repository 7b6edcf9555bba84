"""Results as zarr stores: the same dataset as in netCDF, written in blocks, and there only when it is whole."""

import json
import os
from pathlib import Path

import pytest
import xarray as xr

from compare.result import schema
from theory import UserError

SHIPPED = Path(__file__).parents[3] / "docs" / "results" / "toy" / "result.nc"

pytest.importorskip("zarr")
zarr_store = pytest.importorskip("compare.result.zarr_store")


@pytest.fixture(scope="module")
def dataset():
    return schema.load(SHIPPED)


def blocks(dataset, size=20):
    for start in range(0, dataset.sizes["sample"], size):
        yield dataset.isel(sample=slice(start, start + size))


def test_what_comes_back_is_what_was_written(dataset, tmp_path):
    zarr_store.write(blocks(dataset), tmp_path / "result.zarr")
    xr.testing.assert_identical(schema.load(tmp_path / "result.zarr"), dataset)


def test_a_chunk_a_sample(dataset, tmp_path):
    zarr_store.write(blocks(dataset), tmp_path / "result.zarr")
    chunks = json.loads((tmp_path / "result.zarr" / "predicted" / ".zarray").read_text())["chunks"]
    assert chunks == [dataset.sizes["machine"], 1, 3, 4, 2]


class Killed(BaseException):
    """What ends a process."""


@pytest.mark.parametrize("written", [0, 1, 3])
def test_a_kill_leaves_no_store_and_the_next_run_a_whole_one(dataset, tmp_path, written):
    def dying():
        for number, block in enumerate(blocks(dataset)):
            if number == written:
                raise Killed
            yield block

    path = tmp_path / "result.zarr"
    with pytest.raises(Killed):
        zarr_store.write(dying(), path)
    assert not path.exists()
    with pytest.raises(UserError, match="found no file"):
        schema.read(path)
    zarr_store.write(blocks(dataset), path)
    assert [file.name for file in tmp_path.iterdir()] == ["result.zarr"]
    xr.testing.assert_identical(schema.load(path), dataset)


def test_a_damaged_store_is_one_line(dataset, tmp_path):
    path = tmp_path / "result.zarr"
    zarr_store.write(blocks(dataset), path)
    for name in (".zmetadata", ".zgroup"):
        os.truncate(path / name, 5)
    with pytest.raises(UserError, match="result.zarr cannot be read as zarr") as caught:
        schema.read(path)
    assert "\n" not in str(caught.value)
