"""What a machine keeps: it pickles, survives spawn, is remade from its repr, and its memory is bounded."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import theory
from theory import (
    AttentionScore,
    ConsensusScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    InnovationScore,
    LocalScore,
    PairScore,
    WienerScore,
)
from theory.machines.bounded_cache import BoundedCache

IMAGES = np.random.default_rng(0).uniform(-1, 1, (7, 2, 4, 3)).astype(np.float32)
LABELS = np.arange(7) % 2
X = IMAGES[:2] + 0.5
ROWS = (1.0 - np.eye(12)) / 11


def rows_of(x, sigma):
    return np.broadcast_to(ROWS, (len(x), 12, 12))


MACHINES = {
    "ideal": lambda: IdealScore(IMAGES),
    "ideal-labels": lambda: IdealScore(IMAGES, LABELS),
    "equivariant": lambda: EquivariantScore(IMAGES),
    "wiener": lambda: WienerScore(IMAGES),
    "wiener-shrunk": lambda: WienerScore(IMAGES, shrinkage=0.25),
    "local": lambda: LocalScore(IMAGES, 3, "circular", LABELS),
    "els": lambda: EquivariantLocalScore(IMAGES, 3),
    "els-unwrapped": lambda: EquivariantLocalScore(IMAGES, 3, "circular", wrap_training=False),
    "attention": lambda: AttentionScore(IMAGES, 3, attention="identity", strength=0.3, beta=2.0),
    "attention-given": lambda: AttentionScore(IMAGES, 3, attention=ROWS, strength=0.3),
    "attention-function": lambda: AttentionScore(IMAGES, 3, attention=rows_of, strength=0.3),
    "pair": lambda: PairScore(IMAGES, 3, attention="overlap", strength=0.7),
    "consensus": lambda: ConsensusScore(IMAGES, 3, strength=0.5, labels=LABELS),
    "innovation": lambda: InnovationScore(IMAGES, 3, draws=2, seed=5, tolerance=1e-2),
}


@pytest.mark.parametrize("name", MACHINES)
def test_a_pickle_is_the_same_machine(name):
    machine = MACHINES[name]()
    expected = machine.denoise(X, 0.7)  # fills what it keeps
    assert_array_equal(pickle.loads(pickle.dumps(machine)).denoise(X, 0.7), expected)


def test_machines_survive_spawn():
    machines = [make() for name, make in MACHINES.items() if name != "attention-function"]  # which lies in this file
    expected = [machine.denoise(X, 0.7) for machine in machines]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [job.result() for job in [pool.submit(machine.denoise, X, 0.7) for machine in machines]]
    assert_array_equal(found, expected)


@pytest.mark.parametrize("name", MACHINES)
def test_repr_rebuilds_the_machine_but_for_the_images(name):
    machine = MACHINES[name]()
    names = vars(theory) | {"images": IMAGES, "labels": LABELS, "attention": machine.__dict__.get("attention")}
    again = eval(repr(machine), names)
    assert type(again) is type(machine) and repr(again) == repr(machine)
    labels = 1 if machine.conditional else None
    assert_array_equal(again.denoise(X, 0.7, labels=labels), machine.denoise(X, 0.7, labels=labels))


def test_repr_names_what_is_not_the_default():
    assert repr(EquivariantLocalScore(IMAGES, 3, "circular", LABELS)) == (
        "EquivariantLocalScore(images, patch_size=3, boundary='circular', labels=labels)")
    assert repr(AttentionScore(IMAGES, 5, attention=ROWS, strength=0.5)) == (
        "AttentionScore(images, patch_size=5, attention=attention, strength=0.5)")


def test_tables_are_kept_by_their_bytes(monkeypatch):
    machine = InnovationScore(IMAGES, 3, draws=1)
    table = machine.context(0.5).values.nbytes
    monkeypatch.setattr(machine._coupling.tables, "max_bytes", 3 * table)
    first = machine.context(0.5)
    for sigma in (1.0, 2.0):
        machine.context(sigma)
    assert machine.context(0.5) is first  # three fit, and this is now the one last used
    machine.context(4.0)
    assert machine._coupling.tables.nbytes == 3 * table
    assert machine.context(0.5) is first


def test_the_last_result_is_kept_even_if_it_is_too_large():
    cache, calls = BoundedCache(10), []
    for key in (1, 1, 2, 1):
        cache.get(key, lambda key=key: calls.append(key) or (np.zeros(100),))
    assert calls == [1, 2, 1] and len(cache) == 1


def test_what_a_machine_offers_it_does():
    """`attribute` is of machines that average training pixels, `beta` of those that attend by a rule."""
    offers = {kind.__name__ for kind in map(vars(theory).get, theory.__all__) if hasattr(kind, "attribute")}
    assert offers == {"AttentionScore", "ConsensusScore", "EquivariantLocalScore", "EquivariantScore", "IdealScore",
                      "LocalScore", "PairScore", "Sharded"}
    assert not hasattr(ConsensusScore(IMAGES, 3), "beta")
    assert max(len(_chain(kind)) for kind in map(vars(theory).get, offers)) <= 4


def _chain(kind):
    """The longest way from a class to ScoreMachine, both counted."""
    from theory.machines.machine import ScoreMachine

    ways = [_chain(base) for base in kind.__bases__ if issubclass(base, ScoreMachine)]
    return [kind, *max(ways, key=len, default=[])]
