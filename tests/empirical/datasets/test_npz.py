import numpy as np
import pytest

from empirical.datasets import load


def pixels(n=5, side=32, channels=3):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def write(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


def test_train_and_test_arrays(tmp_path):
    name = write(tmp_path / "a.npz", x_train=pixels(5), y_train=np.arange(5), x_test=pixels(2), y_test=np.array([1, 0]))
    train, test = load(name), load(name, split="test")
    np.testing.assert_array_equal(train.images, pixels(5).transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
    assert train.labels.tolist() == [0, 1, 2, 3, 4] and train.classes is None
    assert len(test.images) == 2 and test.labels.tolist() == [1, 0]


def test_one_array_with_a_split(tmp_path):
    split = np.array(["train", "test", "train", "validation", "test"])
    name = write(tmp_path / "a.npz", x=pixels(), y=np.arange(5), split=split, classes=np.array(list("abcde")))
    assert load(name).labels.tolist() == [0, 2]
    assert load(name, split="test").labels.tolist() == [1, 4]
    assert load(name).classes == ("a", "b", "c", "d", "e")


def test_images_without_labels_grey_and_of_another_size(tmp_path):
    data = load(write(tmp_path / "a.npz", images=pixels(side=40, channels=1)[..., 0]))
    assert data.images.shape == (5, 1, 32, 32) and data.labels is None
    assert load(f"npz:{tmp_path}/a.npz", size=None).images.shape == (5, 1, 40, 40)


def test_a_relative_path_is_also_below_the_data_folder(tmp_path):
    write(tmp_path / "a.npz", x=pixels())
    assert len(load("npz:a.npz", data_dir=tmp_path).images) == 5


@pytest.mark.parametrize("arrays, message", [
    (dict(y=np.arange(5)), "got arrays y, want x, images, or x_train"),
    (dict(x=pixels().astype(np.float32)), "images: got float32 .*, want uint8"),
    (dict(x=pixels(channels=2)), "images: got uint8 .*, want uint8"),
    (dict(x=pixels(0)), "images: got uint8 .*N > 0"),
    (dict(x=pixels(), y=np.arange(4)), r"labels: got \(4,\) for 5 images"),
    (dict(x=pixels(), y=np.arange(5) - 1), "labels: got -1 to 3, want 0 up"),
    (dict(x=np.array([{"a": 1}], dtype=object)), "Object arrays cannot be loaded"),
])
def test_bad_arrays(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(tmp_path / "a.npz", **arrays))
    assert str(error.value).startswith(f"{tmp_path}/a.npz: ") and "\n" not in str(error.value)


def test_a_file_without_test_images_has_no_test_split(tmp_path):
    with pytest.raises(ValueError, match="got no test images, want x_test, or x with split"):
        load(write(tmp_path / "a.npz", x=pixels()), split="test")


@pytest.mark.parametrize("damage", [lambda z: z[: len(z) // 2], lambda z: b"", lambda z: b"x" * 100])
def test_broken_files(tmp_path, damage):
    name = write(tmp_path / "a.npz", x=pixels())
    (tmp_path / "a.npz").write_bytes(damage((tmp_path / "a.npz").read_bytes()))
    with pytest.raises(ValueError, match=f"^{tmp_path}/a.npz: "):
        load(name)


def test_a_missing_file():
    with pytest.raises(ValueError, match="^npz: found no file nowhere.npz, want one"):
        load("npz:nowhere.npz")
