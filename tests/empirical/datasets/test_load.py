import dataclasses
import hashlib

import numpy as np
import pytest

from empirical.datasets import Dataset, load
from empirical.toy import ToyLayout


def test_toy_is_made_from_its_seed():
    data = load("toy", seed=2, count=64)
    assert data.name == "toy" and data.labels is None and data.layout == ToyLayout()
    np.testing.assert_array_equal(data.images, ToyLayout().generate(64, seed=2))
    assert load("toy").images.shape == (4096, *ToyLayout().shape)


def test_toy_takes_a_layout():
    layout = ToyLayout(cell=2, gap=1)
    assert load("toy", layout=layout, count=3).images.shape == (3, 3, 11, 4)


def test_toy_gives_every_image_once():
    images = load("toy", count=None).images
    assert len(images) == 5056 == len(np.unique(images, axis=0))
    np.testing.assert_array_equal(images, load("toy", count=None, seed=3).images)
    layout = ToyLayout(gap=2, held_out_keys=0.5)
    np.testing.assert_array_equal(load("toy", layout=layout, count=None).images, layout.enumerate())


def test_fingerprint_follows_its_definition():
    images, labels = np.ones((2, 1, 3, 4), np.float32), np.array([1, 0])
    expected = hashlib.sha256(b"(2, 1, 3, 4) <f4 " + images.tobytes() + b"(2,) <i8 " + labels.tobytes()).hexdigest()
    assert Dataset("mine", images, labels).fingerprint == expected


def test_fingerprint_sees_pixels_shape_dtype_and_labels():
    data = Dataset("mine", np.zeros((2, 1, 2, 2), np.float32))
    changed = [
        dict(images=np.full((2, 1, 2, 2), -0.0, np.float32)),
        dict(images=np.zeros((2, 1, 4, 1), np.float32)),
        dict(images=np.zeros((2, 1, 2, 1), np.float64)),
        dict(labels=np.array([0, 0])),
    ]
    fingerprints = {data.fingerprint, *(dataclasses.replace(data, **change).fingerprint for change in changed)}
    assert len(fingerprints) == 5


def test_unknown_name_lists_the_known():
    with pytest.raises(ValueError, match="^name: got 'imagenet', want one of: toy"):
        load("imagenet")


def test_options_of_the_toy_set_are_its_own():
    with pytest.raises(ValueError, match="^count: got one for 'mnist', want it for the toy set and for pairs only"):
        load("mnist", count=3)
    with pytest.raises(ValueError, match="^split: got 'test', but the toy set has only 'train'"):
        load("toy", split="test")
    with pytest.raises(ValueError, match="^split: got 'validation', want one of train, test"):
        load("mnist", split="validation")


def test_subset_is_a_draw_by_seed_without_replacement(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(50, dtype=np.uint8)[:, None, None, None] * np.ones((32, 32, 1), np.uint8),
             y=np.arange(50))
    name = f"npz:{tmp_path}/a.npz"
    some, again, other = load(name, subset=20), load(name, subset=20), load(name, subset=20, seed=1)
    assert some.fingerprint == again.fingerprint != other.fingerprint
    assert len(set(some.labels.tolist())) == 20 and some.labels.tolist() != sorted(some.labels)
    np.testing.assert_array_equal(some.labels, np.random.default_rng(0).permutation(50)[:20])
    np.testing.assert_array_equal(np.rint((some.images[:, 0, 0, 0] + 1) * 127.5), some.labels)
    assert load(name, subset=10).labels.tolist() == some.labels[:10].tolist()
    assert sorted(load(name, subset=50).labels) == list(range(50))


@pytest.mark.parametrize("count", [0, -1, 65])
def test_subset_must_be_there(count):
    with pytest.raises(ValueError, match=f"^subset: got {count}, want 1 to 64, the images of toy"):
        load("toy", count=64, subset=count)


@pytest.mark.parametrize("name", ["imagenet", "npz:", "folder:", "npz", "zip:a"])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match="^name: got .*, want one of: toy, mnist, .*, folder:PATH, npz:PATH"):
        load(name)
