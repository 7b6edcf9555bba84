"""Machines whose pixels attend to others: ELS, an attention rule, and a coupling that says what attention then does."""

from __future__ import annotations

import numpy as np

from theory import arguments
from theory.engine import backends
from theory.engine.scan_options import ScanOptions
from theory.machines.attention.coupling import AttendingQueries, Coupling
from theory.machines.attention.maps import AttentionRule
from theory.machines.candidates import EveryPlace
from theory.machines.patch import WindowMachine


class AttentionMachine(WindowMachine):
    """Couple the pixels of ELS by attention.

    Parameters
    ----------
    images, labels
        As in `ScoreMachine`.
    patch_size : int
        k, odd, at least 1.
    candidates : EveryPlace
        Those of ELS.
    rule : AttentionRule
        Which pixels each attends to.
    coupling : Coupling
        What they change.
    strength : float
        How much, at least 0; 0 is ELS exactly.
    """

    def __init__(self, images, patch_size: int, candidates: EveryPlace, rule: AttentionRule, coupling: Coupling,
                 strength: float, labels=None):
        super().__init__(images, patch_size, candidates, labels)
        self._rule, self._coupling = rule.checked(self.image_shape[1] * self.image_shape[2]), coupling
        self.boundary, self.wrap_training = candidates.boundary, candidates.wrap_training
        self.strength = self._strength(strength)

    @property
    def settings(self) -> tuple[str, ...]:
        """The machine's own options of a call."""
        return *super().settings, "strength", *self._rule.settings

    def attention_map(self, x, sigma, *, labels=None, **options) -> np.ndarray:
        """Return the attention weights that `denoise` would use.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`, and so the other arguments.
        sigma : float or array (B,)
            Standard deviation of the noise.
        labels : int or array (B,) of int, optional
            Classes.
        **options
            Settings for this call.

        Returns
        -------
        array (B, H*W, H*W)
            alpha: pixels in row-major order, rows sum to 1, diagonal 0.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import AttentionScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 2, 2))
        >>> AttentionScore(images, patch_size=1).attention_map(images[:1], 0.5)[0, 0].round(3)
        array([0.   , 0.333, 0.333, 0.333])
        """
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        pixels = queries[0, 0].size
        result = np.empty((len(queries), pixels, pixels))
        for chosen, asked in self._asked(backends.engine(None, x), queries, sigma, classes, options):
            result[chosen] = [alpha for _, alpha in asked.attended()]
        return result

    def evidence(self, x, sigma, *, labels=None, **options) -> np.ndarray:
        """Return what each training image by itself says of each pixel.

        ::

            S_i(x) = log sum_{y allowed} exp(-|patch_x - patch_{i,y}|^2 / (2 sigma^2))

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`, and so the other arguments.
        sigma : float or array (B,)
            Standard deviation of the noise.
        labels : int or array (B,) of int, optional
            Classes.
        **options
            Settings for this call.

        Returns
        -------
        array (B, N, H, W)
            S in nats, the images in their order in D; -inf for images of another class.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import AttentionScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
        >>> S = AttentionScore(images, patch_size=3).evidence(images[7:8], 0.05)
        >>> int(S[0, :, 1, 2].argmax())
        7
        """
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        result = np.full((len(queries), self.count, *queries.shape[2:]), -np.inf)
        for chosen, asked in self._asked(backends.engine(None, x), queries, sigma, classes, options):
            for i, b in enumerate(np.flatnonzero(chosen)):
                for blocks, images in asked.exactly().evidence(i).parts():
                    S = images.evidence + images.base
                    result[b, self._bank.index[blocks][images.position[blocks] >= 0]] = S
        return result

    def denoise_strengths(self, x, sigma, strengths, *, labels=None, backend=None, **options) -> list:
        """Return `denoise` for each of several strengths, for little more than the cost of one.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`, and so the other arguments.
        sigma : float or array (B,)
            Standard deviation of the noise.
        strengths : sequence of float
            Each at least 0.
        labels : int or array (B,) of int, optional
            Classes.
        backend : "numba", "torch" or TorchBackend, optional
            The engine.
        **options
            Settings for this call.

        Returns
        -------
        list
            Arrays (B, C, H, W) of the kind of x, one for each strength.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import AttentionScore, EquivariantLocalScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 4, 4))
        >>> none, some = AttentionScore(images, patch_size=3).denoise_strengths(images[:2], 0.5, [0.0, 0.1])
        >>> bool(np.allclose(none, EquivariantLocalScore(images, patch_size=3).denoise(images[:2], 0.5)))
        True
        """
        wanted = [self._strength(s, "strengths") for s in arguments.sequence("strengths", strengths)]
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        results = np.empty((len(wanted), *queries.shape))
        for chosen, asked in self._asked(backends.engine(backend, x), queries, sigma, classes, options):
            results[:, chosen] = self._coupling.by_strength(asked, wanted)
        return [arguments.like(result, x) for result in results]

    def _asked(self, engine, queries, sigma, classes, options):
        """For each class: which queries (mask), and these as the coupling takes them."""
        for chosen, order in self._by_class(classes):
            own = self._restricted(options, chosen)
            yield chosen, self._queries(queries[chosen], sigma[chosen], ScanOptions(order, engine), own["axes"],
                                        own["rule"])

    def _queries(self, x, sigma, request, axes, rule) -> AttendingQueries:
        return AttendingQueries(x, sigma, self._bank, request, axes, rule)

    def _denoise(self, x, sigma, request, strength, **options):
        return self._coupling.by_strength(self._queries(x, sigma, request, **options), [strength])[0]

    def _strength(self, value, name: str = "strength") -> float:
        return arguments.at_least_0(name, value, self._coupling.max_strength)

    def _checked(self, count, *, strength=None, **options):
        strength = self.strength if strength is None else self._strength(strength)
        rule = self._rule.for_call(count, **{s: options.pop(s) for s in self._rule.settings if s in options})
        return {"strength": strength, "rule": rule, **super()._checked(count, **options)}

    def _restricted(self, options, chosen):
        return {**options, "rule": options["rule"].for_some(chosen)}
