"""Calibration of the locality scale k(t) and the attention strength lambda(t) along a network's own trajectory.

For each step the network denoises its own phi_t from a number of calibration seeds. The candidate whose machine
predicts noise in the direction closest to that of the network (largest cosine similarity) is chosen for each seed, and
the median over the seeds is the answer (Kamb & Ganguli 2025, appendix C.2, there for k alone).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from theory.schedule import Schedule, ddim


class Trajectory(NamedTuple):
    """A network's reverse trajectory; entry i along the first axis belongs to t = (i + 1) / steps (0 = least noise)."""

    t: np.ndarray            # (steps,)
    alpha_bar: np.ndarray    # (steps,)
    phi: np.ndarray          # (steps, B, C, H, W), VP: the noisy image that the network was given
    x0: np.ndarray           # (steps, B, C, H, W): what it made of it


class Calibration(NamedTuple):
    """The chosen option of each step, every seed's own choice, and the similarities behind them."""

    candidates: np.ndarray   # (K,)
    chosen: np.ndarray       # (steps,): the median over seeds
    by_sample: np.ndarray    # (B, steps): each seed's best candidate
    cosine: np.ndarray       # (K, B, steps): cosine similarity of the two noise predictions


def trajectory(network, phi_1: np.ndarray, schedule: Schedule, steps: int) -> Trajectory:
    """Run the network's DDIM from phi_1 (B, C, H, W) in `steps` steps and keep phi_t and x0hat of each."""
    t = np.arange(1, steps + 1) / steps
    phi, x0 = np.empty((2, steps, *phi_1.shape), dtype=np.float64)

    def keep(i, _, phi_t, x0_t):
        phi[i], x0[i] = phi_t, x0_t

    ddim(network, phi_1, schedule, steps=steps, callback=keep)
    return Trajectory(t, np.asarray(schedule.alpha_bar(t), dtype=np.float64), phi, x0)


def calibrate_patch_size(machine, path: Trajectory, candidates: Sequence[int]) -> Calibration:
    """k(t): at each step the odd window size whose machine agrees best with the network.

    machine: anything with denoise(x, sigma, patch_size=k). path: `trajectory` of the network, from calibration seeds.
    candidates: odd window sizes. The median over an even number of seeds is the lower of the two middle choices,
    so that the answer is always one of the candidates; equally good candidates resolve to the first.
    """
    return _calibrate(path, candidates, lambda x, sigma, i, k: machine.denoise(x, sigma, patch_size=int(k)))


def calibrate_strength(machine, path: Trajectory, candidates: Sequence[float],
                       patch_sizes: Sequence[int]) -> Calibration:
    """lambda(t): at each step the attention strength whose machine agrees best with the network, k(t) given.

    machine: anything with denoise(x, sigma, patch_size=k, strength=lambda). patch_sizes (steps,): entry i belongs to
    t = (i + 1) / steps. candidates: strengths >= 0; put 0 among them (first, so that a tie says "no attention").
    """
    if len(patch_sizes) != len(path.t):
        raise ValueError(f"patch_sizes: got {len(patch_sizes)} values, want one for each of the {len(path.t)} steps")
    return _calibrate(path, candidates, lambda x, sigma, i, strength: machine.denoise(
        x, sigma, patch_size=int(patch_sizes[i]), strength=float(strength)))


def _calibrate(path: Trajectory, candidates: Sequence, denoise: Callable) -> Calibration:
    """The largest cosine similarity between eps(candidate) and eps(network), per seed and step, then the median."""
    if len(candidates) == 0:
        raise ValueError("candidates: got none, want at least one")
    candidates = np.asarray(candidates)
    steps, batch = path.phi.shape[:2]
    angle = np.empty((len(candidates), batch, steps))
    for i in range(steps):
        root, noise = np.sqrt(path.alpha_bar[i]), np.sqrt(1.0 - path.alpha_bar[i])
        network_eps = _directions(path.phi[i] - root * path.x0[i])
        x = path.phi[i] / root
        for j, candidate in enumerate(candidates):
            machine_eps = _directions(path.phi[i] - root * denoise(x, float(noise / root), i, candidate))
            angle[j, :, i] = _angle(machine_eps, network_eps)
    by_sample = candidates[angle.argmin(axis=0)]                                          # (B, steps)
    chosen = np.sort(by_sample, axis=0)[(batch - 1) // 2]
    return Calibration(candidates, chosen, by_sample, np.cos(angle))


def _directions(eps: np.ndarray) -> np.ndarray:
    """(B, C, H, W) -> unit vectors (B, C H W); a zero vector stays zero."""
    eps = eps.reshape(len(eps), -1)
    norm = np.linalg.norm(eps, axis=1, keepdims=True)
    return np.divide(eps, norm, out=np.zeros_like(eps), where=norm > 0.0)


def _angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Angle between unit vectors (B, D) -> (B,). It falls as the cosine rises, and resolves cosines within 1e-9 of 1.

    At high noise every candidate's eps is nearly phi itself: the cosines then differ in digits that 1 - cos has lost.
    """
    return 2.0 * np.arctan2(np.linalg.norm(u - v, axis=1), np.linalg.norm(u + v, axis=1))
