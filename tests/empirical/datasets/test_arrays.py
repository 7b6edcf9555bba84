import io
import zipfile

import numpy as np
import pytest

from empirical.datasets import DatasetNotFound, load
from empirical.datasets import arrays as arrays_module
from theory.errors import UserError


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
    (dict(x=pixels().astype(np.float32)), "images: got float32 of shape .5, 32, 32, 3., want uint8"),
    (dict(x=pixels(channels=2)), "images: got uint8 .*, want uint8"),
    (dict(x=pixels(0)), "images: got uint8 .*N > 0"),
    (dict(x=pixels(), y=np.arange(4)), r"labels: got \(4,\) for 5 images"),
    (dict(x=pixels(), y=np.arange(5) - 1), "labels: got -1 to 3, want 0 up"),
    (dict(x=np.array([{"a": 1}], dtype=object)), "Object arrays cannot be loaded"),
    (dict(x=np.uint8(3)), "images: got uint8"), (dict(x=pixels()[0, 0]), "images: got uint8"),
    (dict(x=np.array(["a"])), "images: got <U1"),
    (dict(x=pixels(), y=np.arange(5) / 2), "labels: got float64, want integers"),
    (dict(x=pixels(), y=np.array(list("abcde"))), "labels: got <U1, want integers"),
    (dict(x=pixels(), split=np.array(["train"])), r"split: got \(1,\) for 5 images"),
    (dict(x=np.full((2, 3, 8, 8), 255.0)), r"images: got values from 255 to 255, want floats in \[-1, 1\]"),
    (dict(x=np.full((2, 3, 8, 8), np.nan)), r"images: got values from nan to nan, want floats"),
])
def test_bad_arrays(tmp_path, arrays, message):
    with pytest.raises(ValueError, match=message) as error:
        load(write(tmp_path / "a.npz", **arrays))
    assert str(error.value).startswith(f"{tmp_path}/a.npz: ") and "\n" not in str(error.value)


def test_a_file_without_test_images_has_no_test_split(tmp_path):
    with pytest.raises(DatasetNotFound, match="got no test images, want x_test, or x with split"):
        load(write(tmp_path / "a.npz", x=pixels()), split="test")


@pytest.mark.parametrize("damage", [lambda z: z[: len(z) // 2], lambda z: b"", lambda z: b"x" * 100])
def test_broken_files(tmp_path, damage):
    name = write(tmp_path / "a.npz", x=pixels())
    (tmp_path / "a.npz").write_bytes(damage((tmp_path / "a.npz").read_bytes()))
    with pytest.raises(ValueError, match=f"^{tmp_path}/a.npz: "):
        load(name)


def test_a_missing_file():
    for kind in ("npz", "npy"):
        with pytest.raises(DatasetNotFound, match=f"^{kind}: found no file nowhere.npz, want one"):
            load(f"{kind}:nowhere.npz")


# --- one array alone, floats, and sizes stated before they are read ---------------------------------------------------


def test_one_array_alone(tmp_path):
    np.save(tmp_path / "a.npy", pixels())
    np.savez(tmp_path / "a.npz", x=pixels())
    alone, named = load(f"npy:{tmp_path}/a.npy"), load(f"npz:{tmp_path}/a.npz")
    assert alone.fingerprint == named.fingerprint and alone.labels is None
    with pytest.raises(DatasetNotFound, match="a.npy: got no test images"):
        load(f"npy:{tmp_path}/a.npy", split="test")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_are_taken_as_they_are(tmp_path, dtype):
    x = np.random.default_rng(0).uniform(-1, 1, (4, 3, 32, 32)).astype(dtype)
    np.save(tmp_path / "a.npy", x)
    data = load(f"npy:{tmp_path}/a.npy")
    assert data.images.dtype == np.float32 and data.images.flags.c_contiguous
    np.testing.assert_array_equal(data.images, x.astype(np.float32))
    resized = load(f"npy:{tmp_path}/a.npy", size=16).images
    np.testing.assert_allclose(resized.mean(axis=(2, 3)), x.astype(float).mean(axis=(2, 3)), atol=0.02)


def test_floats_of_many_channels(tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, (4, 5, 32, 32))
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(4))
    data = load(f"npz:{tmp_path}/a.npz")
    np.testing.assert_array_equal(data.images, x.astype(np.float32))
    assert data.labels.tolist() == [0, 1, 2, 3]


def test_floats_from_0_to_1_are_warned_of(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).uniform(0, 1, (4, 3, 32, 32)))
    with pytest.warns(UserWarning, match="images: all values are at least 0 .* floats are taken as in"):
        load(f"npy:{tmp_path}/a.npy")


def test_one_kind_by_the_name_of_the_other_is_one_line(tmp_path):
    np.save(tmp_path / "a.npy", pixels())
    np.savez(tmp_path / "b.npz", x=pixels())
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    for name, other in (("npz:a.npz", "npy"), ("npy:b.npy", "npz")):
        message = rf"got an .{other} file, want an .*; read it as {other}:.*/[ab]\.np"
        with pytest.raises(UserError, match=message) as error:
            load(name, data_dir=tmp_path)
        assert "\n" not in str(error.value)


def zeros(path, n):
    """An .npz of n x 2^20 zero bytes, which weighs a thousandth of it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("x.npy", "w", force_zip64=True) as member:
        header = {"descr": "|u1", "fortran_order": False, "shape": (n, 1024, 1024)}
        np.lib.format.write_array_header_1_0(member, header)
        for _ in range(n):
            member.write(bytes(2**20))


def test_what_a_small_file_would_need_is_said_before_it_is_read(tmp_path, monkeypatch):
    zeros(tmp_path / "a.npz", 30)
    assert (tmp_path / "a.npz").stat().st_size < 2**16
    monkeypatch.setattr(arrays_module, "LIMIT", 20 * 2**20)
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(UserError, match="a.npz: holds arrays of 0.0 GiB, want at most 0.0 GiB; take a part"):
        load(f"npz:{tmp_path}/a.npz")


def test_six_gibibytes_are_above_the_limit(tmp_path):
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (6, 2**15, 2**15)})
        file.truncate(file.tell() + 6 * 2**30)  # sparse
    with pytest.raises(UserError, match="a.npy: holds arrays of 6.0 GiB, want at most 4.0 GiB; take a part"):
        load(f"npy:{tmp_path}/a.npy")


@pytest.mark.parametrize("shape", [(10**12, 8, 8), (2**62, 8, 8), (7, 8, 8)])
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_headers_that_promise_more_than_there_is_are_one_line(tmp_path, shape, kind):
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|u1", "fortran_order": False, "shape": shape})
    content.write(bytes(100))
    if kind == "npy":
        (tmp_path / "a.npy").write_bytes(content.getvalue())
    else:
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
            file.writestr("x.npy", content.getvalue())
    with pytest.raises(UserError, match=f"^{tmp_path}/a.{kind}: ") as error:
        load(f"{kind}:{tmp_path}/a.{kind}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_flipped_and_lost_bytes_are_one_line_or_other_pixels(tmp_path, kind):
    """A zip knows its checksums; an .npy has none, so there only its header can tell."""
    path, rng = tmp_path / f"a.{kind}", np.random.default_rng(1)
    np.savez(path, x=pixels(2, side=4)) if kind == "npz" else np.save(path, pixels(2, side=4))
    whole = path.read_bytes()
    before = load(f"{kind}:{path}", size=None).fingerprint
    for at in [*range(140), *rng.integers(len(whole), size=100)]:
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1:]):
            path.write_bytes(content)
            try:
                found = load(f"{kind}:{path}", size=None)
            except UserError as error:
                assert "\n" not in str(error)
            else:
                assert kind == "npy" or found.fingerprint == before
