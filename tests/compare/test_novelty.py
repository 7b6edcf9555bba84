"""The command end to end, on folders and files of small images."""

import csv

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose
from PIL import Image

import compare.study.folder
from compare.novelty import main
from tests.compare.attribution.test_copies import smooth
from tests.compare.commands import quick_help, status


def bytes_of(images):
    return np.round((images + 1.0) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """train.npz (40 images of 2 classes), samples/ (image 3, halves of 5 and 6, noise) and held.npz."""
    top = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(5)
    training = bytes_of(smooth(rng, 40))
    np.savez(top / "train.npz", x=training, y=np.arange(40) % 2, classes=["even", "odd"])
    np.savez(top / "held.npz", x=bytes_of(smooth(rng, 30)))
    halves = training[5].copy()
    halves[:, 6:] = training[6, :, 6:]
    (top / "samples").mkdir()
    for name, image in (("a", training[3]), ("b", halves), ("c", rng.integers(0, 255, (12, 12, 1), dtype=np.uint8))):
        Image.fromarray(image[..., 0]).save(top / "samples" / f"{name}.png")
    return top


def arguments(files, out, *more):
    return [str(files / "samples"), "--train", str(files / "train.npz"), "--size", "0", "--level", "0.05",
            "--null", "25", "--patch-size", "3", "--out", str(out), *more]


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("machine", ["local", "els"])
def test_says_what_each_sample_is(files, tmp_path, capsys, held_out, machine, monkeypatch, drawn):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    more = ["--held-out", str(files / "held.npz")] if held_out else []
    assert main(arguments(files, tmp_path / "out", "--machine", machine, *more)) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "novelty.csv").read_text().splitlines()))
    assert [row["verdict"] for row in rows] == ["copy", "mosaic", "neither"]
    assert rows[0]["nearest_image"] == "3" and rows[0]["nearest_class"] == "odd"
    assert {rows[1]["image_1"], rows[1]["image_2"]} == {"5", "6"}
    with xr.open_dataset(tmp_path / "out" / "novelty.nc", engine="h5netcdf") as found:
        assert found.verdict.values.tolist() == ["copy", "mosaic", "neither"]
        assert found.sizes["held_out"] == 25 and found.attrs["machine"] == machine
        assert found.attrs["command"].startswith("python -m compare.novelty ")
        assert all({"long_name", "units"} <= set(found[name].attrs) for name in found.variables)
    sheet = drawn[0].axes[0]
    assert {"0: copy", "1: mosaic", "2: neither"} <= {text.get_text() for text in sheet.texts}
    with np.load(files / "train.npz") as held:
        copied = held["x"][3, ..., 0] / 255
    for picture in sheet.images[:3]:  # the copy, its nearest image and its best patches
        assert_allclose(np.asarray(picture.get_array())[..., 0], copied, atol=5e-3)
    assert not np.allclose(np.asarray(sheet.images[-1].get_array())[..., 0], copied, atol=5e-3)
    pixels = np.asarray(Image.open(tmp_path / "out" / "contact-sheet.png").convert("RGB"))
    assert (pixels != 255).any(axis=-1).mean() > 0.1
    out = capsys.readouterr().out
    assert out.startswith("3 samples, 40 training images, level 0.05 against 25 held-out images\n")
    assert "\ncopy        1  0.333 (n = 3)\n" in out and ("training images left out: up to 0.081" in out) != held_out


def test_twins_do_not_hide_copies(files, tmp_path, capsys, monkeypatch):
    """Every training image twice: the copy is found, named as the first of the two, and the twins are counted."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with np.load(files / "train.npz") as held:
        np.savez(tmp_path / "twice.npz", x=np.repeat(held["x"], 2, axis=0))
    given = arguments(files, tmp_path / "out")
    given[given.index("--train") + 1] = str(tmp_path / "twice.npz")
    assert main(given) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "novelty.csv").read_text().splitlines()))
    assert [row["verdict"] for row in rows] == ["copy", "mosaic", "neither"]
    assert rows[0]["nearest_image"] == "6" and {rows[1]["image_1"], rows[1]["image_2"]} == {"10", "12"}
    assert "40 training images are equal to another one" in capsys.readouterr().out


def test_a_picture_saved_again_does_not_hide_copies(files, tmp_path, capsys, monkeypatch):
    """Images 20 to 24 once more as JPEG: a blurred copy of image 3, farther from it than they are apart, is found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with np.load(files / "train.npz") as held:
        images = held["x"]
    for i in range(5):
        Image.fromarray(images[20 + i, ..., 0]).save(tmp_path / "again.jpg", quality=85)
        images = np.concatenate([images, np.asarray(Image.open(tmp_path / "again.jpg"))[None, ..., None]])
    np.savez(tmp_path / "again.npz", x=images)
    noise = np.random.default_rng(0).normal(0, 6, images[3].shape)
    np.savez(tmp_path / "sample.npz", x=np.clip(images[3] + noise, 0, 255).round().astype(np.uint8)[None])
    given = [str(tmp_path / "sample.npz"), *arguments(files, tmp_path / "out")[1:], "--null", "45"]
    given[given.index("--train") + 1] = str(tmp_path / "again.npz")
    assert main(given) == 2  # of 40 different images 45 cannot be left out
    assert "got 45 of 40 different training images" in capsys.readouterr().err
    assert main([*given[:-1], "40"]) == 0
    rows = list(csv.DictReader((tmp_path / "out" / "novelty.csv").read_text().splitlines()))
    assert [(row["verdict"], row["nearest_image"]) for row in rows] == [("copy", "3")]
    assert "5 training images are nearly another one" in capsys.readouterr().out


def test_takes_up_what_is_done(files, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert main(arguments(files, tmp_path / "out")) == 0
    before = (tmp_path / "out" / "novelty.csv").read_text()
    (tmp_path / "out" / "novelty.csv").unlink()
    part, made = compare.study.folder.RunFolder.cached, []
    monkeypatch.setattr(compare.study.folder.RunFolder, "cached",
                        lambda self, name, make: part(self, name, lambda: made.append(name) or make()))
    next((tmp_path / "out" / "parts").glob("null-16-*.npz")).unlink()
    assert main(arguments(files, tmp_path / "out")) == 0
    assert made == ["null 16"] and (tmp_path / "out" / "novelty.csv").read_text() == before


@pytest.mark.parametrize("wrong", [
    ["--level", "0"], ["--level", "0.001"], ["--null", "18"], ["--null", "41"], ["--patch-size", "4"],
    ["--sigma", "0"], ["--train", "nothing"], ["--held-out", "missing.npz"], ["--machine", "ideal"],
    ["--null", "30", "--subset", "20"],
])
def test_user_errors_take_one_line(files, tmp_path, capsys, wrong, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert status(main, arguments(files, tmp_path / "out", *wrong)) == 2
    out, err = capsys.readouterr()
    assert err.startswith("python -m compare.novelty: error: ") and err.count("\n") == 1 and not out
    assert not (tmp_path / "out").exists()


def test_one_image_by_its_path(files, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    one = [str(files / "samples" / "a.png"), *arguments(files, tmp_path / "out")[1:]]
    assert main(one) == 0
    assert (tmp_path / "out" / "novelty.csv").read_text().splitlines()[1].startswith("0,a.png,copy,")


def test_bad_files_rectangles_mirror_images_and_names(files, tmp_path, capsys, monkeypatch):
    """A mirrored training image is a copy with --augment flip only; what cannot be read is left out and listed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with np.load(files / "train.npz") as held:
        images = held["x"]
    for name, chosen in (("train/one", images[:20]), ("train/two", images[20:]), ("samples", images[3:4, :, ::-1])):
        (tmp_path / name).mkdir(parents=True)
        for i, image in enumerate(chosen):
            Image.fromarray(image[..., 0]).save(tmp_path / name / f"{i:02}.png")
    (tmp_path / "train" / "one" / "bad.png").write_bytes(b"no image")
    given = [str(tmp_path / "samples"), "--train", str(tmp_path / "train"), "--size", "12", "10", "--level", "0.05",
             "--null", "25", "--patch-size", "3"]
    assert status(main, [*given, "--out", str(tmp_path / "strict")]) == 2
    assert "bad.png" in capsys.readouterr().err
    rows = {}
    for more in ((), ("--augment", "flip")):
        out = tmp_path / f"out{len(more)}"
        assert main([*given, "--skip-bad", *more, "--out", str(out)]) == 0
        assert "left out 1 files that cannot be read:\n  " in capsys.readouterr().err
        [rows[more]] = csv.DictReader((out / "novelty.csv").read_text().splitlines())
    assert rows[()]["verdict"] != "copy"
    flipped = rows["--augment", "flip"]
    assert (flipped["verdict"], flipped["file"], flipped["nearest_file"], flipped["nearest_class"]) == (
        "copy", "00.png", "one/03.png", "one")
    assert status(main, [*given, "--size", "1", "2", "3", "--out", str(tmp_path / "no")]) == 2
    assert "--size: got 3 numbers, want one, or height and width" in capsys.readouterr().err


def test_other_shapes_are_refused(files, tmp_path, capsys):
    Image.fromarray(np.zeros((9, 12), dtype=np.uint8)).save(tmp_path / "narrow.png")
    assert main([str(tmp_path), *arguments(files, tmp_path / "out")[1:]]) == 2
    assert "--samples: got images of (1, 9, 12), want (1, 12, 12)" in capsys.readouterr().err


def test_help_is_quick():
    assert "--train fashion-mnist" in quick_help("compare.novelty")
