import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from empirical.datasets import load
from empirical.datasets.idx import DEBIAN, read_idx

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def images(n=6, side=28):
    return np.random.default_rng(0).integers(0, 256, (n, side, side), dtype=np.uint8)


def write(folder, zipped=False, stem="train", n=6, labels=(3, 1, 4, 1, 5, 9), side=28):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{stem}-images-idx3-ubyte", images(n, side)),
                        (f"{stem}-labels-idx1-ubyte", np.array(labels, np.uint8))):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return folder


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name, below", [
    ("mnist", ""), ("mnist", "MNIST/raw"), ("mnist", "mnist"),
    ("fashion-mnist", ""), ("fashion-mnist", "FashionMNIST/raw"), ("fashion-mnist", "fashion-mnist"),
])
def test_reads_every_layout(tmp_path, name, below, zipped):
    write(tmp_path / "data" / below, zipped)
    data = load(name, data_dir=tmp_path / "data", size=None)
    np.testing.assert_array_equal(data.images, images()[:, None] / np.float32(127.5) - 1)
    assert data.images.dtype == np.float32 and data.labels.tolist() == [3, 1, 4, 1, 5, 9]
    assert data.labels.dtype == np.int64 and len(data.classes) == 10 and data.name == name


def test_the_test_split_has_its_own_files(tmp_path):
    write(tmp_path, stem="t10k", labels=[0] * 6)
    assert load("mnist", data_dir=tmp_path, split="test").labels.tolist() == [0] * 6


def test_the_cache_folder_is_looked_in(own_cache):
    write(own_cache / "mnist")
    assert len(load("mnist").images) == 6


def test_images_are_resized_to_32(tmp_path):
    write(tmp_path)
    resized = load("mnist", data_dir=tmp_path).images
    assert resized.shape == (6, 1, 32, 32)
    assert abs(resized.mean() - (images() / 127.5 - 1).mean()) < 0.01


@pytest.mark.parametrize("damage, message", [
    (lambda whole: whole[:-1], "bytes after the header, want those of shape (6, 28, 28)"),
    (lambda whole: whole + b"x", "bytes after the header"),
    (lambda whole: whole[:10], "no IDX header of 3 dimensions"),
    (lambda whole: b"", "no IDX header"),
    (lambda whole: b"\0\0\x0d\3" + whole[4:], "no IDX header"),
    (lambda whole: b"<html>no such file</html>", "no IDX header"),
])
@pytest.mark.parametrize("zipped", [False, True])
def test_broken_files_are_one_line(tmp_path, damage, message, zipped):
    path = tmp_path / (IMAGES + ".gz" * zipped)
    content = damage(idx(images()))
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError) as error:
        read_idx(path, 3)
    assert message in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("damage", [lambda z: z[:-9], lambda z: z[:40] + b"\xff" * 40 + z[80:], lambda z: b"not gzip"])
def test_broken_gzip_is_one_line(tmp_path, damage):
    path = tmp_path / f"{IMAGES}.gz"
    path.write_bytes(damage(gzip.compress(idx(images()))))
    with pytest.raises(ValueError, match="got a broken gzip file .*, want a whole one"):
        read_idx(path, 3)


def test_labels_must_fit(tmp_path):
    write(tmp_path / "a", labels=[1, 2])
    with pytest.raises(ValueError, match=r"^labels: got \(2,\) for 6 images, want one an image"):
        load("mnist", data_dir=tmp_path / "a")
    write(tmp_path / "b", labels=[1, 2, 3, 4, 5, 10])
    with pytest.raises(ValueError, match="^labels: got 1 to 10, want 0 to 9"):
        load("mnist", data_dir=tmp_path / "b")


@pytest.mark.skipif(not Path(DEBIAN).is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize("split, count", [("train", 60_000), ("test", 10_000)])
def test_debians_files(split, count):
    data = load("fashion-mnist", split=split, size=None)
    assert data.images.shape == (count, 1, 28, 28) and data.images.min() == -1 and data.images.max() == 1
    assert (np.bincount(data.labels) == count // 10).all()


@pytest.mark.skipif(not Path(DEBIAN).is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_debians_first_image_is_an_ankle_boot():
    data = load("fashion-mnist", size=None)
    assert data.classes[data.labels[0]] == "Ankle boot"
    assert ((data.images[0, 0].astype(float) + 1) * 127.5).round().sum() == 76_247
