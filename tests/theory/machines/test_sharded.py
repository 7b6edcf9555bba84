"""Machines of shards answer as one machine of everything: whichever machine, wherever the shards are scanned."""

import multiprocessing
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests import naive
from tests.theory.cases import MACHINES, data, noised
from theory import AttentionScore, EquivariantLocalScore, IdealScore, LocalScore, Sharded, UserError, WienerScore
from theory.engine.torch_backend import AllReduce

ROOT = Path(__file__).parents[3]
KINDS = ("ideal", "equivariant", "local", "els-zeros", "els-circular", "els-unwrapped")
SHAPE = (2, 5, 4)
CUTS = (2, 6)


def cut(images):
    return np.split(images, CUTS)


@pytest.fixture
def images(rng):
    return data(rng, SHAPE, 9)


def both(kind, images, **options):
    return MACHINES[kind](images), Sharded(MACHINES[kind], cut(images), **options)


@pytest.mark.parametrize("sigma", [0.02, 0.4, 30.0])
@pytest.mark.parametrize("kind", KINDS)
def test_same_answers_as_of_the_whole_set(rng, images, kind, sigma):
    whole, sharded = both(kind, images)
    x = noised(rng, images, sigma, 4)
    levels = np.array([sigma, 2 * sigma, sigma, 0.7 * sigma])
    assert_allclose(sharded.denoise(x, levels), whole.denoise(x, levels), atol=1e-6)
    assert_allclose(sharded.variance(x, levels), whole.variance(x, levels), atol=1e-6)
    for image in (0, 4, 8):
        assert_allclose(sharded.leave_out(x, levels, image), whole.leave_out(x, levels, image), atol=1e-6)
    found, expected = sharded.attribute(x, levels, top=5), whole.attribute(x, levels, top=5)
    for name in ("image", "source_y", "source_x"):
        assert_array_equal(found[name], expected[name])
    for name in ("weight", "mass", "entropy", "entropy_images", "x0"):
        assert_allclose(found[name], expected[name], atol=1e-6)


@pytest.mark.parametrize("kind", ["ideal", "local", "els-zeros"])
def test_far_from_every_shard(rng, images, kind):
    """Logits of 1e13 nats, which float64 rounds to hundredths: the nearest candidates of shards are told apart."""
    whole, sharded = both(kind, images)
    x, sigma = images[[1, 3, 7]] + 0.3 + 1e-7 * rng.normal(size=(3, *SHAPE)), 1e-7
    assert_allclose(sharded.denoise(x, sigma), whole.denoise(x, sigma), atol=1e-6)
    twin = np.concatenate([images, images[:1] + np.float32(2e-7)])
    between = twin[:1].astype(np.float64) + 1e-7 + 0.3
    whole, sharded = MACHINES[kind](twin), Sharded(MACHINES[kind], np.split(twin, [4]))
    assert_allclose(sharded.denoise(between, 3e-4), whole.denoise(between, 3e-4), atol=1e-9)
    assert_allclose(sharded.attribute(between, 3e-4, top=2).weight, whole.attribute(between, 3e-4, top=2).weight,
                    atol=1e-6)


def test_as_the_loops_have_it(rng, images):
    sharded = Sharded(partial(LocalScore, patch_size=3), cut(images))
    x = noised(rng, images, 0.5, 2)
    expected = [naive.patch_machine(one, images, 0.5, 3, local=True) for one in x]
    assert_allclose(sharded.denoise(x, 0.5), expected, atol=1e-6)


def test_settings_of_a_call_and_what_follows_from_x0(rng, images):
    whole, sharded = both("els-zeros", images)
    x = noised(rng, images, 0.5, 3)
    assert_allclose(sharded.denoise(x, 0.5, patch_size=5), whole.denoise(x, 0.5, patch_size=5), atol=1e-6)
    assert_allclose(sharded.score(x, 0.5), whole.score(x, 0.5), atol=1e-5)
    assert_allclose(sharded.divergence(x, 0.5), whole.divergence(x, 0.5), atol=1e-4)
    assert_allclose(sharded.denoise(x, 0.5, tolerance=1e-3), whole.denoise(x, 0.5), atol=1e-6)
    assert sharded.count == 9 and sharded.cost(2, 0.5).pairs == whole.cost(2, 0.5).pairs
    assert repr(sharded) == "Sharded(EquivariantLocalScore(images, patch_size=3), 3 shards of 9 images)"


def labelled(shard):
    images, labels = shard
    return IdealScore(images, labels)


def test_a_class_that_only_some_shards_have(rng, images):
    labels = np.array([0, 0, 1, 1, 1, 0, 2, 2, 0])
    whole = IdealScore(images, labels)
    sharded = Sharded(labelled, list(zip(cut(images), np.split(labels, CUTS))))
    x = noised(rng, images, 0.5, 4)
    assert_allclose(sharded.denoise(x, 0.5, labels=[2, 0, 1, 2]), whole.denoise(x, 0.5, labels=[2, 0, 1, 2]), atol=1e-6)
    assert_allclose(sharded.leave_out(x, 0.5, 7, labels=2), whole.leave_out(x, 0.5, 7, labels=2), atol=1e-6)
    with pytest.raises(UserError, match=r"labels: got class 3 without a training image, want one of \[0, 1, 2\]"):
        sharded.denoise(x, 0.5, labels=3)


def els_of_file(path):
    return EquivariantLocalScore(np.load(path, mmap_mode="r"), 3)


@pytest.fixture
def files(images, tmp_path):
    paths = [tmp_path / f"{i}.npy" for i in range(3)]
    for path, shard in zip(paths, cut(images)):
        np.save(path, shard)
    return paths


def check(images, files, where):
    x = images[:3] + np.float32(0.1)
    sharded, whole = Sharded(els_of_file, files, map=where), EquivariantLocalScore(images, 3)
    assert_allclose(sharded.denoise(x, 0.3), whole.denoise(x, 0.3), atol=1e-6)
    assert_array_equal(sharded.attribute(x, 0.3).image, whole.attribute(x, 0.3).image)


@pytest.mark.parametrize("executor", [ThreadPoolExecutor, ProcessPoolExecutor])
@pytest.mark.parametrize("of", [lambda pool: pool, lambda pool: pool.map], ids=["executor", "map"])
def test_over_an_executor(images, files, executor, of):
    spawn = {"mp_context": multiprocessing.get_context("spawn")} if executor is ProcessPoolExecutor else {}
    with executor(2, **spawn) as pool:
        check(images, files, of(pool))


def test_a_thread_keeps_one_machine(images):
    made = []
    sharded = Sharded(lambda shard: made.append(len(shard)) or IdealScore(shard), cut(images))
    assert made == [2, 4, 3]
    sharded.denoise(images, 0.5)
    assert made == [2, 4, 3] * 2
    one = Sharded(lambda shard: made.append(len(shard)) or IdealScore(shard), [images])
    one.denoise(images, 0.5)
    assert made == [2, 4, 3] * 2 + [9]


@pytest.mark.slow
def test_over_a_dask_cluster_that_loses_a_worker(images, files):
    distributed = pytest.importorskip("dask.distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, \
            distributed.Client(cluster) as client:
        sharded, whole = Sharded(els_of_file, files, map=client), EquivariantLocalScore(images, 3)
        x = images[:3] + np.float32(0.1)
        assert_allclose(sharded.denoise(x, 0.3), whole.denoise(x, 0.3), atol=1e-6)
        pids = client.run(os.getpid)
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        assert_allclose(sharded.denoise(x, 0.3), whole.denoise(x, 0.3), atol=1e-6)
        assert_array_equal(Sharded(els_of_file, files, map=client.map).attribute(x, 0.3).image,
                           whole.attribute(x, 0.3).image)


TORCHRUN = """
import sys
import numpy as np
import torch
from functools import partial
from theory import EquivariantLocalScore, Sharded
from theory.engine.torch_backend import AllReduce, TorchBackend

torch.distributed.init_process_group("gloo")
images = np.load(sys.argv[1])
x = torch.as_tensor(images[:3] + np.float32(0.1))
sharded = Sharded(partial(EquivariantLocalScore, patch_size=3), np.split(images, [2, 6]), map=AllReduce())
x0 = sharded.denoise(x, 0.3, backend=TorchBackend("cpu"))
left = sharded.leave_out(x, 0.3, 7)
sources = sharded.attribute(x, 0.3).image.values
np.savez(f"{sys.argv[2]}/{torch.distributed.get_rank()}.npz", x0=x0, left=left, sources=sources)
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_over_two_processes_of_torchrun(images, tmp_path):
    np.save(tmp_path / "images.npy", images)
    (tmp_path / "two.py").write_text(TORCHRUN)
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
                           str(tmp_path / "two.py"), str(tmp_path / "images.npy"), str(tmp_path)],
                          env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, capture_output=True,
                          text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    whole, x = EquivariantLocalScore(images, 3), images[:3] + np.float32(0.1)
    for rank in (0, 1):
        found = np.load(tmp_path / f"{rank}.npz")
        assert_allclose(found["x0"], whole.denoise(x, 0.3), atol=1e-6)
        assert_allclose(found["left"], whole.leave_out(x, 0.3, 7), atol=1e-6)
        assert_array_equal(found["sources"], whole.attribute(x, 0.3).image)


def test_what_is_refused(images):
    with pytest.raises(UserError, match="shards: got none, want at least one"):
        Sharded(IdealScore, [])
    with pytest.raises(UserError, match="machine_factory: got one that makes WienerScore, want a machine that"):
        Sharded(WienerScore, cut(images))
    with pytest.raises(UserError, match="machine_factory: got one that makes AttentionScore"):
        Sharded(partial(AttentionScore, patch_size=3), cut(images))
    with pytest.raises(UserError, match="shards: got machines with image_shape"):
        Sharded(IdealScore, [images, images[:, :, :3]])
    sharded = Sharded(IdealScore, cut(images))
    with pytest.raises(UserError, match="patch_size: got an option that Sharded has not, want none"):
        sharded.denoise(images, 0.5, patch_size=3)
    with pytest.raises(UserError, match="return_bound: got True for Sharded"):
        sharded.denoise(images, 0.5, return_bound=True)
    with pytest.raises(UserError, match="image: got 0, the only training image there is"):
        Sharded(IdealScore, [images[:1]]).leave_out(images, 0.5, 0)
    with pytest.raises(UserError, match="want an integer from 0 to 8"):
        sharded.leave_out(images, 0.5, 9)
    with pytest.raises(UserError, match="map: got AllReduce outside a process group"):
        AllReduce()
