import numpy as np
import pytest
from matplotlib.figure import Figure


@pytest.fixture
def rng():
    return np.random.default_rng(20250621)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved during a test, in order, for a look at what they show."""
    figures, save = [], Figure.savefig

    def saved(figure, *rest, **named):
        figures.append(figure)
        return save(figure, *rest, **named)

    monkeypatch.setattr(Figure, "savefig", saved)
    return figures
