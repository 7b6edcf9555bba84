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
