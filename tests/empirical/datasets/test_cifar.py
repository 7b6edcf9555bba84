import gzip
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from empirical.datasets import inert_pickle, load
from empirical.datasets.cifar import ARCHIVE, BATCHES, FOLDER
from theory.errors import UserError

ROOT = Path(__file__).parents[3]

EVERY = [name for names in BATCHES.values() for name in names]


def planes(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def python2_pickle(data, labels):
    """A batch as Python 2's cPickle wrote the real ones: protocol 2, byte strings, numpy's _reconstruct."""
    text = lambda s: b"U" + bytes([len(s)]) + s.encode()
    integer = lambda i: b"K" + bytes([i]) if i < 256 else b"J" + struct.pack("<i", i)
    minus_one = b"J\xff\xff\xff\xff"
    dtype = (b"cnumpy\ndtype\n" + text("u1") + b"K\0K\1\x87R" + b"(K\3" + text("|") + b"NNN" + 2 * minus_one + b"K\0tb")
    shape = integer(data.shape[0]) + integer(data.shape[1]) + b"\x86"
    raw = b"T" + struct.pack("<i", data.size) + data.tobytes()
    array = (b"cnumpy.core.multiarray\n_reconstruct\nq\1cnumpy\nndarray\nq\2K\0\x85" + text("b") + b"\x87R"
             + b"(K\1" + shape + dtype + b"\x89" + raw + b"tb")
    numbers = b"]q\3(" + b"".join(integer(i) for i in labels) + b"e"
    names = b"]q\4(" + b"".join(text(f"{i}.png") for i in range(len(labels))) + b"e"
    items = (text("batch_label") + text("training batch 1 of 5") + text("labels") + numbers + text("data") + array
             + text("filenames") + names)
    return b"\x80\2}q\0(" + items + b"u."


def python3_pickle(protocol):
    def write(data, labels):
        arrays = {"batch_label": b"one", "labels": list(labels), "data": data}
        return pickle.dumps(arrays, protocol=protocol)

    return write


def batches(write=python2_pickle, n=4):
    return {name: write(planes(n, i), [(i + j) % 10 for j in range(n)]) for i, name in enumerate(EVERY)}


def folder(path, contents):
    path.mkdir(parents=True)
    for name, content in contents.items():
        (path / name).write_bytes(content)


def archive(path, contents):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(f"{FOLDER}/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize("write", [python2_pickle, python3_pickle(2), python3_pickle(3), python3_pickle(4)])
@pytest.mark.parametrize("below", ["", FOLDER, f"cifar10/{FOLDER}"])
def test_reads_the_batches(tmp_path, write, below):
    folder(tmp_path / "data" / below, batches(write))
    data = load("cifar10", data_dir=tmp_path / "data")
    assert data.images.shape == (20, 3, 32, 32) and data.images.dtype == np.float32
    expected = np.concatenate([planes(4, i) for i in range(5)]).reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(np.rint((data.images + 1) * 127.5), expected)
    assert data.labels.tolist() == [(i + j) % 10 for i in range(5) for j in range(4)]
    assert data.classes[0] == "airplane" and data.classes[9] == "truck"
    test = load("cifar10", data_dir=tmp_path / "data", split="test")
    np.testing.assert_array_equal(np.rint((test.images + 1) * 127.5), planes(4, 5).reshape(4, 3, 32, 32))


def test_reads_the_archive_as_it_is_distributed(tmp_path):
    archive(tmp_path / ARCHIVE, batches())
    folder(tmp_path / "folder", batches())
    ours, theirs = load("cifar10", data_dir=tmp_path), load("cifar10", data_dir=tmp_path / "folder")
    assert ours.fingerprint == theirs.fingerprint


def test_a_missing_batch_is_named(tmp_path):
    contents = batches()
    del contents["data_batch_3"]
    folder(tmp_path / FOLDER, contents)
    with pytest.raises(ValueError, match="^cifar10: found no .*data_batch_3, want it beside data_batch_1"):
        load("cifar10", data_dir=tmp_path)


@pytest.mark.parametrize("damage", [
    lambda whole: whole[:-30], lambda whole: whole[:5], lambda whole: b"", lambda whole: b"<html>", lambda whole: b"e.",
    lambda whole: pickle.dumps({"data": 3, "labels": [1]}), lambda whole: pickle.dumps({"labels": [1]}),
    lambda whole: pickle.dumps([1, 2]), lambda whole: pickle.dumps({"data": "x", "labels": [1]}),
    lambda whole: python3_pickle(2)(planes(4), [2**70] * 4), lambda whole: pickle.dumps({"data": np.dtype}),
    lambda whole: python3_pickle(2)(planes(4), [[1], 2, 3, 4]),
    lambda whole: python3_pickle(2)(planes(4).astype(np.float32), [1, 2, 3, 4]),
    lambda whole: whole.replace(b"K\4M", b"K\5M").replace(b"K\4J", b"K\5J"),
])
def test_broken_batches_are_one_line(tmp_path, damage):
    contents = batches()
    contents["data_batch_2"] = damage(contents["data_batch_2"])
    folder(tmp_path / FOLDER, contents)
    with pytest.raises(ValueError, match="data_batch_2: got no CIFAR batch") as error:
        load("cifar10", data_dir=tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [lambda z: z[:-50], lambda z: b"not a tar", lambda z: gzip.compress(b"x" * 2000)])
def test_broken_archives_are_one_line(tmp_path, damage):
    archive(tmp_path / ARCHIVE, batches())
    (tmp_path / ARCHIVE).write_bytes(damage((tmp_path / ARCHIVE).read_bytes()))
    with pytest.raises(ValueError, match="got a broken archive"):
        load("cifar10", data_dir=tmp_path)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_nothing_in_a_pickle_runs(tmp_path, protocol):
    content = pickle.dumps({"data": Bomb(tmp_path / "burst"), "labels": [1]}, protocol=protocol)
    message = "^got a pickle that asks for posix.mkdir, want plain data and arrays of bytes$"
    with pytest.raises(UserError, match=message):
        inert_pickle.loads(content)
    assert not (tmp_path / "burst").exists()
    pickle.loads(content)
    assert (tmp_path / "burst").exists()  # the bomb is a real one


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_data_comes_as_pickle_loads_it(protocol):
    shared = ["twice"]
    data = {"a": [1, 300, 70_000, -5, 2**40, 0.5, None, True, False], "b": (), "c": ("x",), "d": (1, 2), "e": (1, 2, 3),
            "f": (1, 2, 3, 4), "g": {}, "h": shared, "i": shared, "j": "å"}
    assert inert_pickle.loads(pickle.dumps(data, protocol=protocol)) == data


@pytest.mark.parametrize("value", [print, np.arange(3.0), np.array([None]), slice(3), Path("x")])
def test_other_objects_and_arrays_are_refused(value):
    with pytest.raises(UserError, match="^got a") as error:
        inert_pickle.loads(pickle.dumps({"data": value}))
    assert "\n" not in str(error.value)


def shared_tuple(depth, as_key):
    """(((x, x), (x, x)), ...), of depth levels in a few bytes: hashing it takes 2^depth steps."""
    inner = b"(K\1K\1t" + b"".join(b"q" + bytes([i]) + b"0h" + bytes([i]) + b"h" + bytes([i]) + b"\x86"
                                   for i in range(depth))
    return b"\x80\2}" + (inner + b"K\1s." if as_key else b"X\4\0\0\0data" + inner + b"s.")


def deep(opening, closing, depth):
    return b"\x80\2}X\4\0\0\0data" + opening * depth + closing * depth + b"s."


@pytest.mark.slow
@pytest.mark.parametrize("content", [
    shared_tuple(40, True), shared_tuple(200, True), shared_tuple(40, False), deep(b"]", b"a", 10**5),
    deep(b"K\1", b"\x85", 10**5), deep(b"(", b"t", 10**5), b"\x80\2" + b"(" * 10**6,
    b"\x80\4\x8e" + b"\xff" * 8, b"\x80\2K\1r\xff\xff\xff\x7f.",
    b"I" + b"9" * 10**5 + b"\n.", b"c__main__\nBomb\n.", b"\x80\2\x82\1.", b"P1\n.",
])
def test_pickles_that_would_hang_or_fill_the_memory_are_one_line(tmp_path, content):
    contents = batches()
    contents["data_batch_1"] = content
    folder(tmp_path / FOLDER, contents)
    code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)\n"
            "from empirical.datasets import load\n"
            "try: load('cifar10', data_dir=sys.argv[1])\n"
            "except ValueError as error: print(type(error).__name__, error)")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT,
                          timeout=60)
    assert done.stdout.startswith("UserError ") and "data_batch_1: got no CIFAR batch (" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("archived", [False, True])
def test_batches_that_are_too_large_are_not_read(tmp_path, monkeypatch, archived):
    (archive(tmp_path / ARCHIVE, batches()) if archived else folder(tmp_path / FOLDER, batches()))
    monkeypatch.setattr(inert_pickle, "LIMIT", 1000)
    with pytest.raises(UserError, match="got [0-9]+ bytes.*, want at most 1000"):
        load("cifar10", data_dir=tmp_path)
