"""Finite attention, solved: the local score, and what the attended pixels add to what the own patch foretold.

    x0(x) = ELS(x) + strength (a_x - E[a_x | patch_x]),   a_x = sum_{x'} alpha_xx' z_x',   z = ELS - E[a | patch]

Window and candidates: those of ELS. Averaged: training pixels, and the mean attended contexts A of training patches, by
the same weights. Coupling: the innovation of the attended context. docs/theory/attention.md
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from zlib import crc32

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from theory import arguments
from theory.engine import backends
from theory.engine.scan_options import ScanOptions
from theory.errors import UserError
from theory.machines.attention.coupling import AttendingQueries, Coupling
from theory.machines.attention.machine import AttentionMachine
from theory.machines.attention.maps import Given, attention_rule
from theory.machines.attention.parameters import documented
from theory.machines.bounded_cache import BoundedCache
from theory.machines.candidates import EveryPlace

STEPS = 50
"""Passes over the draws after which a table of contexts is given up."""

TABLE_BYTES = 1 << 30
"""Memory for the tables of contexts that a machine keeps."""


class Context(NamedTuple):
    """What a training patch's attended context is worth on average, for one noise level and setting."""

    values: np.ndarray  # (M, 2 C, H, W, n) float32, in the bank's blocks: training pixels, and mean attended contexts
    steps: int  # passes over the draws
    residual: float  # root mean square, in pixel units, of what the equation for the contexts still leaves


class Innovation(Coupling):
    """x0(x) = ELS(x) + strength (a_x - E[a_x | patch_x]), with a table of contexts for each noise level and setting.

    draws, seed, tolerance: as in InnovationScore.
    """

    def __init__(self, draws: int, seed: int, tolerance: float):
        self.draws, self.seed, self.tolerance = draws, seed, tolerance
        self.tables = BoundedCache(TABLE_BYTES)

    def by_strength(self, queries, strengths):
        """The innovation, added as strongly as asked."""
        results = np.empty((len(strengths), *queries.x.shape))
        for level in np.unique(queries.sigma):
            chosen = queries.sigma == level
            results[:, chosen] = self._at_level(queries.some(chosen), float(level), strengths)
        return results

    def _at_level(self, queries: AttendingQueries, level: float, strengths: list[float]) -> list[np.ndarray]:
        if not any(strengths):
            return [queries.local()[0].mean] * len(strengths)
        means = queries.local(self.context(queries, level).values)[0].mean
        local, expected = np.split(means, 2, axis=1)
        alpha = np.array([alpha for _, alpha in queries.attended(local)])
        innovation = _attended_sums(alpha, local - expected) - expected
        return [local + s * innovation for s in strengths]

    def context(self, queries: AttendingQueries, level: float) -> Context:
        """The table for one noise level, with what the queries draw on; solved now if it is not there yet."""
        request, sizes = queries.request, tuple(axis.size for axis in queries.axes)
        key = level, tuple(request.order.tolist()), request.left_out, sizes, queries.rule.beta, request.engine
        return self.tables.get(key, lambda: self._solve(queries, level))

    def _solve(self, queries: AttendingQueries, level: float) -> Context:
        equation = ContextEquation(queries, level, self.draws, self.seed)
        size = equation.right.size
        allowed = self.tolerance * size**0.5
        operator = LinearOperator((size, size), equation, dtype=np.float64)
        context, failed = gmres(operator, equation.right, rtol=0.0, atol=allowed, restart=STEPS, maxiter=1)
        steps = equation.passes
        residual = np.linalg.norm(equation(context) - equation.right) / size**0.5
        if failed:
            raise UserError(f"tolerance: got {self.tolerance}, want at least {residual:.1e}, which {STEPS} steps "
                            f"reach at sigma {level:.3g} with this attention")
        values = np.concatenate([queries.bank.blocks, equation.in_blocks(context)], axis=1)
        return Context(values, steps, float(residual))


class ContextEquation:
    """A + mean of alpha E[A | patch] = mean of alpha ELS, means over draws: linear in the contexts A of the images.

    Called with A, of the distinct images one after the other and flat, it gives the left side; `right` is the right.
    """

    def __init__(self, queries: AttendingQueries, level: float, draws: int, seed: int):
        self.bank, self.order = queries.bank, queries.request.order
        self.present = self.bank.present(self.order, queries.request.left_out)
        images = np.moveaxis(self.bank.blocks[self.order], -1, 1)[self.present]  # (n, C, H, W)
        self.image_shape = images.shape[1:]
        distinct, self.copy_of = np.unique(images.reshape(len(images), -1), axis=0, return_inverse=True)
        noise = [np.random.default_rng([seed, crc32(image.tobytes())]).normal(size=(draws, len(image)))
                 for image in distinct]
        x = (distinct[:, None] + level * np.array(noise)).reshape(-1, *self.image_shape)
        request = ScanOptions(self.order, queries.request.engine, queries.request.left_out)
        self.noisy = replace(queries, x=x, sigma=np.full(len(x), level), request=request)
        self.mean_shape = len(distinct), draws, -1
        local = self.noisy.local()[0].mean
        self.alpha = np.array([alpha for _, alpha in self.noisy.attended(local)])
        self.right, self.passes = self._mean_attended(local), 0

    def __call__(self, context: np.ndarray) -> np.ndarray:
        self.passes += 1
        return context + self._mean_attended(self.noisy.local(self.in_blocks(context))[0].mean)

    def in_blocks(self, context: np.ndarray) -> np.ndarray:
        """A for every image, (M, C, H, W, n) float32, in the bank's blocks."""
        lanes = np.zeros((*self.present.shape, *self.image_shape), dtype=np.float32)
        lanes[self.present] = context.reshape(-1, *self.image_shape)[self.copy_of]
        blocks = np.zeros_like(self.bank.blocks)
        blocks[self.order] = np.moveaxis(lanes, 1, -1)
        return blocks

    def _mean_attended(self, z: np.ndarray) -> np.ndarray:
        return _attended_sums(self.alpha, z).reshape(self.mean_shape).mean(axis=1).ravel()


@documented
class InnovationScore(AttentionMachine):
    """Denoise by z + attention(z) with attention weights held fixed, z solved for.

    ::

        x0(x) = ELS(x) + strength (a_x - E[a_x | patch_x]),   a_x = sum_{x'} alpha_xx' z_x',   z = ELS - E[a | patch]

    alpha by the rule from the ELS outputs. Only what the attended pixels say beyond what the own patch foretold, their
    innovation, changes ELS; without strength it is ELS, and so it is on average over all that share a patch. x0 is no
    average of training pixels, so the machine names none: it has no `attribute`.

    Parameters
    ----------
    {images to attention}
        One matrix a query would not say what the draws attend to.
    strength : float
        At least 0; 0 is ELS, 1 is the solution.
    {labels to beta}
    draws : int
        Noisy versions of each distinct training image, at least 1; the Monte Carlo error of E[a | patch] falls with the
        root of their number.
    seed : int
        Of their noise, which depends on the image, not on its place; at least 0.
    tolerance : float
        Root mean square that the equation may leave, in pixel units, above 0.

    Raises
    ------
    UserError
        An argument is not as said here; or, by a call, GMRES finds no solution, as where two pixels attend to each
        other alone and see all of each other.

    Notes
    -----
    The query term of the stationarity condition of [FKTB2025]_. E[a_x | patch_x] = sum_{i,y} W_{i,y}(x) A_{i,y}, ELS's
    weights on another value: A_{i,y}, the mean of a_y over noisy versions of training image i. So a_y is taken as
    independent of the noise in the patch at y, given i and y; windows that overlap break that. A = mean of
    alpha (ELS - E[A | patch]) is linear in A and solved by GMRES from z = ELS, once for each noise level, class, patch
    size and beta (kept in the machine, at most a GiB of them: `context`). `leave_out` solves anew without the image.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import InnovationScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
    >>> machine = InnovationScore(images, patch_size=3, draws=1)
    >>> machine.denoise(images[:2], 0.7).shape, machine.context(0.7).residual < 1e-3
    ((2, 1, 4, 4), True)
    """

    def __init__(self, images, patch_size: int, boundary: str = "zeros", attention="uniform", strength: float = 1.0,
                 labels=None, wrap_training: bool = True, beta: float = 1.0, draws: int = 4, seed: int = 0,
                 tolerance: float = 1e-3):
        rule = attention_rule(attention, beta)
        self.draws, self.seed = arguments.integer("draws", draws, 1), arguments.integer("seed", seed, 0)
        self.tolerance = arguments.above_0("tolerance", tolerance)
        coupling = Innovation(self.draws, self.seed, self.tolerance)
        super().__init__(images, patch_size, EveryPlace(boundary, wrap_training), rule, coupling, strength, labels)
        self.attention, self.beta = attention, rule.beta
        if isinstance(self._rule, Given) and self._rule.matrices.ndim == 3:
            raise UserError(f"attention: got {len(self._rule.matrices)} matrices, want one, a function or a rule: the "
                            "noisy training images attend too")

    def context(self, sigma: float, *, label: int | None = None, **options) -> Context:
        """Return the table that `denoise` uses at one noise level, solved now if it is not there yet.

        Parameters
        ----------
        sigma : float
            Standard deviation of the noise.
        label : int, optional
            A class.
        **options
            Settings for this call.

        Returns
        -------
        Context
            values (M, 2 C, H, W, n), training pixels and mean attended contexts in the machine's blocks; steps, passes
            over the draws; residual, in pixel units.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import InnovationScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
        >>> machine = InnovationScore(images, patch_size=3, draws=1)
        >>> machine.context(0.7) is machine.context(0.7)
        True
        """
        nothing = np.empty((0, *self.image_shape))
        (level,) = arguments.noise_levels(sigma, 1)
        (label,) = arguments.query_labels(label, 1, self.conditional, "label")
        options = self._checked(0, **options)
        request = ScanOptions(self._bank.blocks_of(label, "label"), backends.engine(None, nothing))
        queries = self._queries(nothing, np.empty(0), request, options["axes"], options["rule"])
        return self._coupling.context(queries, float(level))


def _attended_sums(alpha: np.ndarray, z: np.ndarray) -> np.ndarray:
    """sum_x' alpha_xx' z_x': alpha (B, P, P), z (B, C, H, W) -> (B, C, H, W)."""
    flat = z.reshape(*z.shape[:2], -1)  # (B, C, P)
    return (flat @ alpha.transpose(0, 2, 1)).reshape(z.shape)
