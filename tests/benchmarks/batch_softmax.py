"""What the faults that are told of the published covariance local score cost, on the same noisy images.

  python -m tests.benchmarks.batch_softmax --images 2000

Root mean square distance from `CovarianceLocalScore`, on Fashion-MNIST, of two forms written here from their
description: the softmax normalised within each batch of 512 images and the batches' means averaged; and the mask
divided by the diagonal of its rows, applied by column, its threshold relative to the matrix's largest entry. Beside
them the machine's own distance from the clean image.
"""

from __future__ import annotations

import argparse

import numpy as np

from empirical.datasets import load
from theory import CovarianceLocalScore

THRESHOLD, BATCH = 0.02, 512


def masked_means(x: np.ndarray, batches: list[np.ndarray], mask: np.ndarray, sigma: float) -> np.ndarray:
    """The masked posterior means of x (D,) in each batch, averaged."""
    means = []
    for images in batches:
        logits = -((x - images) ** 2 @ mask.T) / (2 * sigma**2)
        weights = np.exp(logits - logits.max(axis=0))
        means.append((weights * images).sum(axis=0) / weights.sum(axis=0))
    return np.mean(means, axis=0)


def wiener(flat: np.ndarray, sigma: float) -> np.ndarray:
    """S (S + sigma^2)^-1."""
    covariance = np.cov(flat.T, bias=True)
    return covariance @ np.linalg.inv(covariance + sigma**2 * np.eye(len(covariance)))


def by_column(W: np.ndarray) -> np.ndarray:
    """The mask as told of the published code; diagonals below 1e-6 count as 1."""
    diagonal = np.diag(W)
    divided = np.abs(W / np.where(diagonal < 1e-6, 1.0, diagonal)[:, None])
    return (divided.T >= THRESHOLD * divided.max()).astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=3)
    arguments = parser.parse_args()
    data, rng = load("fashion-mnist").images, np.random.default_rng(0)
    images, clean = data[: arguments.images], data[-arguments.queries :]
    flat, machine = images.reshape(len(images), -1).astype(float), CovarianceLocalScore(images, THRESHOLD)
    batches = [flat[start : start + BATCH] for start in range(0, len(flat), BATCH)]
    print("sigma  exact-clean  batches-exact  by column-exact")
    for sigma in (0.1, 0.3, 1.0, 3.0):
        x, W = clean + sigma * rng.normal(size=clean.shape), wiener(flat, sigma)
        exact, queries = machine.denoise(x, sigma), x.reshape(len(x), -1)
        own = (np.abs(W) >= THRESHOLD * np.abs(np.diag(W))[:, None]).astype(float)
        forms = ((batches, own), ([flat], by_column(W)))
        found = [np.reshape([masked_means(v, parts, mask, sigma) for v in queries], x.shape) for parts, mask in forms]
        distances = [np.sqrt(((a - b) ** 2).mean()) for a, b in ((exact, clean), *((one, exact) for one in found))]
        print(f"{sigma:5g}" + "".join(f"{distance:13.3f}" for distance in distances), flush=True)


if __name__ == "__main__":
    main()
