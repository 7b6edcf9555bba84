"""A study whose denoisers answer on workers: the same numbers, whichever workers, and however many are lost."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from compare.study.folder import RunFolder
from compare.study.images import image_study
from compare.study.pipeline import carry_out
from compare.study.workers import RemoteMachines, Workers, cluster
from tests.compare.study.test_images import CONFIG, RECORD, networks, training
from theory import EquivariantLocalScore, UserError


def study(snapshots=False):
    data = training()
    return image_study(networks(data), data, CONFIG, RECORD, {5: networks(data)[1]} if snapshots else None)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return carry_out(study(True), RunFolder(tmp_path_factory.mktemp("alone") / "run", CONFIG.to_json()), "")


def same(one: xr.Dataset, other: xr.Dataset):
    """To 1e-5, but for images that are kept in half precision, and what follows from those that round otherwise."""
    assert set(one.variables) == set(other.variables)
    for name, values in one.variables.items():
        if values.dtype.kind == "f":
            assert_allclose(values, other[name], atol=1e-2, err_msg=name)
            assert np.isclose(values, other[name], rtol=1e-5, atol=1e-5, equal_nan=True).mean() > 0.9, name
        else:
            assert (values.values == other[name].values).all(), name


def on(executor, path, at_once=4):
    folder = RunFolder(path, CONFIG.to_json(), at_once=at_once)
    try:
        return carry_out(study(True), folder, "", Workers(executor))
    finally:
        folder.close()


@pytest.mark.slow
def test_threads_and_processes_answer_as_one(alone, tmp_path):
    with ThreadPoolExecutor(2) as threads:
        same(on(threads, tmp_path / "threads"), alone)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        same(on(processes, tmp_path / "processes"), alone)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_answers_as_one(alone, tmp_path):
    pytest.importorskip("distributed")
    with cluster("local:2", 2) as workers:
        pid = next(iter(workers.executor.run(os.getpid).values()))
        folder = RunFolder(tmp_path / "run", CONFIG.to_json(), at_once=4)

        def kill_in_the_middle():
            while len([*(folder.path / "parts").glob("*.npz")]) < 5:
                time.sleep(0.01)
            os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_in_the_middle)
        killer.start()
        same(carry_out(study(True), folder, "", workers), alone)
        folder.close()
        killer.join()


def test_queries_are_split_and_come_back_in_order(rng, monkeypatch):
    """Every method, with noise and classes of their own, in calls of a query each."""
    monkeypatch.setattr("compare.study.workers.CALL", 0.0)
    data = training()
    x, sigma, labels = rng.normal(size=(5, 1, 6, 7)), np.linspace(0.3, 0.9, 5), np.array([2, 5, 5, 2, 5])
    els = EquivariantLocalScore(data.images, 3, labels=data.labels)
    with ThreadPoolExecutor(2) as threads:
        remote = RemoteMachines(Workers(threads), Workers(threads).machines(data).here)("equivariant_local")
        for _ in range(2):
            assert_allclose(remote.denoise(x, sigma, labels=labels), els.denoise(x, sigma, labels=labels), atol=1e-9)
        for found, expected in zip(remote.denoise_scales(x, 0.5, [3, 5], labels=labels),
                                   els.denoise_scales(x, 0.5, [3, 5], labels=labels)):
            assert_allclose(found, expected, atol=1e-9)
        found, expected = remote.attribute(x, 0.5, top=2), els.attribute(x, 0.5, top=2)
        xr.testing.assert_allclose(found, expected, atol=1e-9)
        assert found.sample.values.tolist() == list(range(5))


def test_a_call_does_not_carry_the_training_set():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        workers = Workers(processes)
        remote = workers.machines(training())("equivariant_local")
        sent = pickle.dumps((remote.handle, remote.which))
        assert len(sent) < 500 < training().images.nbytes


def test_an_error_of_the_user_s_comes_back_as_one():
    data = training()
    with ThreadPoolExecutor(1) as threads:
        remote = Workers(threads).machines(data)("equivariant_local")
        with pytest.raises(UserError, match="patch_size: got 4, want an odd"):
            remote.denoise(data.images[:2].astype(float), 0.5, patch_size=4)


@pytest.mark.parametrize("where", ["local", "local:0", "local:two", "10.0.0.1:8786", "udp://a:1"])
def test_where_a_cluster_may_be(where):
    with pytest.raises(UserError, match=f"--cluster: got {where}, want local:N or tcp://HOST:PORT"), cluster(where, 2):
        pass
