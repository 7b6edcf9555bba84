"""Choosing k(t) and lambda(t): at each step the candidate with the smallest loss.

Along a network's own trajectory [KG2025, appendix C.2, there for k alone]: at each step the network denoises its own
phi_t from a number of calibration seeds, and a candidate's loss is the cosine distance, or the mean squared difference,
between what the machine and the network make of it. Without a network: the machine's error in denoising validation
images, or the entropy of its posterior. Entry i along a step axis belongs to t = (i + 1) / steps everywhere (0 = least
noise), as in `theory.ddim`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from compare.measure.pointwise import noise_cosine_distance
from compare.study.sampling import Trajectory
from theory.errors import UserError


class Fit(NamedTuple):
    """The chosen candidate of each step, every draw's own choice, and the losses behind them.

    A draw is what the losses were measured on: a calibration seed, or a validation image.
    """

    candidates: np.ndarray   # (K,)
    chosen: np.ndarray       # (steps,)
    by_draw: np.ndarray      # (B, steps)
    loss: np.ndarray         # (K, B, steps)


def at_patch_sizes(machine, x: np.ndarray, sigma: float, patch_sizes: Sequence[int], labels=None) -> np.ndarray:
    """Return the machine's posterior means for x (B, C, H, W) at each window size, (K, B, C, H, W)."""
    return np.stack(machine.denoise_scales(x, sigma, [int(k) for k in patch_sizes], **_label_kwargs(labels)))


def at_strengths(machine, x: np.ndarray, sigma: float, strengths: Sequence[float], patch_size: int,
                 labels=None) -> np.ndarray:
    """Return the machine's posterior means at each attention strength, from one evidence: (K, B, C, H, W)."""
    return np.stack(machine.denoise_strengths(x, sigma, strengths, patch_size=int(patch_size), **_label_kwargs(labels)))


def cosine_distance(path: Trajectory, i: int, x0: np.ndarray) -> np.ndarray:
    """Return 1 - cos between the noise that candidates x0 (K, B, C, H, W) and the network predict at step i: (K, B)."""
    root = np.sqrt(path.alpha_bar[i])
    return noise_cosine_distance(path.phi[i] - root * x0, path.phi[i] - root * path.x0[i])


def posterior_entropy(machine, x: np.ndarray, sigma: float, patch_sizes: Sequence[int], count: int | np.ndarray,
                      labels=None) -> np.ndarray:
    """Return the entropy of the posterior over training images as a share of its maximum, ln N, at each window size.

    Averaged over the pixels whose window fits in the image: (K, B). machine: a local machine with `attribute`.
    count: N, or (B,), the training images that a query draws on.
    """
    H, W = x.shape[-2:]
    shares = []
    for k in patch_sizes:
        found = machine.attribute(x, sigma, top=1, patch_size=int(k), **_label_kwargs(labels)).entropy_images.values
        inner = found[:, _fitting(H, k), _fitting(W, k)]                       # (B, y, x)
        shares.append(inner.mean(axis=(1, 2)) / np.log(np.maximum(count, 2)))
    return np.stack(shares)


def expanding_search(count: int, start: int, loss: Callable[[int], np.ndarray],
                     preferred: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return losses (count, ...) of ordered candidates tried from `start` outwards, inf for those that were not tried.

    loss(j): of candidate j. preferred: losses of all candidates, inf for the untried -> which ones are preferred; the
    search ends when no outermost one is among them. So a minimum is missed only behind a maximum.
    """
    found = {start: loss(start)}
    while True:
        losses = np.stack([found.get(j, np.full_like(found[start], np.inf)) for j in range(count)])
        best = np.asarray(preferred(losses))
        low, high = min(found), max(found)
        if low > 0 and low in best:
            found[low - 1] = loss(low - 1)
        elif high < count - 1 and high in best:
            found[high + 1] = loss(high + 1)
        else:
            return losses


def median_choice(candidates: Sequence, loss: np.ndarray) -> Fit:
    """Choose each draw's best candidate, and their median [KG2025]; loss (K, B, steps).

    The median over an even number of draws is the lower of the two middle choices, so that the answer is always one of
    the candidates; equally good candidates resolve to the first.
    """
    candidates = _nonempty(candidates)
    by_draw = candidates[loss.argmin(axis=0)]                                                      # (B, steps)
    return Fit(candidates, np.sort(by_draw, axis=0)[(loss.shape[1] - 1) // 2], by_draw, loss)


def mean_choice(candidates: Sequence, loss: np.ndarray) -> Fit:
    """Choose the candidate with the smallest loss, averaged over the draws; loss (K, B, steps)."""
    candidates = _nonempty(candidates)
    return Fit(candidates, candidates[loss.mean(axis=1).argmin(axis=0)], candidates[loss.argmin(axis=0)], loss)


def first_below(candidates: Sequence, loss: np.ndarray, bound: float) -> Fit:
    """Choose the first candidate whose loss, averaged over the draws, is at most `bound`, or the last one.

    loss (K, B, steps).
    """
    candidates = _nonempty(candidates)
    first = lambda values: np.where((values <= bound).any(axis=0), (values <= bound).argmax(axis=0), -1)
    return Fit(candidates, candidates[first(loss.mean(axis=1))], candidates[first(loss)], loss)


def _nonempty(candidates: Sequence) -> np.ndarray:
    if len(candidates) == 0:
        raise UserError("candidates: got none, want at least one")
    return np.asarray(candidates)


def _label_kwargs(labels) -> dict:
    """The argument for a machine or network that may know no classes."""
    return {} if labels is None else {"labels": labels}


def _fitting(length: int, patch_size: int) -> slice:
    """The coordinates whose window fits in the image; the middle ones if none does."""
    r = min(patch_size // 2, (length - 1) // 2)
    return slice(r, length - r)
