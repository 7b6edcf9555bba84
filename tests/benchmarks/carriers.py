"""How many training patches carry a posterior mean, and how their number grows with the training set.

  python -m tests.benchmarks.carriers --images 6000 60000

For noised held-out Fashion-MNIST images and random interior pixels: the fewest 3 x 3 training patches, equal ones
counted one by one, that hold 1 - 5e-4 of the weight. What is dropped beyond them moves the mean by 1e-3 at most, values
being in [-1, 1]: so this is the work of an index that finds exactly the right patches and does nothing else.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from empirical.datasets import load

K, DROPPED, TIMES = 3, 5e-4, (0.05, 0.10, 0.15)
CANDIDATES = 6_000_000
"""Patches that are looked at: of larger sets a random sample, whose counts are scaled up."""


def patches(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(M, k * k) float32: the windows inside the images, CANDIDATES of them at most."""
    N, _, H, W = images.shape
    places = rng.permutation(N * (H - K + 1) * (W - K + 1))[:CANDIDATES]
    windows = sliding_window_view(images[:, 0], (K, K), axis=(1, 2))
    return windows[np.unravel_index(places, windows.shape[:3])].reshape(-1, K * K)


def carriers(query: np.ndarray, candidates: np.ndarray, norms: np.ndarray, sigma: float) -> int:
    """The fewest candidates that hold 1 - DROPPED of the weight."""
    distance = norms - 2.0 * candidates @ query
    weight = np.sort(np.exp((distance.min() - distance.astype(np.float64)) / (2.0 * sigma**2)))[::-1]
    held = np.cumsum(weight)
    return int(np.searchsorted(held, (1.0 - DROPPED) * held[-1])) + 1


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--images", type=int, nargs="+", default=[6_000, 60_000], help="sizes of the training set")
    parse.add_argument("--queries", type=int, default=40, help="pixels for each t (default: 40)")
    return parse


def main(argv: list[str] | None = None) -> None:
    args = parser().parse_args(argv)
    training, held_out = load("fashion-mnist").images, load("fashion-mnist", split="test").images
    print("images      t  sigma  median patches  share of all  mean share")
    for count in args.images:
        candidates = patches(training[:count], np.random.default_rng(0))
        norms = (candidates**2).sum(axis=1)
        every = count * (training.shape[2] - K + 1) * (training.shape[3] - K + 1)
        for t in TIMES:
            sigma, rng = math.tan(0.5 * math.pi * t), np.random.default_rng(1)
            found = []
            for _ in range(args.queries):
                i, y, x = rng.integers(len(held_out)), *rng.integers(1, training.shape[2] - K, size=2)
                query = held_out[i, 0, y : y + K, x : x + K].ravel() + sigma * rng.standard_normal(K * K)
                found.append(carriers(query.astype(np.float32), candidates, norms, sigma) / len(candidates))
            print(f"{count:6d}  {t:.2f}  {sigma:.3f}  {np.median(found) * every:14.3g}  {np.median(found):12.4f}  "
                  f"{np.mean(found):10.4f}", flush=True)


if __name__ == "__main__":
    main()
