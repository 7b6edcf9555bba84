"""Scans for what each training image says by itself of the pixels of one query, and softmax sums over images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.far_images import scan_images_far, scan_offsets_far
from theory._kernels.numerics import FLOAT64_ERROR, FLOAT64_LOGIT, LIST_CHUNKS, NEGLIGIBLE
from theory._kernels.posterior import LOG2E, scan_images, scan_offsets
from theory._kernels.softmax import LN2
from theory._kernels.workspace import Queries, Training
from theory.engine.bank import Bank
from theory.engine.chunks import run_in_threads
from theory.engine.geometry import Axis
from theory.engine.posterior import _geometry, _padded_queries, _queries, _training, is_large
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior

drop_stale([*scan_images.values(), scan_offsets, scan_images_far, scan_offsets_far])


@dataclass(frozen=True)
class ImageEvidence:
    """One query, n images in the order of some blocks: what each training image says of each pixel by itself."""

    evidence: np.ndarray  # (n, H, W) float64: S_i(x) = log sum_y exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2))
    mean: np.ndarray  # (n, C, H, W) float32: mu_i(x), the same weights' mean of the pixel values
    entropy: np.ndarray  # (n, H, W) float64, nats: of the same weights; empty unless asked for
    position: np.ndarray  # (M, n): where the image of a lane stands along n, -1 for none
    base: np.ndarray | float = 0.0  # (H, W): what the evidence is relative to
    near: np.ndarray | None = None  # (2, n, H, W): where it was measured exactly, the smallest distance, in two parts
    log_mass: np.ndarray | None = None  # (n, H, W): and there base + S_i(x) + near / (2 sigma^2)


def image_evidence(x: np.ndarray, sigma: float, bank: Bank, request: ScanOptions, rows: Axis,
                   cols: Axis) -> ImageEvidence:
    """The evidence of each training image of the request for one query x (C, H, W)."""
    order, entropy = request.order, request.top > 0
    present = bank.present(order, request.left_out)
    position = np.full(bank.index.shape, -1, dtype=np.int64)
    position[order] = np.where(present, np.cumsum(present).reshape(present.shape) - 1, -1)
    n, (C, H, W) = int(present.sum()), x.shape
    peaks, masses, energies = np.empty((n, H, W)), np.empty((n, H, W)), np.empty((n if entropy else 0, H, W))
    means = np.empty((n, C, H, W), dtype=np.float32)
    query = _query(x[None], np.array([sigma]), bank, request, rows, cols)
    training = Training(bank.blocks, bank.blocks, position)
    inputs = query, training, _geometry(rows, cols), peaks, masses, means, energies
    run_in_threads(scan_images[query.windows.dtype], order, inputs, [])
    logs = np.log(masses, out=masses)
    return ImageEvidence(np.add(peaks, logs, out=peaks), means, logs - energies if entropy else energies, position)


def _query(x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis) -> Queries:
    """x (1, C, H, W) as the kernel wants it: in float32 if the call is large and products do not cancel, for
    nothing is measured again here."""
    for large in (is_large(x, bank, request, rows, cols), False):
        ((_, query),) = _queries(x, sigma, bank, large, rows, cols)
        if query.products:
            break
    return query


def measured_exactly(images: ImageEvidence, base: np.ndarray, x: np.ndarray, sigma: float, bank: Bank,
                     order: np.ndarray, rows: Axis, cols: Axis) -> ImageEvidence:
    """The same relative to `base` (H, W), evidence near the largest of any image's; where float64 rounds what images
    differ by, from distances in double-double (`_kernels/far_images.py`)."""
    if images.evidence.min() >= -FLOAT64_LOGIT * LN2:
        return replace(images, evidence=images.evidence - base, base=base)
    precision, candidates = 1.0 / (2.0 * sigma**2), rows.pairs * cols.pairs
    least = (1.0 + FLOAT64_ERROR) * LOG2E * images.evidence - NEGLIGIBLE - np.log2(candidates)
    near, masses, means = np.empty((2, *least.shape)), np.empty(least.shape), np.empty_like(images.mean)
    energies, query = np.empty(least.shape), _padded_queries(x[None], rows, cols)[0]
    training = Training(bank.blocks, bank.blocks, images.position)
    run_in_threads(scan_images_far, order, (query, precision, training, _geometry(rows, cols), least, near, masses,
                                            means, energies), [])
    log_mass = np.log(masses)
    farther = (near[0] + base / precision).astype(np.longdouble) + near[1]
    evidence = _in_float64(log_mass - precision * farther)
    entropy = log_mass - energies if len(images.entropy) else images.entropy
    return ImageEvidence(evidence, means, entropy, images.position, base, near, log_mass)


def _in_float64(evidence: np.ndarray) -> np.ndarray:
    """Evidence of numpy's longest float as float64, where this is good enough for sums over pixels."""
    return evidence if np.abs(evidence).max() > FLOAT64_LOGIT else evidence.astype(np.float64)


def softmax_over_images(logits: np.ndarray, images: ImageEvidence) -> Posterior:
    """Softmax sums over images for one query, by logits (n, Y, X) of the images' own, n >= 1."""
    peak = logits.max(axis=0)
    fall = (logits - peak).astype(np.float64, copy=False)
    weights = np.exp(fall)
    logs = weights * fall
    energy = [logs - weights * images.entropy, logs] if len(images.entropy) else []
    total = np.einsum("nyx,ncyx->cyx", weights, images.mean)
    return Posterior(peak.astype(np.float64)[None], weights.sum(axis=0)[None], total[None],
                     np.array([part.sum(axis=0) for part in energy]).reshape(1, -1, *peak.shape))


def nearest_candidates(x: np.ndarray, sigma: float, bank: Bank, order: np.ndarray, rows: Axis, cols: Axis,
                       images: ImageEvidence, logits: np.ndarray, top: int) -> Nearest:
    """For one query x (C, H, W): the candidates (i, y) with the largest joint logit, where images have `logits`.

        logits_i - (base + S_i) - distance_iy / (2 sigma^2)
    """
    lists = Nearest.empty((LIST_CHUNKS, *logits.shape[1:]), top)
    query = _padded_queries(x[None], rows, cols)[0]
    if images.near is None:
        kernel, beyond = scan_offsets, [(logits - images.evidence - images.base) * (2.0 * sigma**2)]
    else:
        kernel, beyond = scan_offsets_far, [images.near, (logits - images.log_mass) * (2.0 * sigma**2)]
    inputs = query, _training(bank), images.position, _geometry(rows, cols)
    run_in_threads(kernel, order, (*inputs, *(part.astype(np.float64, copy=False) for part in beyond)),
                   (lists.key, lists.source), LIST_CHUNKS)
    return lists.merged()
