"""The Gaussian mixture score: between the Wiener filter (one component) and the ideal score (one an image).

    x0 = sum_k r_k (m_k + G_k (x - m_k)),   G_k = S_k (S_k + sigma^2)^-1
    r_k proportional to pi_k N(x; m_k, S_k + sigma^2)

Window: the whole image. No candidates: components, fitted to D or given. Wang & Vastola 2024; docs/theory/zoo.md
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from theory import arguments
from theory.errors import UserError
from theory.machines.bounded_cache import BoundedCache
from theory.machines.gaussian import Gaussian, flat_images
from theory.machines.machine import ScoreMachine

MOMENTS_BYTES = 1 << 30
"""Memory for the mixtures of classes and of sets without an image that a machine keeps."""

ROUNDS = 100
"""Rounds of k-means at most."""


class GaussianMixtureScore(ScoreMachine):
    """Denoise by the posterior mean for x0 of a mixture of Gaussians of low rank.

    ::

        x0 = sum_k r_k (m_k + S_k (S_k + sigma^2)^-1 (x - m_k)),   r_k proportional to pi_k N(x; m_k, S_k + sigma^2)

    Parameters
    ----------
    images : array (N, C, H, W), optional
        The training set, floats in [-1, 1]: each component is the mean and covariance of one of its clusters.
    components : int
        K at least 1, clusters of k-means; no more than there are images.
    rank : int, optional
        Principal axes of a component, at least 0; the variance beyond them is spread evenly. By default all.
    labels : array (N,) of int, optional
        For class-conditional use; a class has its own mixture.
    shrinkage : float, optional
        As in `WienerScore`, for each component.
    seed : int
        Of k-means.
    means : array (K, C, H, W), optional
        With covariances, in place of images.
    covariances : array (K, d, d), optional
        Symmetric, positive semidefinite, over the d = C H W pixels in row-major order.
    weights : array (K,), optional
        pi_k above 0 with means; by default all alike.

    Raises
    ------
    UserError
        An argument is not as said here; neither or both of images and means.

    Notes
    -----
    [WV2024]_. One component is `WienerScore`; a component an image, of rank 0 without shrinkage, the ideal score.

    Examples
    --------
    >>> import numpy as np
    >>> from theory import GaussianMixtureScore, WienerScore
    >>> images = np.random.default_rng(0).uniform(-1, 1, (20, 1, 4, 4))
    >>> one = GaussianMixtureScore(images, components=1).denoise(images[:2], 0.5)
    >>> bool(np.allclose(one, WienerScore(images).denoise(images[:2], 0.5)))
    True
    """

    _in_parts = False  # its moments are of all of D

    def __init__(self, images=None, components: int = 10, rank: int | None = None, labels=None,
                 shrinkage: float | None = None, seed: int = 0, means=None, covariances=None, weights=None):
        if (images is None) == (means is None) or (means is None) != (covariances is None):
            raise UserError("images, means: got neither or both, want images, or means and covariances")
        super().__init__(means if images is None else images, labels if images is not None else None)
        self.components, self.seed = arguments.integer("components", components, 1), arguments.integer("seed", seed, 0)
        self.rank = None if rank is None else arguments.integer("rank", rank, 0)
        self.shrinkage = arguments.fraction("shrinkage", shrinkage)
        self.means, self.covariances, self.weights = means, covariances, weights
        self._mixtures = BoundedCache(MOMENTS_BYTES)
        self._given = None if means is None else self._checked_moments()

    def __repr__(self) -> str:
        """Return the call that rebuilds the machine from the same arrays."""
        return super().__repr__() if self.means is None else super().__repr__().replace("(images, ", "(", 1)

    def leave_out(self, x, sigma, image: int, **options):
        """Return the posterior mean of the mixture fitted without one training image, exactly.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        image : int
            Which training image to do without.
        **options
            The other arguments of `ScoreMachine.leave_out`.

        Returns
        -------
        array (B, C, H, W)
            x0 without the image.

        Raises
        ------
        UserError
            The machine was given moments, not images.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import GaussianMixtureScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (9, 1, 2, 2))
        >>> without = GaussianMixtureScore(images, 2).leave_out(images, 0.5, image=8)
        >>> bool(np.allclose(without, GaussianMixtureScore(images[:8], 2).denoise(images, 0.5)))
        True
        """
        if self._given is not None:
            raise UserError("image: got one for a machine of given means, which has no training images; want images=")
        return super().leave_out(x, sigma, image, **options)

    def _denoise(self, x, sigma, request):
        return self._responsible(x, sigma, request)[0].reshape(x.shape)

    def _moments(self, x, sigma, request):
        x0, shares, means = self._responsible(x, sigma, request)
        within = [g.variance(sigma) for g in self._mixture(request)[1]]
        variance = sum(r[:, None] * (v + (m - x0) ** 2) for r, v, m in zip(shares, within, means))
        return x0.reshape(x.shape), variance.reshape(x.shape)

    def _with_pull_back(self, x, sigma, request):
        x0, shares, means = self._responsible(x, sigma, request)
        gaussians = self._mixture(request)[1]

        def pull_back(a):
            flat, pulled = a.reshape(x0.shape), np.zeros(x0.shape)
            for g, r, m in zip(gaussians, shares, means):
                moved = (flat * (m - x0)).sum(axis=1, keepdims=True) * (m - x0) / sigma[:, None] ** 2
                pulled += r[:, None] * (g.filtered(flat, sigma) + moved)
            return pulled.reshape(a.shape)

        return x0.reshape(x.shape), pull_back

    def _responsible(self, x, sigma, request) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """x0 (B, d), r_k (K, B) and each component's posterior mean (B, d)."""
        log_weights, gaussians = self._mixture(request)
        flat = x.reshape(len(x), -1)
        logs = np.array([w + g.log_density(flat, sigma) for w, g in zip(log_weights, gaussians)])
        shares = np.exp(logs - logs.max(axis=0))
        shares /= shares.sum(axis=0)
        means = [g.mean + g.filtered(flat - g.mean, sigma) for g in gaussians]
        return sum(r[:, None] * m for r, m in zip(shares, means)), shares, means

    def _mixture(self, request) -> tuple[np.ndarray, list[Gaussian]]:
        """log pi_k (K,) and the components."""
        if self._given is not None:
            return self._given
        key = tuple(request.order.tolist()), request.left_out
        log_weights, *arrays = self._mixtures.get(key, lambda: self._fitted(flat_images(self._bank, request)))
        return log_weights, [Gaussian(*arrays[i : i + 4]) for i in range(0, len(arrays), 4)]

    def _fitted(self, flat: np.ndarray) -> tuple[np.ndarray, ...]:
        """log pi_k, and then the parts of each component, for images (N, d)."""
        members = clusters(flat, min(self.components, len(flat)), self.seed)
        gaussians = [Gaussian.of_images(flat[own], self.shrinkage, self.rank) for own in members]
        return np.log([len(own) / len(flat) for own in members]), *chain.from_iterable(gaussians)

    def _checked_moments(self) -> tuple[np.ndarray, list[Gaussian]]:
        K, d = self.count, int(np.prod(self.image_shape))
        covariances = arguments.real_numbers("covariances", self.covariances)
        if covariances.shape != (K, d, d):
            raise UserError(f"covariances: got shape {covariances.shape}, want ({K}, {d}, {d})")
        largest = np.abs(covariances).max()
        if not np.isfinite(largest) or np.abs(covariances - covariances.transpose(0, 2, 1)).max() > 1e-6 * largest:
            raise UserError("covariances: got matrices that are not symmetric and finite, want those of Gaussians")
        if min(np.linalg.eigvalsh(covariances).ravel(), default=0.0) < -1e-6 * largest:
            raise UserError("covariances: got a negative variance, want positive semidefinite matrices")
        weights = np.ones(K) if self.weights is None else arguments.real_numbers("weights", self.weights)
        if weights.shape != (K,) or not (np.isfinite(weights) & (weights > 0.0)).all():
            raise UserError(f"weights: got {arguments.shown(self.weights)}, want ({K},) numbers above 0")
        means = np.asarray(arguments.as_numpy(self.means), dtype=np.float64).reshape(K, d)
        return np.log(weights / weights.sum()), [Gaussian.of_covariance(m, S, self.rank)
                                                 for m, S in zip(means, covariances)]


def clusters(flat: np.ndarray, count: int, seed: int) -> list[np.ndarray]:
    """k-means from k-means++ (Arthur & Vassilvitskii 2007): the members of each cluster, none of them empty."""
    rng, norms = np.random.default_rng(seed), (flat**2).sum(axis=1)
    distances = lambda centre: np.maximum(norms - 2.0 * flat @ centre + centre @ centre, 0.0)
    centres, nearest = [flat[rng.integers(len(flat))]], np.full(len(flat), np.inf)
    while len(centres) < count:
        nearest = np.minimum(nearest, distances(centres[-1]))
        total = nearest.sum()
        chosen = rng.choice(len(flat), p=nearest / total) if total > 0.0 else rng.integers(len(flat))
        centres.append(flat[chosen])
    own = None
    for _ in range(ROUNDS):
        before, own = own, np.argmin([distances(centre) for centre in centres], axis=0)
        if before is not None and (own == before).all():
            break
        centres = [flat[own == k].mean(axis=0) if (own == k).any() else centre for k, centre in enumerate(centres)]
    return [members for k in range(count) if len(members := np.flatnonzero(own == k))]
