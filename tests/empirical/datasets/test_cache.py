import os

import numpy as np
import pytest
from PIL import Image

from empirical.datasets import folder, load
from empirical.datasets.raw import RawImages


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "pictures" / "cat").mkdir(parents=True)
    (tmp_path / "pictures" / "dog").mkdir()
    for i, name in enumerate(["cat/1.bmp", "dog/1.png", "dog/2.png"]):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(
            tmp_path / "pictures" / name)
    return tmp_path / "pictures"


@pytest.fixture
def decoded(monkeypatch):
    """How often images were decoded."""
    counted, decode = [], folder.decode
    monkeypatch.setattr(folder, "decode", lambda *arguments: counted.append(1) or decode(*arguments))
    return counted


def test_images_are_decoded_once(pictures, decoded):
    first, second = load(f"folder:{pictures}"), load(f"folder:{pictures}")
    assert len(decoded) == 1
    assert first.fingerprint == second.fingerprint and second.classes == ("cat", "dog")


def test_another_size_and_changed_files_are_decoded_again(pictures, decoded):
    before = load(f"folder:{pictures}").fingerprint
    assert load(f"folder:{pictures}", size=16).images.shape[-1] == 16
    length = (pictures / "cat" / "1.bmp").stat().st_size
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(pictures / "cat" / "1.bmp")
    assert (pictures / "cat" / "1.bmp").stat().st_size == length
    os.utime(pictures / "cat" / "1.bmp", ns=(1, 1))
    assert load(f"folder:{pictures}").fingerprint != before and len(decoded) == 3


def test_a_broken_cache_is_made_again(pictures, decoded, own_cache):
    before = load(f"folder:{pictures}").fingerprint
    kept, = own_cache.rglob("*.npz")
    for content in (b"", kept.read_bytes()[:100], b"rubbish"):
        kept.write_bytes(content)
        assert load(f"folder:{pictures}").fingerprint == before
    assert len(decoded) == 4


def test_a_cache_that_cannot_be_written_is_done_without(pictures, decoded, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(load(f"folder:{pictures}").images) == 3
    assert len(load(f"folder:{pictures}").images) == 3 and len(decoded) == 2


def test_pixels_run_from_minus_one_to_one():
    images = np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(RawImages(images).pixels().ravel(), [-1, 1, -0.6], atol=1e-6)
