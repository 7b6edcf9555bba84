import numpy as np
import pytest
from PIL import Image

from empirical.datasets import DatasetNotFound, load
from theory.errors import UserError


def picture(seed, width=40, height=50, mode="RGB"):
    channels = {"RGB": (3,), "RGBA": (4,), "L": ()}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    return Image.fromarray(pixels)


def save(path, seed=0, **arguments):
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, **arguments).save(path)


def test_a_flat_folder_has_no_labels(tmp_path):
    for i, name in enumerate(["b.png", "a.jpg", "c.PNG"]):
        save(tmp_path / name, i)
    (tmp_path / "notes.txt").write_text("not an image")
    data = load(f"folder:{tmp_path}")
    assert data.images.shape == (3, 3, 32, 32) and data.images.dtype == np.float32 and data.labels is None
    assert data.images.min() >= -1 and data.images.max() <= 1


def test_sub_folders_are_classes_in_alphabetical_order(tmp_path):
    for i, name in enumerate(["dog/1.png", "cat/2.png", "cat/1.png", "eel/1.png"]):
        save(tmp_path / name, i, width=32, height=32)
    data = load(f"folder:{tmp_path}")
    assert data.classes == ("cat", "dog", "eel") and data.labels.tolist() == [0, 0, 1, 2]
    first = np.asarray(picture(2, 32, 32)).transpose(2, 0, 1)
    np.testing.assert_array_equal(np.rint((data.images[0] + 1) * 127.5), first)


def test_splits_are_folders(tmp_path):
    save(tmp_path / "train" / "cat" / "1.png")
    save(tmp_path / "train" / "dog" / "1.png")
    save(tmp_path / "test" / "1.png")
    assert load(f"folder:{tmp_path}").classes == ("cat", "dog")
    assert len(load(f"folder:{tmp_path}", split="test").images) == 1


def test_the_central_square_is_resized_with_antialiasing(tmp_path):
    stripes = np.zeros((64, 128, 3), np.uint8)
    stripes[::2, 32:96] = 255  # only inside the central square, one pixel wide
    Image.fromarray(stripes).save(tmp_path / "a.png")
    image = load(f"folder:{tmp_path}", size=16).images[0]
    assert image.shape == (3, 16, 16) and np.abs(image).max() < 0.1  # grey: neither black border nor single stripes


def test_grey_stays_one_channel_and_colour_wins(tmp_path):
    save(tmp_path / "a.png", mode="L")
    assert load(f"folder:{tmp_path}").images.shape == (1, 1, 32, 32)
    save(tmp_path / "b.png", mode="RGBA")
    images = load(f"folder:{tmp_path}").images
    assert images.shape == (2, 3, 32, 32) and (images[0, 0] == images[0, 1]).all()


def test_size_none_keeps_them_if_they_are_of_one_size(tmp_path):
    save(tmp_path / "a.png", width=40, height=50)
    assert load(f"folder:{tmp_path}", size=None).images.shape == (1, 3, 50, 40)
    save(tmp_path / "b.png", width=41, height=50)
    with pytest.raises(ValueError, match="^size: got None for images of 2 sizes, want one"):
        load(f"folder:{tmp_path}", size=None)


@pytest.mark.parametrize("damage", [lambda z: z[:200], lambda z: b"", lambda z: b"not an image"])
def test_broken_images_are_named(tmp_path, damage):
    save(tmp_path / "a.png")
    save(tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes(damage((tmp_path / "b.png").read_bytes()))
    with pytest.raises(ValueError, match=r"b\.png: got no image that can be read") as error:
        load(f"folder:{tmp_path}")
    assert "\n" not in str(error.value)


def test_nothing_there(tmp_path):
    with pytest.raises(DatasetNotFound, match="^folder: found no folder nowhere, want one"):
        load("folder:nowhere")
    with pytest.raises(ValueError, match="^folder: found no images in .*, want some of .png"):
        load(f"folder:{tmp_path}")
    save(tmp_path / "a.png")
    with pytest.raises(DatasetNotFound, match="^folder: found no .*test, want it for the split 'test'"):
        load(f"folder:{tmp_path}", split="test")


def test_a_broken_test_split_is_an_error_and_no_missing_one(tmp_path):
    save(tmp_path / "train" / "a.png")
    save(tmp_path / "test" / "a.png")
    (tmp_path / "test" / "a.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="test/a.png: got no image that can be read") as error:
        load(f"folder:{tmp_path}", split="test")
    assert not isinstance(error.value, DatasetNotFound)


# --- which files, and what they are called ----------------------------------------------------------------------------


def test_hidden_files_and_folders_are_left_out(tmp_path):
    for name in ("cat/1.png", "dog/1.png", ".ipynb_checkpoints/1-checkpoint.png", "cat/.ipynb_checkpoints/1.png",
                 "dog/._1.png", ".hidden.png"):
        save(tmp_path / name)
    (tmp_path / "cat" / ".DS_Store").write_bytes(b"rubbish")
    data = load(f"folder:{tmp_path}")
    assert data.classes == ("cat", "dog") and data.files == ("cat/1.png", "dog/1.png")


def test_a_hidden_folder_that_is_named_is_read(tmp_path):
    save(tmp_path / ".mine" / "a.png")
    assert load(f"folder:{tmp_path}/.mine").files == ("a.png",)


def test_linked_class_folders_are_followed_and_circles_are_not(tmp_path):
    for i in range(10):
        save(tmp_path / "elsewhere" / f"{i}.png", i)
    save(tmp_path / "set" / "cat" / "1.png")
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "eel").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "gone").symlink_to(tmp_path / "nowhere")
    data = load(f"folder:{tmp_path}/set")
    assert len(data.images) == 11 and data.classes == ("cat", "dog") and data.labels.tolist() == [0] + [1] * 10


@pytest.mark.parametrize("beside", ["stray.png", "cat/deep/1.png"])
def test_images_beside_a_folder_of_images_are_an_error(tmp_path, beside):
    """They are of no class; the parent's name is none."""
    for name in ("cat/1.png", "dog/1.png", beside):
        save(tmp_path / name)
    message = r"^folder: got .*\.png beside the folder .* in .*, want images in a folder, or folders of images"
    with pytest.raises(UserError, match=message):
        load(f"folder:{tmp_path}")


def test_classes_of_one_name_in_two_places_are_two(tmp_path):
    for name in ("x/good/1.png", "y/good/1.png", "y/bad/1.png"):
        save(tmp_path / name)
    assert load(f"folder:{tmp_path}").classes == ("x/good", "y/bad", "y/good")


def test_file_names_stay_with_the_images_also_through_the_cache_and_a_subset(tmp_path):
    names = [f"{letter}/{i}.png" for letter in "abc" for i in range(4)]
    for i, name in enumerate(names):
        save(tmp_path / name, i)
    for _ in range(2):
        whole, some = load(f"folder:{tmp_path}"), load(f"folder:{tmp_path}", subset=5, seed=3)
        assert whole.files == tuple(names)
        for file, image, label in zip(some.files, some.images, some.labels):
            i = names.index(file)
            np.testing.assert_array_equal(image, whole.images[i])
            assert some.classes[label] == file[0]
    assert load(f"folder:{tmp_path}/a/0.png").files == ("0.png",)


def test_bad_files_are_left_out_on_request_and_listed(tmp_path):
    for i, name in enumerate(["cat/1.png", "cat/2.png", "dog/1.png", "eel/1.png"]):
        save(tmp_path / name, i)
    whole = load(f"folder:{tmp_path}")
    for name in ("cat/1.png", "eel/1.png"):
        (tmp_path / name).write_bytes(b"broken")
    for _ in range(2):  # from the cache too
        data = load(f"folder:{tmp_path}", skip_bad=True)
        assert data.files == ("cat/2.png", "dog/1.png") and data.classes == ("cat", "dog")
        assert data.labels.tolist() == [0, 1]
        assert data.skipped == (f"{tmp_path}/cat/1.png", f"{tmp_path}/eel/1.png")
        np.testing.assert_array_equal(data.images, whole.images[1:3])
    with pytest.raises(UserError, match="cat/1.png: got no image"):
        load(f"folder:{tmp_path}")
    for name in ("cat/2.png", "dog/1.png"):
        (tmp_path / name).write_bytes(b"broken")
    with pytest.raises(UserError, match="found no image that can be read"):
        load(f"folder:{tmp_path}", skip_bad=True)


@pytest.mark.parametrize("size, shape", [((16, 48), (16, 48)), ((48, 16), (48, 16)), ([20, 20], (20, 20)), (7, (7, 7))])
def test_rectangles(tmp_path, size, shape):
    save(tmp_path / "a.png", width=90, height=60)
    image = load(f"folder:{tmp_path}", size=size).images[0]
    assert image.shape == (3, *shape)
    whole = np.asarray(picture(0, 90, 60)).astype(float) / 127.5 - 1
    height, width = min(60, round(90 * shape[0] / shape[1])), min(90, round(60 * shape[1] / shape[0]))
    top, left = (60 - height) // 2, (90 - width) // 2
    middle = whole[top : top + height, left : left + width].mean(axis=(0, 1))
    np.testing.assert_allclose(image.mean(axis=(1, 2)), middle, atol=0.05)


@pytest.mark.parametrize("size", [0, -1, 1.5, "32", (3,), (3, 0), (1, 2, 3)])
def test_sizes_that_are_none(tmp_path, size):
    save(tmp_path / "a.png")
    with pytest.raises(UserError, match="^size: got .*, want a whole number of pixels"):
        load(f"folder:{tmp_path}", size=size)


# --- CelebA's layout --------------------------------------------------------------------------------------------------


def celeba(folder):
    for i in range(1, 6):
        save(folder / "img_align_celeba" / f"{i:06}.jpg", i, width=178, height=218)
    parts = [0, 1, 0, 2, 0]
    (folder / "list_eval_partition.txt").write_text("".join(f"{i + 1:06}.jpg {p}\n" for i, p in enumerate(parts)))


@pytest.mark.parametrize("below", ["", "celeba"])
def test_celeba(tmp_path, below):
    celeba(tmp_path / below)
    train, test = load("celeba", data_dir=tmp_path), load("celeba", data_dir=tmp_path, split="test")
    assert train.images.shape == (3, 3, 32, 32) and test.images.shape == (1, 3, 32, 32) and train.labels is None
    face = Image.open(tmp_path / below / "img_align_celeba" / "000004.jpg").crop((0, 20, 178, 198))
    expected = np.asarray(face.resize((32, 32), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    np.testing.assert_array_equal(np.rint((test.images[0] + 1) * 127.5), expected)


def test_a_list_of_faces_that_was_cut_short_is_said(tmp_path):
    celeba(tmp_path)
    path = tmp_path / "list_eval_partition.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-2]))
    with pytest.raises(ValueError, match="partition.txt: got .* lines for .* images in .*, want the list whole"):
        load("celeba", data_dir=tmp_path)


def test_celeba_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="^celeba: found no list_eval_partition.txt, want it in --data-dir or in "):
        load("celeba", data_dir=tmp_path)
    celeba(tmp_path)
    (tmp_path / "img_align_celeba" / "000003.jpg").unlink()
    with pytest.raises(ValueError, match="000003.jpg: got no image"):
        load("celeba", data_dir=tmp_path)
    (tmp_path / "list_eval_partition.txt").write_text("nonsense\n")
    with pytest.raises(ValueError, match="list_eval_partition.txt: got lines other than"):
        load("celeba", data_dir=tmp_path)
