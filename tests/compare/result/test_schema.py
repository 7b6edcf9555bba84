import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from compare.measure.agreement import agreement
from compare.measure.measure import Measure
from compare.result import schema as results
from compare.result.identity import MachineIdentity, NetworkIdentity
from compare.result.provenance import provenance

ATTRS = dict(command="a command", config={"samples": 4, "nested": {"k": [1, 3]}}, seeds={"seed": 2**40},
             data_fingerprint="abc", device="cpu", wall_seconds=1.25)


def judge(images):
    bright = images.mean((1, 2, 3)) > 0
    return {"consistent": bright, "mean": images.mean((1, 2, 3))}


@pytest.fixture
def dataset(rng):
    images = lambda: rng.normal(size=(4, 3, 4, 2))
    return results.build(
        images().astype(np.float32),
        [results.Prediction(MachineIdentity("ideal"), images(), [0] * 5, [0.0] * 5),
         results.Prediction(MachineIdentity("equivariant_local", patch_size=3), images(), [3] * 5, [0.1] * 5)],
        [results.Generation(NetworkIdentity("cnn", 0, 20), images()),
         results.Generation(NetworkIdentity("cnn", 0, 150), images()),
         results.Generation(NetworkIdentity("cnn-learned", 2, 150), images())],
        Measure({"consistent": "brighter than middle gray", "mean": "mean"}, judge), provenance(**ATTRS))


def test_round_trip(dataset, tmp_path):
    results.save(dataset, tmp_path / "result.nc")
    loaded = results.load(tmp_path / "result.nc")
    xr.testing.assert_identical(loaded, dataset)
    assert loaded.predicted.dtype == np.float32 and loaded.consistent.dtype == bool
    assert [path.name for path in tmp_path.iterdir()] == ["result.nc"]


def test_says_what_it_is(dataset):
    assert dataset.sizes == {"machine": 2, "network": 3, "other_network": 3, "source": 5, "sample": 4, "step": 5,
                             "channel": 3, "y": 4, "x": 2}
    assert dataset.network.values.tolist() == ["cnn/seed0/20", "cnn/seed0/150", "cnn-learned/seed2/150"]
    assert dataset.network_steps.values.tolist() == [20, 150, 150]
    assert dataset.training_seed.sel(network="cnn-learned/seed2/150") == 2
    for variable in dataset.variables.values():
        assert variable.attrs["long_name"] and variable.attrs["units"]
    assert json.loads(dataset.config_json) == ATTRS["config"]
    assert json.loads(dataset.seeds_json) == ATTRS["seeds"]
    assert {"python", "numpy", "torch", "xarray"} <= set(json.loads(dataset.versions_json))
    assert dataset.wall_seconds == 1.2 and dataset.created_at.endswith("+00:00")


def test_metrics_follow_from_the_stored_images(dataset, tmp_path):
    results.save(dataset, tmp_path / "result.nc")
    loaded = results.load(tmp_path / "result.nc")
    again = agreement(loaded.predicted.values[:, None], loaded.generated.values[None])
    for name in again._fields:
        assert_allclose(loaded[name], getattr(again, name), rtol=1e-12)
    assert_allclose(loaded.consistent.sel(source="els k=3"), judge(loaded.predicted.sel(machine="els k=3").values)[
        "consistent"])


def test_misaligned_data_are_refused_not_dropped(dataset):
    with pytest.raises(ValueError, match="cannot align"):
        xr.align(dataset.r2, dataset.r2.isel(sample=slice(1, None)), join="exact")


@pytest.mark.parametrize("spoil, says", [
    (lambda d: d.drop_vars("R2"), "no variable R2"),
    (lambda d: d.transpose("sample", ...), "want"),
    (lambda d: d.drop_vars("variant"), "no coordinate variant"),
    (lambda d: d.assign_coords(machine=("machine", ["a", "a"], d.machine.attrs)), "names that repeat"),
    (lambda d: d.assign_coords(machine=("machine", ["a", "b"])), "machine without long_name"),
    (lambda d: d.drop_attrs(deep=False), "no attribute created_at"),
])
def test_schema_violations(dataset, tmp_path, spoil, says):
    with pytest.raises(ValueError, match=f"^result: got .*{says}"):
        results.save(spoil(dataset), tmp_path / "result.nc")
    assert not list(tmp_path.iterdir())


def test_unreadable_files(tmp_path):
    with pytest.raises(ValueError, match="found no file"):
        results.load(tmp_path / "result.nc")
    (tmp_path / "result.nc").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="cannot be read as netCDF"):
        results.load(tmp_path / "result.nc")


def test_a_kill_leaves_the_old_file(tmp_path):
    """Killed in the middle of a write, the file under its own name is still the one that was there."""
    path = tmp_path / "table.txt"
    path.write_text("old")
    script = ("import os, signal, sys; from empirical.atomic import atomic_file\n"
              "with atomic_file(sys.argv[1]) as file:\n"
              "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run([sys.executable, "-c", script, path]).returncode == -9
    assert path.read_text() == "old"


FULL = """
import resource, signal, sys
from pathlib import Path

import numpy as np
import xarray as xr

from compare.cli import run
from compare.result.schema import write

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**5, 10**5))
noise = np.random.default_rng(0).normal(size=(3, 10**5))
sys.exit(run("write", lambda: write(xr.Dataset({"a": (("x", "y"), noise)}), Path(sys.argv[1]))))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes")
def test_a_full_disk_is_one_line(tmp_path):
    """HDF5, left to write to the disk itself, ended in a segmentation fault."""
    path = tmp_path / "result.nc"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(path) in done.stderr
    assert not list(tmp_path.iterdir())


def test_networks_of_one_variant_are_held_against_each_other(dataset):
    first, second = dataset.generated.values[:2]
    assert_allclose(dataset.network_r2.values[0, 1], agreement(first, second).r2)
    assert_allclose(dataset.network_r2.values[0, 0], 1.0)
    assert np.isnan(dataset.network_r2.values[0, 2]).all()


def test_thin_keeps_the_numbers_and_the_first_images(dataset):
    thinned = results.thin(dataset, images=2)
    results.validate(thinned)
    assert np.isnan(thinned.predicted.values[:, 2:]).all() and np.isnan(thinned.noise.values[2:]).all()
    assert_allclose(thinned.generated.values[:, :2], dataset.generated.values[:, :2], rtol=1e-7)
    assert_allclose(thinned.r2.values, dataset.r2.values, rtol=2.0**-13)
    assert thinned.attrs["images_kept"] == 2


@pytest.mark.parametrize("bits", [7, 10, 12])
def test_round_mantissa_keeps_so_many_bits(rng, bits):
    values = rng.normal(size=1000).astype(np.float32) * 10.0 ** rng.integers(-30, 30, 1000).astype(np.float32)
    rounded = results.round_mantissa(values, bits)
    assert (np.abs(rounded - values) <= np.abs(values) * 2.0 ** -(bits + 1)).all()
    assert (rounded.view(np.uint32) % 2 ** (23 - bits) == 0).all()
