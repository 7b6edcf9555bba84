"""Scans for what each training image says by itself of the pixels of one query, and softmax sums over images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from theory._kernels.cache import drop_stale
from theory._kernels.numerics import LIST_CHUNKS
from theory._kernels.posterior import scan_images, scan_offsets
from theory._kernels.workspace import Training
from theory.engine.bank import Bank
from theory.engine.chunks import run_in_threads
from theory.engine.geometry import Axis
from theory.engine.posterior import _geometry, _padded_queries, _queries, _training
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior

drop_stale([scan_images, scan_offsets])


@dataclass(frozen=True)
class ImageEvidence:
    """One query, n images in the order of some blocks: what each training image says of each pixel by itself."""

    evidence: np.ndarray  # (n, H, W) float64: S_i(x) = log sum_y exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2))
    mean: np.ndarray  # (n, C, H, W) float32: mu_i(x), the same weights' mean of the pixel values
    entropy: np.ndarray  # (n, H, W) float64, nats: of the same weights; empty unless asked for
    position: np.ndarray  # (M, n): where the image of a lane stands along n, -1 for none


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
    ((_, query),) = _queries(x[None], np.array([sigma]), bank, False, rows, cols)
    training = Training(bank.blocks, bank.blocks, position)
    run_in_threads(scan_images, order, (query, training, _geometry(rows, cols), peaks, masses, means, energies), [])
    logs = np.log(masses, out=masses)
    return ImageEvidence(np.add(peaks, logs, out=peaks), means, logs - energies if entropy else energies, position)


def softmax_over_images(logits: np.ndarray, images: ImageEvidence) -> Posterior:
    """Softmax sums over images for one query, by logits (n, Y, X) of the images' own, n >= 1."""
    peak = logits.max(axis=0)
    weights = np.exp(logits - peak)
    logs = weights * (logits - peak)
    energy = [logs - weights * images.entropy, logs] if len(images.entropy) else []
    return Posterior(peak[None], weights.sum(axis=0)[None], np.einsum("nyx,ncyx->cyx", weights, images.mean)[None],
                     np.array([part.sum(axis=0) for part in energy]).reshape(1, -1, *peak.shape))


def nearest_with_offsets(x: np.ndarray, bank: Bank, order: np.ndarray, rows: Axis, cols: Axis, position: np.ndarray,
                         offsets: np.ndarray, top: int) -> Nearest:
    """For one query x (C, H, W): the candidates with the smallest distance - offsets[s], s (n, H, W) by `position`."""
    lists = Nearest.empty((LIST_CHUNKS, *offsets.shape[1:]), top)
    query = _padded_queries(x[None], rows, cols)[0]
    inputs = query, _training(bank), position, _geometry(rows, cols), offsets
    run_in_threads(scan_offsets, order, inputs, (lists.key, lists.source), LIST_CHUNKS)
    return lists.merged()
