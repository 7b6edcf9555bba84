"""How many training patches carry a posterior mean, and how their number grows with the training set.

  python -m tests.benchmarks.carriers --images 6000 60000

For noised held-out Fashion-MNIST images and random interior pixels: the fewest *distinct* 3 x 3 training patches, equal
ones merged and counted by their multiplicity, beyond which all others together move the mean by 1e-3 at most. The exact
weights decide, not bounds of them: so this is the work of an index that finds exactly the right patches, at no cost.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from empirical.datasets import load

K, TOLERANCE, TIMES = 3, 1e-3, (0.05, 0.10, 0.15)


def distinct(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct windows inside the images (M, k * k) float32, and how often each is there (M,)."""
    levels = np.rint((images[:, 0] + 1.0) * 127.5).astype(np.uint8)
    windows = sliding_window_view(levels, (K, K), axis=(1, 2)).reshape(-1, K * K)
    mixed = np.zeros(len(windows), np.uint64)
    for column, factor in enumerate(np.random.default_rng(0).integers(1, 2**63, K * K, dtype=np.uint64) | np.uint64(1)):
        mixed ^= (windows[:, column].astype(np.uint64) + np.uint64(1)) * factor
        mixed *= np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, count = np.unique(mixed, return_index=True, return_counts=True)
    return windows[first].astype(np.float32) / 127.5 - 1.0, count.astype(np.float64)


def carriers(query: np.ndarray, patches: np.ndarray, count: np.ndarray, norms: np.ndarray, sigma: float) -> int:
    """The fewest patches, nearest first, that leave to the others no more than TOLERANCE of the mean."""
    distance = norms - 2.0 * patches @ query
    weight = count * np.exp((distance.min() - distance.astype(np.float64)) / (2.0 * sigma**2))
    value = patches[:, K * K // 2]
    moved = weight * np.abs(value - weight @ value / weight.sum())
    from_afar = moved[np.argsort(distance)[::-1]].cumsum()
    return len(patches) - int(np.searchsorted(from_afar, TOLERANCE * weight.sum()))


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--images", type=int, nargs="+", default=[6_000, 60_000], help="sizes of the training set")
    parse.add_argument("--queries", type=int, default=40, help="pixels for each t (default: 40)")
    return parse


def main(argv: list[str] | None = None) -> None:
    args = parser().parse_args(argv)
    training, held_out = load("fashion-mnist").images, load("fashion-mnist", split="test").images
    print("| images | distinct patches | t | sigma | carriers, mean | median | share, mean |\n" + 7 * "|---" + "|")
    for images in args.images:
        patches, count = distinct(training[:images])
        norms = (patches**2).sum(axis=1)
        for t in TIMES:
            sigma, rng = math.tan(0.5 * math.pi * t), np.random.default_rng(1)
            found = []
            for _ in range(args.queries):
                i, y, x = rng.integers(len(held_out)), *rng.integers(1, training.shape[2] - K, size=2)
                query = held_out[i, 0, y : y + K, x : x + K].ravel() + sigma * rng.standard_normal(K * K)
                found.append(carriers(query.astype(np.float32), patches, count, norms, sigma))
            mean, median = np.mean(found), np.median(found)
            print(f"| {images:,} | {len(patches):,} | {t} | {sigma:.3f} | {mean:,.0f} | {median:,.0f} | "
                  f"{mean / len(patches):.1%} |", flush=True)


if __name__ == "__main__":
    main()
