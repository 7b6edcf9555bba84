"""Finite attention, solved: the local score, and what the attended pixels add to what the own patch foretold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from theory import arguments
from theory.engine.scan_options import ScanOptions
from theory.errors import UserError
from theory.machines.attention.attending import AttendingMachine

STEPS = 50
"""Passes over the draws after which a table of contexts is given up."""

TABLES = 256
"""Tables that a machine keeps."""


@dataclass(frozen=True)
class Context:
    """What a training patch's attended context is worth on average, for one noise level and setting."""

    values: np.ndarray  # (M, 2 C, H, W, n) float32, in the bank's blocks: training pixels, and mean attended contexts
    steps: int  # passes over the draws
    residual: float  # root mean square, in pixel units, of what the equation for the contexts still leaves


class InnovationScore(AttendingMachine):
    """z + attention(z) with attention weights held fixed, z solved for (theory 4b, the query term of FKTB's condition).

        x0(x) = ELS(x) + strength (a_x - E[a_x | patch_x]),   a_x = sum_{x'} alpha_xx' z_x',   z = ELS - E[a | patch]
    alpha by the rule from the ELS outputs. Only what the attended pixels say beyond what the own patch foretold, their
    innovation, changes ELS; without strength it is ELS, and so it is on average over all that share a patch.
    E[a_x | patch_x] = sum_{i, y} W_{i,y}(x) A_{i,y}, ELS's weights on another value: A_{i,y}, the mean of a_y over
    noisy versions of training image i. So a_y is taken as independent of the noise in the patch at y, given i and y;
    windows that overlap break that. A = mean of alpha (ELS - E[A | patch]) is linear in A and solved by GMRES from
    z = ELS, once for each noise level, class, patch size and beta (kept in the machine: `context`).
    draws: noisy versions of each distinct training image, at least 1; the Monte Carlo error of E[a | patch] falls with
        the root of their number, docs/attention.md; seed: of their noise, which depends on the image, not on its place
    tolerance: root mean square that the equation may leave, in pixel units
    attention: a rule, one array (H*W, H*W), or a function; one matrix a query would not say what the draws attend to
    strength: 1 is the solution. The rest as in `theory.machines.attention.attending.AttendingMachine`.
    `leave_out` solves anew without the image; `attribute` has no answer, for x0 is no average of training pixels.
    UserError: where GMRES finds no solution, as where two pixels attend to each other alone and see all of each other.
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", attention="uniform", strength: float = 1.0,
                 labels=None, wrap_training: bool = True, beta: float = 1.0, draws: int = 4, seed: int = 0,
                 tolerance: float = 1e-3):
        super().__init__(images, patch_size, boundary, attention, strength, labels, wrap_training, beta)
        if self._given is not None and self._given.ndim == 3:
            raise UserError(f"attention: got {len(self._given)} matrices, want one, a function or a rule: the noisy "
                             "training images attend too")
        self.draws, self.seed = arguments.integer("draws", draws, 1), arguments.integer("seed", seed, 0)
        self.tolerance = arguments.tolerance(tolerance)
        self._table = lru_cache(maxsize=TABLES)(self._solved)

    def context(self, sigma: float, *, label=None, **options) -> Context:
        """The table that `denoise` uses at this noise, label and options; solved now if it is not there yet."""
        options = self._checked(1, **options)
        request = self._request(self._bank.blocks_of(label), np.empty(0), None)
        return self._context(float(sigma), request, options["axes"], options["beta"])

    def _by_strength(self, x, sigma, request, axes, strength, beta, given):
        results = np.empty((len(strength), *x.shape))
        for level in np.unique(sigma):
            chosen = sigma == level
            own = x[chosen], sigma[chosen], request, axes
            table = self._context(level, request, axes, beta) if any(strength) else None
            means = self._local(*own, values=table and table.values)[0].mean
            local = means[:, : x.shape[1]]
            innovation = 0.0
            if table:
                expected = means[:, x.shape[1] :]
                matrices = None if given is None else given[chosen]
                alpha = np.array([alpha for _, alpha in self._attended(*own, beta, matrices, local)])
                innovation = _attended_sums(alpha, local - expected) - expected
            results[:, chosen] = [local + s * innovation for s in strength]
        return results

    def _posterior(self, x, sigma, request, **options):
        raise UserError("attribute: InnovationScore is no average of training pixels, want a machine that is")

    def _truncation(self, request, **options):
        return None

    def _context(self, level: float, request: ScanOptions, axes, beta: float) -> Context:
        sizes = axes[0].size, axes[1].size
        return self._table(float(level), tuple(request.order.tolist()), request.left_out, sizes, beta, request.engine)

    def _solved(self, level: float, order: tuple[int, ...], left_out: int, sizes: tuple[int, int], beta: float,
                engine) -> Context:
        request = ScanOptions(np.array(order), engine, left_out)
        axes = tuple(self._axis(length, size) for length, size in zip(self.image_shape[1:], sizes))
        present = self._bank.present(request.order, left_out)
        images = np.moveaxis(self._bank.blocks[request.order], -1, 1)[present]  # (n, C, H, W)
        distinct, copy_of = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)
        noise = [np.random.default_rng([self.seed, crc32(image.tobytes())]).normal(size=(self.draws, len(image)))
                 for image in distinct]
        x = (distinct[:, None] + level * np.array(noise)).reshape(-1, *self.image_shape)
        asked = x, np.full(len(x), level), request, axes
        local = self._local(*asked)[0].mean
        given = None if self._given is None else np.broadcast_to(self._given, (len(x), *self._given.shape))
        alpha = np.array([alpha for _, alpha in self._attended(*asked, beta, given, local)])

        def in_blocks(context):
            lanes = np.zeros((*present.shape, *self.image_shape), dtype=np.float32)
            lanes[present] = context.reshape(-1, *self.image_shape)[copy_of]
            blocks = np.zeros_like(self._bank.blocks)
            blocks[request.order] = np.moveaxis(lanes, 1, -1)
            return blocks

        def of_draws(z):
            return _attended_sums(alpha, z).reshape(len(distinct), self.draws, -1).mean(axis=1).ravel()

        passes = 0

        def equation(context):
            nonlocal passes
            passes += 1
            return context + of_draws(self._local(*asked, values=in_blocks(context))[0].mean)

        right = of_draws(local)
        allowed = self.tolerance * right.size**0.5
        operator = LinearOperator((right.size, right.size), equation, dtype=np.float64)
        context, failed = gmres(operator, right, rtol=0.0, atol=allowed, restart=STEPS, maxiter=1)
        residual = np.linalg.norm(equation(context) - right) / right.size**0.5
        if failed:
            raise UserError(f"tolerance: got {self.tolerance}, want at least {residual:.1e}, which {STEPS} steps "
                             f"reach at sigma {level:.3g} with attention {self.attention!r}")
        return Context(np.concatenate([self._bank.blocks, in_blocks(context)], axis=1), passes - 1, residual)


def _attended_sums(alpha: np.ndarray, z: np.ndarray) -> np.ndarray:
    """sum_x' alpha_xx' z_x': alpha (B, P, P), z (B, C, H, W) -> (B, C, H, W)."""
    flat = z.reshape(*z.shape[:2], -1)  # (B, C, P)
    return (flat @ alpha.transpose(0, 2, 1)).reshape(z.shape)
