"""Softmax sums and lists of the nearest candidates; merged, where they are of disjoint candidates."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.softmax import merge_states

drop_stale([merge_states])


@dataclass(frozen=True)
class Posterior:
    """Softmax sums of B queries, float64: peak, mass (B, Y, X), total (B, Cv, Y, X), energy (B, E, Y, X), E 0 or 2."""

    peak: np.ndarray
    mass: np.ndarray
    total: np.ndarray
    energy: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """E[value | query], (B, Cv, Y, X)."""
        return self.total / self.mass[:, None]

    @property
    def log_normaliser(self) -> np.ndarray:
        """log sum_j exp(logit_j), (B, Y, X)."""
        return self.peak + np.log(self.mass)

    @property
    def entropies(self) -> np.ndarray:
        """Entropy in nats over candidates, and over images, (B, 2, Y, X); where energy was kept."""
        return np.log(self.mass)[:, None] - self.energy / self.mass[:, None]


@dataclass(frozen=True)
class Nearest:
    """The K candidates with the largest logits, best first: key = distance - offset (.., Y, X, K), inf for none, source
    (.., Y, X, K, 3), each candidate's image, y and x, and rest (.., Y, X, K), what float64 leaves of the key."""

    key: np.ndarray
    source: np.ndarray
    rest: np.ndarray

    @classmethod
    def empty(cls, shape: tuple[int, ...], top: int) -> Nearest:
        return cls(np.full((*shape, top), np.inf), np.full((*shape, top, 3), -1), np.zeros((*shape, top)))

    def merged(self) -> Nearest:
        """One list from the lists along the first axis; equals in their order."""
        K = self.key.shape[-1]
        key, rest = (np.moveaxis(part, 0, -2).reshape(*part.shape[1:-1], -1) for part in (self.key, self.rest))
        source = np.moveaxis(self.source, 0, -3).reshape(*key.shape, 3)
        best = np.lexsort((rest, key), axis=-1)[..., :K]
        key, rest = np.take_along_axis(key, best, -1), np.take_along_axis(rest, best, -1)
        return Nearest(key, np.take_along_axis(source, best[..., None], -2), rest)


def merge(parts: list[Posterior]) -> Posterior:
    """The posterior over the union of disjoint candidate sets."""
    return merge_stacked(stacked(parts))


def merge_nearest(parts: list[Nearest]) -> Nearest:
    """The nearest candidates of the union of disjoint candidate sets."""
    return stacked(parts).merged()


def merge_stacked(states: Posterior) -> Posterior:
    """Merge states that are stacked along a first axis and used up; the state without it."""
    merged = Posterior(*(np.empty(array.shape[1:]) for array in arrays(states)))
    merge_states(*arrays(states), *arrays(merged))
    return merged


def merged_by_distance(states: Posterior, near: np.ndarray, rest: np.ndarray, precision: np.ndarray) -> Posterior:
    """`merge_stacked` by the exact distance near + rest (P, B, Y, X) of the nearest candidate of each, in place of its
    peak, which float64 may not tell from another."""
    best = np.lexsort((rest, near), axis=0)[:1]
    least = np.take_along_axis(near, best, 0)
    with np.errstate(invalid="ignore"):  # a pixel that no candidate was measured for
        states.peak[:] = -precision * ((near - least) + (rest - np.take_along_axis(rest, best, 0)))
    merged = merge_stacked(states)
    merged.peak[:] = -precision * least[0]
    return merged


def concatenated(records):
    """Posteriors, or Nearest lists, of separate queries as one."""
    return type(records[0])(*(np.concatenate(arrays) for arrays in zip(*map(arrays, records))))


def in_order(records, order: list[np.ndarray]):
    """`concatenated`, the queries brought from the places `order` to 0, 1, 2, ..."""
    places = np.argsort(np.concatenate(order))
    together = concatenated(records)
    return together if len(records) == 1 else type(together)(*(array[places] for array in arrays(together)))


def stacked(records):
    """Stack Posteriors, or Nearest lists, along a new first axis."""
    return type(records[0])(*(np.stack(arrays) for arrays in zip(*map(arrays, records))))


def arrays(record) -> list[np.ndarray]:
    return [getattr(record, f.name) for f in fields(record)]
