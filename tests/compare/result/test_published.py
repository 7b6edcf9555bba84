from itertools import product

import numpy as np
import pytest

from compare.result.published import (
    CHANCE_CONSISTENT,
    FKTB_CONSISTENT,
    KG_CORRELATION,
    KG_KINDS,
    KG_PATCH_SIZES,
    kg_correlation,
)
from empirical.toy_networks import VARIANTS


@pytest.mark.parametrize("family, agree", [
    ("one-to-one", lambda key, value: key == value), ("all", lambda key, value: not key or value)])
def test_chance_levels_by_enumeration(family, agree):
    """All 65,536 images of four colour pairs."""
    pairs = [(a, b) for b in range(4) for a in range(b)]
    fits = sum(all(agree(c[a] == c[b], c[4 + a] == c[4 + b]) for a, b in pairs) for c in product(range(4), repeat=8))
    assert CHANCE_CONSISTENT[family] == fits / 4**8


def test_published_figures_stand_beside_our_variants():
    """Finn et al. 2025: random 5.38 %, CNN 10.88, top-1 21.64, identity 25.44, learned 64.03."""
    assert list(FKTB_CONSISTENT) == ["random", *VARIANTS]
    assert list(FKTB_CONSISTENT.values()) == [0.0538, 0.1088, 0.2164, 0.2544, 0.6403]


def test_kamb_ganguli_tables_are_complete():
    """Ten trained networks with windows and three machines each, and the one with attention; 20 odd windows each."""
    assert len(KG_CORRELATION) == 11 and set(KG_CORRELATION) - set(KG_PATCH_SIZES) == {
        ("cifar10", "unet-attention", "zeros")}
    for row in KG_CORRELATION.values():
        assert np.shape(row) == (len(KG_KINDS), 2) and all(0 < r < 1 for pair in row for r in pair)
    for sizes in KG_PATCH_SIZES.values():
        assert len(sizes) == 20 and all(k % 2 and 3 <= k <= 27 for k in sizes) and sizes[0] == 3


@pytest.mark.parametrize("which, want", [
    (("mnist", "resnet", "zeros", "equivariant_local"), (0.94, 0.94)),
    (("fashion-mnist", "unet", "zeros", "local"), (0.93, 0.91)),
    (("cifar10", "unet-identity", "zeros", "ideal"), (0.48, 0.47)),
    (("mnist", "unet-learned", "zeros", "equivariant_local"), None),
    (("mnist", "resnet", "zeros", "wiener"), None), (("npz:mine", "resnet", "zeros", "equivariant_local"), None)])
def test_kamb_ganguli_figures_are_found_by_what_was_compared(which, want):
    assert kg_correlation(*which) == want
