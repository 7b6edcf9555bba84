import numpy as np
import pytest
from numpy.testing import assert_array_equal

from empirical.consistency import by_held_out_map, clean, consistent, consistent_colours, decode, novel
from empirical.toy import BACKGROUND, PALETTE, ToyLayout

LAYOUTS = [
    ToyLayout(),
    ToyLayout(cell=2),
    ToyLayout(gap=2, inner_gap=1),
    ToyLayout(arrangement="grid", cell=3, gap=1, inner_gap=2),
    ToyLayout(pairs=5, arrangement="grid", family="all"),
]


def all_colourings(pairs=4):
    """Every colouring of 2 * pairs cells: keys and values, each (4^(2 pairs), pairs)."""
    cells = np.stack(np.meshgrid(*[np.arange(4)] * (2 * pairs), indexing="ij"), -1).reshape(-1, pairs, 2)
    return cells[..., 0], cells[..., 1]


def fits_some_map(keys, values, family):
    """By the definition: is there a map f, one-to-one if asked, with values = f(keys)? One colouring."""
    seen = {}
    for key, value in zip(keys, values):
        if seen.setdefault(key, value) != value:
            return False
    return family == "all" or len(set(seen.values())) == len(seen)


@pytest.mark.parametrize("family, count, chance", [("one-to-one", 5056, 0.0771), ("all", None, 0.2551)])
def test_chance_levels_by_enumeration(family, count, chance):
    keys, values = all_colourings()
    agree = consistent_colours(keys, values, family)
    assert len(agree) == 65_536
    assert agree.mean() == pytest.approx(chance, abs=5e-5)
    assert count is None or agree.sum() == count
    for i in np.random.default_rng(0).integers(len(keys), size=2000):
        assert agree[i] == fits_some_map(keys[i].tolist(), values[i].tolist(), family)


@pytest.mark.parametrize("family", ["one-to-one", "all"])
def test_the_enumerated_images_are_exactly_the_consistent_ones(family):
    layout = ToyLayout(family=family)
    images = layout.enumerate()
    keys, values = all_colourings()
    assert len(images) == consistent_colours(keys, values, family).sum()
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)
    assert consistent(images, layout).all() and clean(images, layout).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_generate(layout):
    images = layout.generate(300, seed=3)
    assert images.dtype == np.float32 and images.shape == (300, 3, layout.height, layout.width)
    assert set(np.unique(images)) <= {-1.0, 1.0}
    assert consistent(images, layout).all() and clean(images, layout).all()
    np.testing.assert_array_equal(images, layout.generate(300, seed=3))
    assert not np.array_equal(images, layout.generate(300, seed=4))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_decode_inverts_render(layout):
    colours = np.random.default_rng(1).integers(4, size=(50, layout.pairs, 2))
    images = layout.render(colours[..., 0], colours[..., 1])
    decoded, distances = decode(images, layout)
    np.testing.assert_array_equal(decoded, colours)
    assert distances.max() == 0.0


def test_layouts_place_their_cells():
    keys, values = np.array([[0, 1, 2, 3]]), np.array([[3, 2, 1, 0]])
    rows = ToyLayout(gap=1, inner_gap=1).render(keys, values)[0]
    assert rows.shape == (3, 7, 3)
    np.testing.assert_array_equal(rows[:, ::2, 0].T, PALETTE[keys[0]])
    np.testing.assert_array_equal(rows[:, ::2, 2].T, PALETTE[values[0]])
    assert (rows[:, 1::2] == BACKGROUND).all() and (rows[:, :, 1] == BACKGROUND).all()
    grid = ToyLayout(arrangement="grid", cell=2, gap=1).render(keys, values)[0]
    assert grid.shape == (3, 5, 9)
    assert (grid[:, 3:, 7:] == PALETTE[0][:, None, None]).all()  # the value of the fourth pair


def test_uniform_keys_and_maps():
    keys, values = ToyLayout().sample(40_000, seed=0)
    for cell in (*keys.T, *values.T):
        np.testing.assert_allclose(np.bincount(cell, minlength=4) / 40_000, 0.25, atol=0.01)
    assert (keys[:, 0] == keys[:, 1]).mean() == pytest.approx(0.25, abs=0.01)


def test_held_out_maps_are_never_drawn():
    full, layout = ToyLayout(), ToyLayout(held_out_maps=0.25, held_out_seed=5)
    assert len(full.maps) == 24 and len(ToyLayout(family="all").maps) == 256
    assert len(layout.maps) == 18
    np.testing.assert_array_equal(layout.maps, ToyLayout(held_out_maps=0.25, held_out_seed=5).maps)
    assert not np.array_equal(layout.maps, ToyLayout(held_out_maps=0.25, held_out_seed=6).maps)
    every, allowed = full.enumerate(), layout.enumerate()
    assert novel(every, allowed, full).sum() == len(every) - len(allowed) > 0
    keys, values = layout.sample(5000, seed=0)
    four = np.array([sorted(row) == [0, 1, 2, 3] for row in keys.tolist()])  # images that pin the map down
    maps = np.take_along_axis(values[four], keys[four].argsort(axis=1), axis=1)
    assert {tuple(f) for f in maps.tolist()} <= {tuple(f) for f in layout.maps.tolist()}


def test_held_out_keys_are_never_drawn():
    layout = ToyLayout(held_out_keys=0.5)
    assert len(layout.key_patterns) == 128
    keys, _ = layout.sample(5000, seed=0)
    assert {tuple(k) for k in keys.tolist()} == {tuple(k) for k in layout.key_patterns.tolist()}


def test_consistency_is_one_to_one():
    keys = np.array([[0, 1, 2, 2], [0, 1, 2, 2], [0, 1, 2, 2], [0, 0, 0, 0]])
    values = np.array([[3, 2, 1, 1], [3, 3, 1, 1], [3, 2, 1, 0], [1, 1, 1, 1]])
    assert consistent_colours(keys, values, "one-to-one").tolist() == [True, False, False, True]
    assert consistent_colours(keys, values, "all").tolist() == [True, True, False, True]


def test_clean_is_a_distance_of_the_mean():
    layout = ToyLayout(cell=2)
    images = layout.generate(2, seed=0)
    images[0, 0, :2, :2] += np.array([[0.9, -0.9], [0.5, -0.5]])  # mean unchanged
    images[1, 0, :2, :2] += 0.51
    assert clean(images, layout).tolist() == [True, False]
    assert clean(images, layout, distance=0.52).all()
    assert consistent(images, layout).all()


def test_by_held_out_map_is_consistent_and_drawn_by_no_map_of_training():
    layout = ToyLayout(held_out_maps=0.25)
    every = ToyLayout().enumerate()
    found = by_held_out_map(every, layout)
    assert_array_equal(found, novel(every, layout.enumerate(), layout))       # nothing else keeps an image out
    assert found.sum() == 5056 - 3978
    keys = np.arange(4)[None]
    held_out = next(f for f in ToyLayout().maps if not (layout.maps == f).all(axis=1).any())
    assert by_held_out_map(layout.render(keys, held_out[None]), layout)[0]
    assert not by_held_out_map(layout.render(keys, layout.maps[:1]), layout)[0]
    assert not by_held_out_map(layout.render(0 * keys, keys), layout)[0]      # inconsistent
    assert not by_held_out_map(every, ToyLayout()).any()


def test_novel_counts_what_training_lacks():
    layout = ToyLayout()
    every, training = layout.enumerate(), layout.generate(4096, seed=0)
    distinct = len(np.unique(training.reshape(4096, -1), axis=0))
    assert novel(every, training, layout).sum() == 5056 - distinct
    assert not novel(training + 0.1, training, layout).any()


@pytest.mark.parametrize("arguments, name", [
    (dict(pairs=0), "pairs"), (dict(cell=0), "cell"), (dict(gap=-1), "gap"), (dict(inner_gap=0.5), "inner_gap"),
    (dict(arrangement="spiral"), "arrangement"), (dict(family="some"), "family"),
    (dict(held_out_maps=1.0), "held_out_maps"), (dict(held_out_keys=-0.1), "held_out_keys"),
])
def test_bad_layouts(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: got .*, want "):
        ToyLayout(**arguments)


def test_bad_images():
    layout = ToyLayout()
    with pytest.raises(ValueError, match="^images: got shape"):
        consistent(np.zeros((2, 3, 8, 4), np.float32), layout)
    with pytest.raises(ValueError, match="^images: got NaN"):
        clean(np.full((1, *layout.shape), np.nan, np.float32), layout)
    with pytest.raises(ValueError, match="^n: got 0"):
        layout.generate(0, seed=0)
