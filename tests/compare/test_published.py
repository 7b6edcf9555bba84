from itertools import product

import pytest

from compare.published import CHANCE_CONSISTENT, FKTB_CONSISTENT
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
