"""The posterior-mean engine of theory/posterior.py in torch: matrix products of windows, for a GPU.

Training windows are the rows of one matrix, query windows the columns of another, and their product holds the logits,
2 precision <q, p> - precision |p|^2 (|q|^2 is the same for all candidates of a query). Both are gathered by tables of
pixel places, so that a geometry is a table and every machine goes the same way (`_torch/regions.py`). The softmax
streams over tiles of training images (`_torch/scan.py`) with one float64 state (peak, sums) per output value.

Small calls are float64 throughout. In large ones windows are compared in float32, without TF32, where that is good to
`PRODUCT_ERROR` in a logit, else in float64: on data-centre GPUs the same arithmetic and twice the memory traffic, half
of what float32 squared differences and their window sums would move. Where even float64 products cancel, as
sigma -> 0, windows are subtracted, and where even their float64 distances are not good enough the numba engine measures
again.
docs/theory/posterior.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, reduce
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.nn import functional as F

from theory import arguments
from theory._kernels.numerics import LARGE_CALL_ERROR, PRODUCT_ERROR
from theory._kernels.posterior import LOG2E
from theory._kernels.softmax import LN2
from theory.engine._torch.all_reduce import AllReduce
from theory.engine._torch.paste import Weighing, paste
from theory.engine._torch.regions import Region, regions
from theory.engine._torch.scan import Training, group_size, scan, tiles, with_squares
from theory.engine._torch.softmax import Comparison, Sums, merged
from theory.engine.bank import Bank
from theory.engine.geometry import Axis
from theory.engine.image_evidence import ImageEvidence
from theory.engine.posterior import is_large, measure_far
from theory.engine.scan_options import ScanOptions
from theory.engine.softmax import Nearest, Posterior
from theory.errors import UserError

__all__ = ["AllReduce", "TorchBackend", "default_backend"]


class TorchBackend:
    """An engine for `denoise(..., backend=)`: exact, on any torch device with float64.

    device: "cpu", "cuda", "cuda:1", ...
    memory_bytes: what a call may hold on the device at once, but at least one query and one image; no answer depends on
        it. A training set that takes at most three quarters of it is kept there as long as its machine exists; a larger
        one is sent in parts, in every call.
    """

    def __init__(self, device: str = "cpu", memory_bytes: int = 2**30):
        memory_bytes = arguments.integer("memory_bytes", memory_bytes, 1)
        try:
            self.device = torch.device(device)
            torch.zeros(1, dtype=torch.float64, device=self.device)
        except (RuntimeError, TypeError, ValueError, AssertionError, OverflowError) as error:
            raise UserError(f"device: got {arguments.shown(device)}, want a torch device with float64 "
                            f"({str(error).splitlines()[0]})") from None
        self.memory_bytes = memory_bytes
        self._kept: WeakKeyDictionary[Bank, torch.Tensor] = WeakKeyDictionary()

    def __reduce__(self):
        return type(self), (str(self.device), self.memory_bytes)

    def posterior(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
                  values: np.ndarray | None = None) -> tuple[Posterior, Nearest]:
        """Softmax sums as `posterior.posterior`, of all candidates, `log2_cutoff` or not; none is named."""
        values, outputs = bank.blocks if values is None else values, (rows.outputs, cols.outputs)
        peak, sums = self._sums(x, sigma, bank, request, rows, cols, values)
        found = Posterior(peak, sums[:, -1], sums[:, :-1], np.empty((len(x), 0, *outputs)))
        ways = _comparisons(x, LOG2E / (2.0 * sigma**2), bank, request, rows, cols)
        squares = np.concatenate([queries for how, queries in ways if not how.products] or [[]]).astype(int)
        measure_far(found, squares, x, sigma, bank, request, rows, cols, values)
        return found, Nearest.empty((len(x), *outputs), 0)

    def moments(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
                centre: np.ndarray, values: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance as `moments.moments`; no sum is about the centre, for candidates meet many queries."""
        values = bank.blocks if values is None else values
        _, sums = self._sums(x, sigma, bank, request, rows, cols, values, squares=True)
        mean, square = np.split(sums[:, :-1] / sums[:, -1:], 2, axis=1)
        return mean, np.maximum(square - mean**2, 0.0)

    def paste(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis, cols: Axis,
              sums: Posterior, constant: np.ndarray, slope: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        """Expected windows where their outputs lie, as `paste.paste`."""
        values = bank.blocks if values is None else values
        flat = lambda array: array.reshape(*array.shape[:-2], rows.outputs * cols.outputs)
        at_zero = constant - (slope * sums.mean[:, : slope.shape[1]]).sum(axis=1)
        weighing = Weighing(*map(flat, (sums.log_normaliser / LN2, at_zero, slope)))
        pasted = np.zeros((len(x), x[0].size))
        with _plain_float32(self.device):
            for chosen, asked, region, how, training, images, _ in self._tiles(x, sigma, bank, request, rows, cols,
                                                                               values):
                own = Weighing(*(torch.from_numpy(part[chosen]).to(self.device) for part in weighing))
                pasted[chosen] += paste(*asked, region, training, how, images, own).cpu().numpy()
        return pasted.reshape(x.shape)

    def _sums(self, x, sigma, bank, request, rows, cols, values, squares=False) -> tuple[np.ndarray, np.ndarray]:
        """Peak (B, Y, X) in nats, and sums of the values, of their squares if asked for, and of the weights:
        (B, Cv + 1 or 2 Cv + 1, Y, X)."""
        outputs, channels = (rows.outputs, cols.outputs), values.shape[1] * (2 if squares else 1)
        peak, sums = (np.empty((len(x), count, np.prod(outputs))) for count in (1, channels + 1))
        with _plain_float32(self.device):
            for chosen, region, parts in self._sweep(x, sigma, bank, request, rows, cols, values, squares=squares):
                state = reduce(merged, (part for _, part in parts), Sums.empty(self.device))
                for result, own in ((peak, state.peak), (sums, state.sums[:, 0])):
                    own = own.unflatten(2, (len(chosen), -1)).permute(2, 1, 0, 3)  # (b, 1 or channels + 1, G, Q)
                    places = np.arange(result.shape[1])[:, None, None]
                    result[chosen[:, None, None, None], places, region.outputs()] = own.cpu().numpy()
        return LN2 * peak.reshape(len(x), *outputs), sums.reshape(len(x), channels + 1, *outputs)

    def posterior_scales(self, x: np.ndarray, sigma: np.ndarray, bank: Bank, request: ScanOptions,
                         axes: Sequence[tuple[Axis, Axis]]) -> list[Posterior]:
        """`posterior` for each of `axes`, one after the other: matrix products of windows have nothing to share."""
        return [self.posterior(x, sigma, bank, request, *pair)[0] for pair in axes]

    def image_evidence(self, x: np.ndarray, sigma: float, bank: Bank, request: ScanOptions, rows: Axis,
                       cols: Axis) -> ImageEvidence:
        """The evidence of each training image for one query, as `image_evidence.image_evidence`: in float64, for
        attention adds up that of many pixels."""
        (C, H, W), places = x.shape, _places(bank, request)
        n = len(places[0])
        evidence, mean = np.empty((n, 1, H * W)), np.empty((n, C, H * W), dtype=np.float32)
        request = replace(request, float64=True)
        with _plain_float32(self.device):
            asked = x[None], np.array([sigma]), bank, request, rows, cols, bank.blocks
            for _, region, parts in self._sweep(*asked, by_image=True):
                for images, part in parts:
                    total, mass = part.sums.tensor_split([C], dim=2)
                    for result, own in ((evidence, LN2 * (part.peak[:, :, None] + mass.log2())), (mean, total / mass)):
                        result[images][:, :, region.outputs()] = own.permute(1, 2, 0, 3).cpu().numpy()
        position = np.full(bank.index.shape, -1, dtype=np.int64)
        position[places] = np.arange(n)
        return ImageEvidence(evidence.reshape(n, H, W), mean.reshape(n, C, H, W), np.empty((0, H, W)), position)

    def _sweep(self, x, sigma, bank, request, rows, cols, values, by_image=False,
               squares=False) -> Iterator[tuple[np.ndarray, Region, Iterator[tuple[slice, Sums]]]]:
        """Some of the queries, a region of their pixels, and softmax sums of these over some training images at a
        time, each image by itself or in groups of any size."""
        for some, asked, part, how, training, images, size in self._tiles(x, sigma, bank, request, rows, cols, values,
                                                                          by_image, squares):
            yield some, part, scan(*asked, part, training, how, images, size)

    def _tiles(self, x, sigma, bank, request, rows, cols, values, by_image=False, squares=False):
        """Some of the queries (which, and they with their precision on the device), a region of their pixels, how to
        compare these, with what, how many training images at once, and how many candidates to a group."""
        if request.top:
            raise UserError(f"top: got {request.top}, want 0: the torch engine names no candidates, numba does")
        precision = LOG2E / (2.0 * sigma**2)
        kept = self._kept_bank(bank)
        memory = self.memory_bytes - (0 if kept is None else kept.nbytes)
        training = self._training(bank, kept, values, _places(bank, request))
        training = with_squares(training) if squares else training
        for how, chosen in _comparisons(x, precision, bank, request, rows, cols):
            for region in regions(rows, cols, x.shape[1:], bank.blocks.shape[1:4]):
                size = region.sizes[2] if by_image else group_size(region)
                for part, queries, images in tiles(region, how, training, len(chosen), size, memory):
                    for some in np.split(chosen, range(queries, len(chosen), queries)):
                        asked = torch.from_numpy(x[some]).flatten(1), torch.from_numpy(precision[some])
                        yield some, [tensor.to(self.device) for tensor in asked], part, how, training, images, size

    def _kept_bank(self, bank: Bank) -> torch.Tensor | None:
        """All images of the bank on the device, flat, in the order of their blocks; None if they are too large."""
        if 4 * bank.blocks.nbytes > 3 * self.memory_bytes:
            return None
        if bank not in self._kept:
            self._kept[bank] = self._sender(bank.blocks, (bank.index >= 0).nonzero())(slice(None))
        return self._kept[bank]

    def _training(self, bank: Bank, kept: torch.Tensor | None, values: np.ndarray,
                  places: tuple[np.ndarray, np.ndarray]) -> Training:
        if kept is None:
            pixels = self._sender(bank.blocks, places)
        else:
            row = np.cumsum(bank.index >= 0).reshape(bank.index.shape) - 1
            rows = torch.from_numpy(row[places]).to(self.device)
            pixels = lambda images: kept[rows[images]]
        own = values.size == bank.blocks.size and np.may_share_memory(values, bank.blocks)
        weighed = pixels if own else self._sender(values, places)
        numbers = (bank.blocks[0].size + values[0].size) // bank.images_per_block
        return Training(len(places[0]), pixels, weighed, values.shape[1], numbers)

    def _sender(self, blocks: np.ndarray, places: tuple[np.ndarray, np.ndarray]) -> Callable[[slice], torch.Tensor]:
        """Sends those of the images at `places` (block, lane) that are asked for to the device, flat."""
        block, lane = places
        images = np.moveaxis(blocks, -1, 1)
        return lambda some: torch.from_numpy(images[block[some], lane[some]]).flatten(1).to(self.device)


def default_backend(device: str) -> TorchBackend:
    """The engine for `backend="torch"` and a query on `device`: there, or on a GPU, if there is one, for a CPU's."""
    if device == "cpu" and torch.cuda.is_available():
        device = f"cuda:{torch.cuda.current_device()}"
    return _backend(device)


@cache
def _backend(device: str) -> TorchBackend:
    return TorchBackend(device)


def _places(bank: Bank, request: ScanOptions) -> tuple[np.ndarray, np.ndarray]:
    """Block and lane of every image that the request draws on, in the order of its blocks."""
    blocks, lanes = bank.present(request.order, request.left_out).nonzero()
    return request.order[blocks], lanes


def _comparisons(x: np.ndarray, precision: np.ndarray, bank: Bank, request: ScanOptions, rows: Axis,
                 cols: Axis) -> Iterator[tuple[Comparison, np.ndarray]]:
    """How to compare windows, by the rounding of 2 precision <q, p> in dtype eps, and the queries to which it applies.

    A sum of D products of which each step rounds is off by about sqrt(D) / 4 eps |q| |p|, and |p|^2 by eps / 2 |p|^2.
    """
    size, large = x.shape[1] * rows.size * cols.size, is_large(x, bank, request, rows, cols)
    rounding = precision * np.maximum(_largest_window(x, rows, cols), bank.largest) * bank.largest * size / 2.0
    single = (np.finfo(np.float32).eps * rounding <= PRODUCT_ERROR["float32"]) & large
    products = np.finfo(np.float64).eps * rounding <= (LARGE_CALL_ERROR if large else PRODUCT_ERROR["float64"])
    ways = (torch.float32, True, single), (torch.float64, True, ~single & products), (torch.float64, False, ~products)
    for dtype, by_products, queries in ways:
        if queries.any():
            yield Comparison(dtype, by_products), np.flatnonzero(queries)


def _largest_window(x: np.ndarray, rows: Axis, cols: Axis) -> np.ndarray:
    """The largest norm of a query window, (B,)."""
    squares = torch.from_numpy((x**2).sum(axis=1))
    padded = F.pad(squares, (0, 1, 0, 1))[:, rows.query_index[:, None], cols.query_index]  # -1: the zeros at the end
    return F.avg_pool2d(padded, (rows.size, cols.size), stride=1, divisor_override=1).amax(dim=(1, 2)).sqrt().numpy()


@contextmanager
def _plain_float32(device: torch.device) -> Iterator[None]:
    """float32 products as they are: no TF32, no lower precision, no autocast; nothing recorded for gradients."""
    settings = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
        with torch.inference_mode(), torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, value in zip(settings, before):
            setting.fp32_precision = value
