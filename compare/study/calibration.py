"""Calibration of the locality scale k(t) and the attention strength lambda(t): the candidate with the smallest loss.

Along a network's own trajectory (Kamb & Ganguli 2025, appendix C.2, there for k alone): at each step the network
denoises its own phi_t from a number of calibration seeds, and a candidate's loss is the cosine distance, or the mean
squared difference, between what the machine and the network make of it. Without a network: the machine's error in
denoising validation images, or the entropy of its posterior. Entry i along a step axis belongs to t = (i + 1) / steps
everywhere (0 = least noise), as in `theory.samplers.ddim`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from theory.samplers import ddim
from theory.schedules import Schedule


class Trajectory(NamedTuple):
    """A network's reverse trajectory; entry i along the first axis belongs to t = (i + 1) / steps (0 = least noise)."""

    t: np.ndarray            # (steps,)
    alpha_bar: np.ndarray    # (steps,)
    phi: np.ndarray          # (steps, B, C, H, W), VP: the noisy image that the network was given
    x0: np.ndarray           # (steps, B, C, H, W): what it made of it

    def query(self, i: int) -> tuple[np.ndarray, float]:
        """Step i's noisy image as the machines take it: x = phi / sqrt(abar) (B, C, H, W), and its sigma."""
        root = np.sqrt(self.alpha_bar[i])
        return self.phi[i] / root, float(np.sqrt(1.0 - self.alpha_bar[i]) / root)


class Calibration(NamedTuple):
    """The chosen candidate of each step, every draw's own choice, and the losses behind them.

    A draw is what the losses were measured on: a calibration seed, or a validation image.
    """

    candidates: np.ndarray   # (K,)
    chosen: np.ndarray       # (steps,)
    by_draw: np.ndarray      # (B, steps)
    loss: np.ndarray         # (K, B, steps)


def trajectory(network, phi_1: np.ndarray, schedule: Schedule, steps: int, labels=None) -> Trajectory:
    """Run the network's DDIM from phi_1 (B, C, H, W) in `steps` steps and keep phi_t and x0hat of each."""
    t = np.arange(1, steps + 1) / steps
    phi, x0 = np.empty((2, steps, *phi_1.shape), dtype=np.float64)

    def keep(i, _, phi_t, x0_t):
        phi[i], x0[i] = phi_t, x0_t

    ddim(network, phi_1, schedule, steps=steps, labels=labels, callback=keep)
    return Trajectory(t, np.asarray(schedule.alpha_bar(t), dtype=np.float64), phi, x0)


def calibrate_patch_size(machine, path: Trajectory, candidates: Sequence[int], labels=None) -> Calibration:
    """k(t) by cosine: at each step the odd window size whose machine agrees best with the network.

    machine: anything with denoise_scales(x, sigma, patch_sizes). candidates: odd window sizes.
    path: `trajectory` of the network, from calibration seeds. labels: None, or one a seed.
    """
    losses = [cosine_distance(path, i, at_patch_sizes(machine, *path.query(i), _some(candidates), labels))
              for i in range(len(path.t))]
    return median_choice(candidates, np.stack(losses, axis=-1))


def calibrate_strength(machine, path: Trajectory, candidates: Sequence[float], patch_sizes: Sequence[int],
                       labels=None) -> Calibration:
    """lambda(t) by cosine: at each step the attention strength whose machine agrees best with the network, k(t) given.

    machine: anything with denoise_strengths(x, sigma, strengths, patch_size=k). patch_sizes (steps,): entry i belongs
    to t = (i + 1) / steps. candidates: strengths >= 0; put 0 among them (first, so that a tie says "no attention").
    """
    if len(patch_sizes) != len(path.t):
        raise ValueError(f"patch_sizes: got {len(patch_sizes)} values, want one for each of the {len(path.t)} steps")
    losses = [cosine_distance(path, i, at_strengths(machine, *path.query(i), _some(candidates), k, labels))
              for i, k in enumerate(patch_sizes)]
    return median_choice(candidates, np.stack(losses, axis=-1))


def at_patch_sizes(machine, x: np.ndarray, sigma: float, patch_sizes: Sequence[int], labels=None) -> np.ndarray:
    """The machine's posterior means for x (B, C, H, W) at each window size, (K, B, C, H, W)."""
    return np.stack(machine.denoise_scales(x, sigma, [int(k) for k in patch_sizes], **_given(labels)))


def at_strengths(machine, x: np.ndarray, sigma: float, strengths: Sequence[float], patch_size: int,
                 labels=None) -> np.ndarray:
    """The same at each attention strength, from one evidence."""
    return np.stack(machine.denoise_strengths(x, sigma, strengths, patch_size=int(patch_size), **_given(labels)))


def cosine_distance(path: Trajectory, i: int, x0: np.ndarray) -> np.ndarray:
    """1 - cos between the noise predictions of candidates x0 (K, B, C, H, W) and of the network at step i: (K, B)."""
    root = np.sqrt(path.alpha_bar[i])
    return cosine_distance_of_noise(path.phi[i] - root * x0, path.phi[i] - root * path.x0[i])


def cosine_distance_of_noise(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """1 - cos between predicted noises (..., C, H, W), each up to a factor; leading axes broadcast.

    From the angle between them, 2 sin^2(angle / 2): at high noise every eps is nearly phi itself, and cosines that
    differ only beyond 1 - 1e-16 would all look the same.
    """
    u, v = _directions(first), _directions(second)
    angle = 2.0 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
    return 2.0 * np.sin(angle / 2.0) ** 2


def squared_error(truth: np.ndarray, x0: np.ndarray) -> np.ndarray:
    """Mean squared difference of candidates x0 (K, B, C, H, W) from the images truth (B, C, H, W): (K, B)."""
    return ((x0 - truth) ** 2).mean(axis=(-3, -2, -1))


def posterior_entropy(machine, x: np.ndarray, sigma: float, patch_sizes: Sequence[int], count: int | np.ndarray,
                      labels=None) -> np.ndarray:
    """Entropy of the machine's posterior over training images as a share of its maximum, ln N, at each window size.

    Averaged over the pixels whose window fits in the image: (K, B). machine: a local machine with `attribute`.
    count: N, or (B,), the training images that a query draws on.
    """
    H, W = x.shape[-2:]
    shares = []
    for k in patch_sizes:
        found = machine.attribute(x, sigma, top=1, patch_size=int(k), **_given(labels)).entropy_images.values
        inner = found[:, _fitting(H, k), _fitting(W, k)]                       # (B, y, x)
        shares.append(inner.mean(axis=(1, 2)) / np.log(np.maximum(count, 2)))
    return np.stack(shares)


def outwards(count: int, start: int, loss: Callable[[int], np.ndarray],
             preferred: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Losses (count, ...) of ordered candidates tried from `start` outwards, inf for those that were not tried.

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


def median_choice(candidates: Sequence, loss: np.ndarray) -> Calibration:
    """Each draw's best candidate, and their median (Kamb & Ganguli); loss (K, B, steps).

    The median over an even number of draws is the lower of the two middle choices, so that the answer is always one of
    the candidates; equally good candidates resolve to the first.
    """
    candidates = np.asarray(_some(candidates))
    by_draw = candidates[loss.argmin(axis=0)]                                                      # (B, steps)
    return Calibration(candidates, np.sort(by_draw, axis=0)[(loss.shape[1] - 1) // 2], by_draw, loss)


def mean_choice(candidates: Sequence, loss: np.ndarray) -> Calibration:
    """The candidate with the smallest loss, averaged over the draws; loss (K, B, steps)."""
    candidates = np.asarray(_some(candidates))
    return Calibration(candidates, candidates[loss.mean(axis=1).argmin(axis=0)], candidates[loss.argmin(axis=0)], loss)


def first_below(candidates: Sequence, loss: np.ndarray, bound: float) -> Calibration:
    """The first candidate whose loss, averaged over the draws, is at most `bound`, or the last; loss (K, B, steps)."""
    candidates = np.asarray(_some(candidates))
    first = lambda values: np.where((values <= bound).any(axis=0), (values <= bound).argmax(axis=0), -1)
    return Calibration(candidates, candidates[first(loss.mean(axis=1))], candidates[first(loss)], loss)


def _some(candidates: Sequence) -> Sequence:
    if len(candidates) == 0:
        raise ValueError("candidates: got none, want at least one")
    return candidates


def _given(labels) -> dict:
    """The argument for a machine or network that may know no classes."""
    return {} if labels is None else {"labels": labels}


def _fitting(length: int, patch_size: int) -> slice:
    """The coordinates whose window fits in the image; the middle ones if none does."""
    r = min(patch_size // 2, (length - 1) // 2)
    return slice(r, length - r)


def _directions(eps: np.ndarray) -> np.ndarray:
    """(..., C, H, W) -> unit vectors (..., C H W); a zero vector stays zero."""
    eps = eps.reshape(*eps.shape[:-3], -1)
    norm = np.linalg.norm(eps, axis=-1, keepdims=True)
    return np.divide(eps, norm, out=np.zeros_like(eps), where=norm > 0.0)
