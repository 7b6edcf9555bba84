"""Rows of real images that share a hidden property: made, held out, read back."""

import numpy as np
import pytest

from empirical.consistency import flags
from empirical.datasets import DatasetNotFound, load
from empirical.pairs import PairedImages, PairsLayout
from theory.errors import UserError

LAYOUTS = [PairsLayout(side=6, gap=3, pool=5), PairsLayout(row=3, side=6, gap=2, pool=4, values=2),
           PairsLayout(side=6, gap=3, pool=5, shared="brightness", values=3)]


def rows_of(layout: PairsLayout) -> PairedImages:
    """Blobs that differ, each with a pixel of full intensity, so that its brightness can be seen."""
    pool = np.random.default_rng(0).uniform(0, 1, (layout.pool, layout.side, layout.side)).astype(np.float32)
    pool[:, 2, 2] = 1
    return PairedImages(layout, pool)


@pytest.fixture(params=LAYOUTS, ids=["hue", "three", "brightness"])
def rows(request) -> PairedImages:
    return rows_of(request.param)


@pytest.fixture
def png_folder(tmp_path):
    from PIL import Image

    for i, pixels in enumerate(np.random.default_rng(1).integers(0, 256, (9, 12, 12), dtype=np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    return tmp_path


def test_rendered_by_hand(rows):
    layout = rows.layout
    images, values = rows.sample(7, seed=3)
    made = rows.render(images, values)
    assert made.dtype == np.float32 and made.shape == (7, *layout.shape)
    tints = {"hue": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]],
             "brightness": [[1 / 3], [2 / 3], [1]]}[layout.shared]
    expected = np.full(made.shape, -1.0)
    for n, place, c, y, x in np.ndindex(7, layout.row, layout.shape[0], layout.side, layout.side):
        intensity = rows.pool[images[n, place], y, x] * tints[values[n]][c]
        expected[n, c, y, place * (layout.side + layout.gap) + x] = 2 * intensity - 1
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_read_back(rows):
    images, values = rows.sample(50, seed=1)
    found = rows.decode(rows.render(images, values))
    assert (found.images == images).all() and (found.values == values[:, None]).all()
    assert found.distances.max() < 1e-6
    each = np.random.default_rng(0).integers(rows.layout.values, size=images.shape)
    mixed = rows.render(images, each)
    assert (rows.decode(mixed).values == each).all()
    assert (rows.consistent(mixed) == (each == each[:, :1]).all(axis=1)).all()


def test_a_hue_is_read_wherever_the_picture_is():
    layout = PairsLayout(side=6, gap=4, pool=3)
    rows, rng = rows_of(layout), np.random.default_rng(8)
    light = rng.uniform(0, 1, (40, 1, 6, 16)) * (rng.uniform(size=(40, 1, 6, 16)) < 0.2)
    hues = rng.integers(6, size=(40, 2))
    tints = np.repeat(layout.tints[hues], 8, axis=1).transpose(0, 2, 1)[:, :, None]  # halves of the row
    found = rows.decode((2 * light * tints - 1).astype(np.float32))
    assert (found.values == hues).all() and found.distances.max() < 1e-6
    mixed = 2 * np.concatenate([light, light, 0 * light], 1) * rng.uniform(0.5, 1, (40, 3, 6, 16)) - 1
    assert np.median(rows.decode(mixed).distances) > 0.02


def test_chance_is_the_rate_of_values_drawn_by_themselves(rows):
    n, rng = 20_000, np.random.default_rng(2)
    each = rng.integers(rows.layout.values, size=(n, rows.layout.row))
    rate = (each == each[:, :1]).all(axis=1).mean()
    assert abs(rate - rows.layout.chance) < 4 * np.sqrt(rows.layout.chance / n)


def test_noise_lowers_clean_and_spares_consistent(rows):
    images = rows.render(*rows.sample(64, seed=4))
    noise = np.random.default_rng(0).standard_normal(images.shape)
    assert rows.clean(images + 0.1 * noise).all() and rows.consistent(images + 0.1 * noise).mean() > 0.9
    assert not rows.clean(images + 0.6 * noise).any()


def test_held_out_combinations_are_drawn_in_testing_only():
    rows = rows_of(PairsLayout(side=6, gap=3, pool=5, held_out=0.4))
    every = np.array([(a, b, value) for a in range(5) for b in range(5) for value in range(6)])
    share = rows.is_held_out(every[:, :2], every[:, 2]).mean()
    assert 0.25 < share < 0.55
    for held_out in (False, True):
        images, values = rows.sample(500, seed=0, held_out=held_out)
        assert (rows.is_held_out(images, values) == held_out).all()
        seen = np.unique(np.column_stack([images, values]), axis=0)
        assert len(seen) > 0.9 * len(every) * (share if held_out else 1 - share)
    train, test = rows.render(*rows.sample(500, 0)), rows.render(*rows.sample(40, 0, held_out=True))
    assert flags(test, train, rows)["novel"].all() and not flags(train[:40], train, rows)["novel"].any()


def test_draws_depend_on_the_seed_alone(rows):
    first, again, other = (rows.sample(30, seed) for seed in (5, 5, 6))
    assert (first[0] == again[0]).all() and (first[1] == again[1]).all() and (first[0] != other[0]).any()


def test_loaded_by_name(png_folder):
    layout = PairsLayout(side=6, gap=3, pool=8, held_out=0.3)
    name = f"pairs:folder:{png_folder}"
    train, again = (load(name, layout=layout, count=20, seed=1) for _ in range(2))
    assert train.images.shape == (20, 3, 6, 15) and train.fingerprint == again.fingerprint
    assert train.layout.consistent(train.images).all() and train.layout.clean(train.images).all()
    test = load(name, layout=layout, count=20, split="test")
    assert train.layout.novel(test.images, train.images).all()
    pool = load(f"folder:{png_folder}", size=6, subset=8, seed=0)
    np.testing.assert_allclose(train.layout.pool, (pool.images[:, 0] + 1) / 2)
    with pytest.raises(DatasetNotFound, match="no combination is held out"):
        load(name, layout=PairsLayout(side=6, pool=8, held_out=0.0), split="test")


@pytest.mark.parametrize("bad, match", [
    (dict(row=1), "row: got 1, want an integer of at least 2"),
    (dict(gap=-1), "gap: got -1"),
    (dict(side=2.0), "side: got 2.0"),
    (dict(shared="shape"), "shared: got 'shape', want one of hue, brightness"),
    (dict(values=7), "values: got 7, want at most 6 hues"),
    (dict(held_out=1.0), "held_out: got 1.0"),
])
def test_bad_layouts(bad, match):
    with pytest.raises(UserError, match=match):
        PairsLayout(**bad)


def test_bad_names_and_images(png_folder, rows):
    with pytest.raises(UserError, match="want pairs of a set of images"):
        load("pairs:toy")
    with pytest.raises(UserError, match="name: got 'nothing'"):
        load("pairs:nothing")
    with pytest.raises(UserError, match="subset: got 200, want 1 to 9"):
        load(f"pairs:folder:{png_folder}")
    with pytest.raises(UserError, match="images: got shape"):
        rows.decode(np.zeros((2, 3, 4, 4)))
    with pytest.raises(UserError, match="got one for 'mnist', want it for the toy set and for pairs only"):
        load("mnist", layout=PairsLayout())
