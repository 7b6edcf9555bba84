"""Posterior means seen through filters: each compares all pixels of an image by weights of its own.

    w_ij proportional to exp(-sum_d lambda_jd (x_d - u_id)^2 / (2 sigma^2)),   E_j = sum_i w_ij u_i

Squared differences, not products: nothing cancels at any noise. Weights exist for one part of the candidates at a time.
Everything is float64; filters with few pixels are sparse matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from scipy.sparse import csr_array

from theory.engine.bank import Bank
from theory.engine.scan_options import ScanOptions

PART_BYTES = 1 << 26
"""Memory for the squared differences and weights of the candidates that are taken at once."""

SPARSE = 0.1
"""Share of pixels that count up to which a matrix of filters is kept as a sparse one."""

Parts = Callable[[], Iterable[np.ndarray]]
"""Gives the candidates, (n, D) float64, some at a time, in the same order each time."""


def compact(filters: np.ndarray) -> np.ndarray | csr_array:
    """Filters (J, D) as a sparse matrix where that is less work."""
    return csr_array(filters) if np.count_nonzero(filters) <= SPARSE * filters.size else filters


def images_of(bank: Bank, request: ScanOptions, filters: int) -> Iterator[np.ndarray]:
    """The training images of a request, flat."""
    D = bank.blocks[0, ..., 0].size
    at_once = max(1, PART_BYTES // (8 * bank.images_per_block * (2 * D + 2 * filters)))
    for start in range(0, len(request.order), at_once):
        some = request.order[start : start + at_once]
        present = bank.present(some, request.left_out)
        if present.any():
            yield np.moveaxis(bank.blocks[some], -1, 1)[present].reshape(present.sum(), D).astype(np.float64)


def translates_of(images: Iterable[np.ndarray], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """All circular translates of the images, those of one at a time."""
    C, H, W = shape
    for part in images:
        for image in part.reshape(-1, C, H, W):
            moved = [np.roll(image, (dy, dx), axis=(1, 2)) for dy in range(H) for dx in range(W)]
            yield np.stack(moved).reshape(H * W, -1)


def logits(x: np.ndarray, part: np.ndarray, filters, precision: float) -> np.ndarray:
    """-precision sum_d lambda_jd (x_d - u_id)^2 for a query x (D,) and candidates (n, D): (n, J)."""
    return -precision * ((x - part) ** 2 @ filters.T)


def log_normalisers(x: np.ndarray, parts: Parts, filters, precision: float) -> np.ndarray:
    """log sum_i exp(logit_ij), (J,)."""
    total = np.full(filters.shape[0], -np.inf)
    for part in parts():
        own = logits(x, part, filters, precision)
        peak = own.max(axis=0)
        total = np.logaddexp(total, peak + np.log(np.exp(own - peak).sum(axis=0)))
    return total


def responded(x: np.ndarray, parts: Parts, filters, responses, precision: float) -> np.ndarray:
    """sum_j rho_jd E_jd, (D,), for responses rho (J, D)."""
    normaliser, out = log_normalisers(x, parts, filters, precision), np.zeros(len(x))
    for part in parts():
        weights = np.exp(logits(x, part, filters, precision) - normaliser)
        out += ((weights @ responses) * part).sum(axis=0)
    return out


def pulled_back(x: np.ndarray, parts: Parts, filters, responses, precision: float, a: np.ndarray) -> np.ndarray:
    """The gradient at x of a . responded(x), (D,): 2 precision sum_j lambda_jp sum_i w_ij g_ij u_ip, where
    g_ij = sum_d a_d rho_jd u_id less its mean under w."""
    normaliser = log_normalisers(x, parts, filters, precision)
    towards = responses * a if isinstance(responses, np.ndarray) else responses.multiply(a).tocsr()
    mean = np.zeros(filters.shape[0])
    for part in parts():
        mean += (np.exp(logits(x, part, filters, precision) - normaliser) * (part @ towards.T)).sum(axis=0)
    out = np.zeros(len(x))
    for part in parts():
        weights = np.exp(logits(x, part, filters, precision) - normaliser) * (part @ towards.T - mean)
        out += ((weights @ filters) * part).sum(axis=0)
    return 2.0 * precision * out


def own_moments(x: np.ndarray, parts: Parts, filters, precision: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (D,) of pixel d under the weights of filter d, about the query's own pixel; D filters."""
    peak, (mass, first, second) = np.full(len(x), -np.inf), np.zeros((3, len(x)))
    for part in parts():
        own = logits(x, part, filters, precision)
        top = np.maximum(peak, own.max(axis=0))
        weights, fall, deviation = np.exp(own - top), np.exp(peak - top), part - x
        mass = fall * mass + weights.sum(axis=0)
        first = fall * first + (weights * deviation).sum(axis=0)
        second = fall * second + (weights * deviation**2).sum(axis=0)
        peak = top
    return x + first / mass, np.maximum(second / mass - (first / mass) ** 2, 0.0)
