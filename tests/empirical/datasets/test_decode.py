"""Image files of every kind come out as a viewer shows them, or not at all."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from empirical.datasets.decode import read_image
from theory.errors import UserError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return read_image(path, None)


@pytest.mark.parametrize("orientation, turn", [
    (1, lambda a: a), (2, lambda a: a[:, ::-1]), (3, lambda a: a[::-1, ::-1]), (4, lambda a: a[::-1]),
    (5, lambda a: a.transpose(1, 0, 2)), (6, lambda a: np.rot90(a, -1)), (7, lambda a: np.rot90(a, -1)[:, ::-1]),
    (8, lambda a: np.rot90(a)),
])
def test_images_are_turned_as_their_exif_data_say(tmp_path, orientation, turn):
    image = Image.fromarray(PIXELS)
    exif = image.getexif()
    exif[0x0112] = orientation
    turned = saved(tmp_path / "a.png", image, exif=exif)
    expected = turn(PIXELS) if orientation != 7 else np.rot90(PIXELS[:, ::-1], -1)[::1]
    expected = PIXELS[::-1, ::-1].transpose(1, 0, 2) if orientation == 7 else expected
    np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("mode, opaque", [("RGBA", PIXELS), ("LA", PIXELS[..., :1])])
def test_what_is_transparent_is_white(tmp_path, mode, opaque):
    """Also where colours hide below it; half of it is half of each."""
    alpha = np.zeros((6, 9, 1), np.uint8)
    alpha[:, 3:6], alpha[:, 6:] = 255, 51
    found = saved(tmp_path / "a.png", Image.fromarray(np.concatenate([opaque, alpha], axis=-1), mode))
    assert found.shape == opaque.shape
    assert (found[:, :3] == 255).all()
    np.testing.assert_array_equal(found[:, 3:6], opaque[:, 3:6])
    np.testing.assert_allclose(found[:, 6:], 0.8 * 255 + 0.2 * opaque[:, 6:], atol=1)


def test_a_colour_that_stands_for_transparency_is_white(tmp_path):
    image = Image.fromarray(PIXELS)
    found = saved(tmp_path / "a.png", image, transparency=tuple(int(value) for value in PIXELS[2, 3]))
    assert (found[2, 3] == 255).all()
    np.testing.assert_array_equal(found[0], PIXELS[0])
    palette = Image.fromarray(PIXELS[..., 0] % 3).convert("L").quantize(3)
    found = saved(tmp_path / "b.png", palette, transparency=0)
    assert (found[np.asarray(palette) == 0] == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_of_grey_become_eight(tmp_path, suffix):
    values = RNG.integers(0, 65_536, (6, 9), dtype=np.uint16)
    values[0, :2] = 0, 65_535
    found = saved(tmp_path / f"a.{suffix}", Image.fromarray(values))
    assert found.dtype == np.uint8 and found.shape == (6, 9, 1)
    np.testing.assert_array_equal(found[..., 0], np.rint(values / 257.0))


def test_floats_and_thirty_two_bits_are_refused(tmp_path):
    with pytest.raises(UserError, match="a.tif: got no image that can be read .got mode F, want 8 or 16 bits"):
        saved(tmp_path / "a.tif", Image.fromarray(np.zeros((3, 3), np.float32)))
    with pytest.raises(UserError, match="b.tif: got no image that can be read .got grey values from 0 to 100000"):
        saved(tmp_path / "b.tif", Image.fromarray(np.array([[0, 10**5]], np.int32)))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
def test_every_other_mode_is_as_pillow_converts_it(tmp_path, mode):
    image = Image.fromarray(PIXELS).convert(mode)
    found = saved(tmp_path / "a.tif", image)
    expected = np.asarray(image.convert("L" if mode in "1L" else "RGB")).reshape(found.shape)
    np.testing.assert_array_equal(found, expected)


def bomb(width, height):
    """A PNG of a few bytes that says it has so many pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [20_000, 10_000, 2**31 - 1])
def test_decompression_bombs_are_one_line_with_their_name(tmp_path, side):
    (tmp_path / "a.png").write_bytes(bomb(side, side))
    with pytest.raises(UserError, match=f"^{tmp_path}/a.png: got ") as error:
        read_image(tmp_path / "a.png", 32)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp", "tif", "ppm"])
def test_damaged_files_are_one_line_or_an_image(tmp_path, suffix, recwarn):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(2)
    for _ in range(60):
        at = int(rng.integers(len(whole)))
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ (1 << int(rng.integers(8)))]) + whole[at + 1:]):
            path.write_bytes(content)
            try:
                assert read_image(path, 8).shape[:2] == (8, 8)
            except UserError as error:
                assert str(error).startswith(f"{path}: got ") and "\n" not in str(error)
