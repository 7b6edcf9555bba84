"""What every score machine shares: the training set, the checks at the border, classes, and what follows from x0."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from theory import arguments
from theory._kernels.numerics import CHUNKS, FLOAT64_PAIRS
from theory.engine import backends
from theory.engine.bank import Bank
from theory.engine.posterior import QUERIES_AT_ONCE
from theory.engine.scan_options import ScanOptions
from theory.engine.truncation import Accuracy
from theory.errors import NotOffered, UserError
from theory.machines.cost import Cost, predicted_seconds
from theory.machines.html import SHOWN, as_html

EXACT = Accuracy(None, False, 0.0, 0.0)


class ScoreMachine(ABC):
    """Denoise in closed form: the posterior mean E[x0 | what the machine may see] for x = x0 + sigma n, x0 in D.

    A machine implements `_denoise`, which gets checked float64 queries of one class; the rest is here. An argument of
    its constructor is an attribute of the same name, but for the images and labels.

    Parameters
    ----------
    images : array (N, C, H, W)
        The training set D, floats in [-1, 1], N >= 1; kept in float32.
    labels : array (N,) of int, optional
        A class for each image, for class-conditional use.
    """

    _candidates_per_row: int | None = None
    """Candidates in a row of one training image that a query pixel draws on; None for about the image's width."""

    def __init__(self, images, labels=None):
        images = arguments.training_images(images)
        labels = arguments.training_labels(labels, len(images))
        self.count, self.image_shape, self.conditional = len(images), images.shape[1:], labels is not None
        self._bank = Bank.build(images, labels, self._candidates_per_row)

    _in_parts: bool = True
    """Whether a call takes as long as its parts, each on some of the training images."""

    @property
    def settings(self) -> tuple[str, ...]:
        """The machine's own options of a call."""
        return ()

    def __getattr__(self, name: str):
        """Say of `attribute`, where a machine does not have it, why."""
        if name == "attribute":
            raise NotOffered(f"attribute: got {type(self).__name__}, whose x0 is no mean over training pixels to "
                             "be named, want a machine that has it, such as EquivariantLocalScore")
        return object.__getattribute__(self, name)

    def __repr__(self) -> str:
        """Return the call that rebuilds the machine from the same images, labels and arrays."""
        parameters = list(inspect.signature(type(self)).parameters.values())[1:]
        given = [f"{p.name}={self._shown(p.name)}" for p in parameters if self._shown(p.name) != repr(p.default)]
        return f"{type(self).__name__}({', '.join(['images', *given])})"

    def _repr_html_(self) -> str:
        """Return the machine for a notebook: its settings, and its first training images."""
        C, H, W = self.image_shape
        settings = {"training images": f"{self.count:,} of {C} x {H} x {W}"}
        settings |= {name: self._shown(name) for name in list(inspect.signature(type(self)).parameters)[1:]}
        first = np.moveaxis(self._bank.blocks[0][..., self._bank.index[0] >= 0], -1, 0)[:SHOWN]
        return as_html(repr(self), settings, first.reshape(-1, C, H, W))

    def _shown(self, name: str) -> str:
        """An argument as `repr` gives it, large ones by their name."""
        if name == "labels":
            return "labels" if self.conditional else "None"
        value = getattr(self, name)
        return name if callable(value) or np.ndim(value) else repr(value)

    def denoise(self, x, sigma, *, labels=None, tolerance: float | None = None, return_bound: bool = False,
                backend=None, **options):
        """Return the posterior mean x0 of noisy images.

        Parameters
        ----------
        x : array (B, C, H, W)
            x0 + sigma n, numpy or torch, of any float type.
        sigma : float or array (B,)
            Standard deviation of the noise in pixel units, above 0.
        labels : int or array (B,) of int, optional
            D restricted to that class; for machines built with labels. By default all of D.
        tolerance : float, optional
            How far from the exact mean an output may be, above 0. By default nothing is left out.
        return_bound : bool
            Whether to return a bound on that distance too, and on the rounding of x0 in its type; everything is then
            computed in float64. For machines whose x0 is a mean over candidates.
        backend : "numba", "torch" or TorchBackend, optional
            The engine; by default torch for a tensor on a device, numba otherwise.
        **options
            Settings for this call in place of the machine's own, such as `patch_size`.

        Returns
        -------
        x0 : array (B, C, H, W)
            Of the kind, type and device of x; for a torch x that requires grad, with the graph of the exact gradient.
        bound : array (B, C, H, W)
            With `return_bound`: what each value of x0 may be off by, at most the tolerance.

        Raises
        ------
        UserError
            An argument is not as said here; the machine states no bound, or the type of x cannot meet the tolerance.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import EquivariantLocalScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6)).astype(np.float32)
        >>> machine = EquivariantLocalScore(images, patch_size=3)
        >>> x0, bound = machine.denoise(images[:2], 0.3, tolerance=1e-3, return_bound=True)
        >>> x0.shape, bool((bound <= 1e-3).all())
        ((2, 1, 6, 6), True)
        """
        arguments.boolean("return_bound", return_bound)
        accuracy = Accuracy(arguments.tolerance(tolerance), return_bound, *arguments.spacing(x))
        x0, bound = self._answer(x, sigma, labels, options, backend, accuracy)
        return (x0, bound) if return_bound else x0

    def leave_out(self, x, sigma, image: int, *, labels=None, backend=None, **options):
        """Return the posterior mean had one training image not been in D, exactly.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`, and so the other arguments.
        sigma : float or array (B,)
            Standard deviation of the noise.
        image : int
            Which training image to do without, from 0 to N - 1.
        labels : int or array (B,) of int, optional
            Classes.
        backend : "numba", "torch" or TorchBackend, optional
            The engine.
        **options
            Settings for this call.

        Returns
        -------
        array (B, C, H, W)
            x0 without the image.

        Raises
        ------
        UserError
            There is no such image, or no other one.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (3, 1, 2, 2))
        >>> without = IdealScore(images).leave_out(images, 0.5, image=2)
        >>> bool(np.allclose(without, IdealScore(images[:2]).denoise(images, 0.5)))
        True
        """
        image = arguments.integer("image", image, 0, self.count - 1)
        return self._answer(x, sigma, labels, options, backend, EXACT, image)[0]

    def cost(self, batch: int, sigma: float, **options) -> Cost:
        """Return what `denoise` of a batch will take, from a trial of a fraction of a second.

        Parameters
        ----------
        batch : int
            Queries, at least 1.
        sigma : float
            Standard deviation of their noise: at low noise fewer candidates count.
        **options
            Settings for the call, such as `patch_size`.

        Returns
        -------
        Cost
            Fields pairs, bytes and seconds.

        Raises
        ------
        UserError
            An argument is not as said here.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (10, 1, 6, 6))
        >>> IdealScore(images).cost(batch=4, sigma=0.5).pairs
        40
        """
        batch, level = arguments.integer("batch", batch, 1), arguments.noise_levels(sigma, 1)
        order = self._bank.blocks_of()
        image = self._bank.blocks[0, ..., 0].reshape(1, *self.image_shape).astype(np.float64)
        some = min(batch, QUERIES_AT_ONCE)  # more of them share nothing
        x = image + level * np.random.default_rng(0).normal(size=(some, *self.image_shape))
        level, own = np.repeat(level, some), self._checked(some, **options)
        run = lambda blocks: self._denoise(x, level, ScanOptions(blocks, backends.engine("numba", x)), **own)
        each = self._pairs_an_image(**own)
        as_exact = int(FLOAT64_PAIRS / (some * each * self._bank.images_per_block)) + 1  # a larger call is float32's
        first = len(order) if not self._in_parts else as_exact if as_exact < len(order) else 1
        seconds = batch / some * predicted_seconds(run, order, first)
        return Cost(batch * self.count * each, self._bank.blocks.nbytes + self._bytes_of_call(batch), seconds)

    def score(self, x, sigma, **options):
        """Return the score of the noised data, (x0 - x) / sigma^2.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        **options
            All other arguments of `denoise` but `return_bound`.

        Returns
        -------
        array (B, C, H, W)
            The gradient of log p_sigma at x, in one over pixel units, of the kind, type and device of x.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore
        >>> IdealScore(-np.ones((1, 1, 1, 1))).score(np.ones((1, 1, 1, 1)), 2.0)
        array([[[[-0.5]]]])
        """
        if "return_bound" in options:
            raise UserError("return_bound: got it for the score, want it for denoise")
        clean, x_array = self.denoise(x, sigma, **options), arguments.as_numpy(x)
        levels = arguments.noise_levels(sigma, len(x_array))[:, None, None, None]
        if arguments.requires_graph(x):
            return (clean - x) / clean.new_tensor(levels) ** 2
        return arguments.like((arguments.as_numpy(clean) - x_array) / levels**2, x)

    def moments(self, x, sigma, *, labels=None, backend=None, **options):
        """Return the posterior mean and the posterior variance of every output value, from one pass.

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`, and so the other arguments.
        sigma : float or array (B,)
            Standard deviation of the noise.
        labels : int or array (B,) of int, optional
            Classes.
        backend : "numba", "torch" or TorchBackend, optional
            The engine.
        **options
            Settings for this call.

        Returns
        -------
        x0 : array (B, C, H, W)
            `denoise`.
        variance : array (B, C, H, W)
            `variance`.

        Raises
        ------
        UserError
            An argument is not as said here, or the machine's x0 is the mean of no posterior.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore
        >>> images = np.random.default_rng(0).uniform(-1, 1, (3, 1, 2, 2))
        >>> x0, variance = IdealScore(images).moments(images, 1e4)
        >>> bool(np.allclose(x0, images.mean(axis=0))), bool(np.allclose(variance, images.var(axis=0)))
        (True, True)
        """
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        engine = backends.engine(backend, x)
        mean, variance = np.empty(queries.shape), np.empty(queries.shape)
        for chosen, order in self._by_class(classes):
            asked = queries[chosen], sigma[chosen], ScanOptions(order, engine)
            mean[chosen], variance[chosen] = self._moments(*asked, **self._restricted(options, chosen))
        return arguments.like(mean, x), arguments.like(variance, x)

    def variance(self, x, sigma, **options):
        """Return the posterior variance of every output value, in squared pixel units.

        ::

            Var = E[v^2 | what the machine sees] - x0^2 = sigma^2 d x0 / d x,   output by output

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        **options
            All other arguments of `moments`.

        Returns
        -------
        array (B, C, H, W)
            Of the kind, type and device of x.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore
        >>> IdealScore(np.array([-1.0, 1.0]).reshape(2, 1, 1, 1)).variance(np.zeros((1, 1, 1, 1)), 0.5)
        array([[[[1.]]]])
        """
        return self.moments(x, sigma, **options)[1]

    def divergence(self, x, sigma, **options):
        """Return the divergence of x0 at x, the trace of its Jacobian: exact, from the variance.

        ::

            div x0 = sum over output values of Var / sigma^2

        Parameters
        ----------
        x : array (B, C, H, W)
            As in `denoise`.
        sigma : float or array (B,)
            Standard deviation of the noise.
        **options
            All other arguments of `moments`.

        Returns
        -------
        array (B,)
            Of the kind, type and device of x.

        Examples
        --------
        >>> import numpy as np
        >>> from theory import IdealScore
        >>> IdealScore(np.array([-1.0, 1.0]).reshape(2, 1, 1, 1)).divergence(np.zeros((1, 1, 1, 1)), 0.5)
        array([4.])
        """
        variance = arguments.as_numpy(self.variance(x, sigma, **options)).astype(np.float64)
        levels = arguments.noise_levels(sigma, len(variance))
        return arguments.like(variance.sum(axis=(1, 2, 3)) / levels**2, x)

    def _answer(self, x, sigma, labels, options, backend, accuracy: Accuracy, left_out: int = -1):
        queries, sigma, classes, options = self._prepared(x, sigma, labels, options)
        engine = backends.engine(backend, x)
        if arguments.requires_graph(x):
            return self._with_graph(x, (queries, sigma, classes, options), engine, accuracy, left_out)
        result, bound = np.empty(queries.shape), np.zeros(queries.shape)
        for chosen, order in self._by_class(classes):
            self._require_images(order, left_out)
            asked = queries[chosen], sigma[chosen], ScanOptions(order, engine, left_out)
            own = self._restricted(options, chosen)
            result[chosen], bound[chosen] = self._within(*asked, accuracy, **own)
        bound = accuracy.stored(result, bound) if accuracy.asked else bound
        return arguments.like(result, x), arguments.like(bound, x)

    def _with_graph(self, x, asked, engine, accuracy: Accuracy, left_out: int):
        """`_answer` for a torch x that requires grad: x0 with a graph, and no bound."""
        from theory.engine._torch.autograd import attached

        if accuracy.asked:
            raise UserError("tolerance, return_bound: got one for an x that requires grad, want none, or x.detach()")
        queries, sigma, classes, options = asked
        result, pull_backs = np.empty(queries.shape), []
        for chosen, order in self._by_class(classes):
            self._require_images(order, left_out)
            request = ScanOptions(order, engine, left_out)
            result[chosen], own = self._with_pull_back(queries[chosen], sigma[chosen], request,
                                                       **self._restricted(options, chosen))
            pull_backs.append((chosen, own))

        def pull_back(cotangent: np.ndarray) -> np.ndarray:
            pulled = np.empty(queries.shape)
            for chosen, own in pull_backs:
                pulled[chosen] = own(cotangent[chosen])
            return pulled

        return attached(x, arguments.like(result, x.detach()), pull_back), None

    def _require_images(self, order: np.ndarray, left_out: int) -> None:
        if not self._bank.present(order, left_out).any():
            raise UserError(f"image: got {left_out}, the only training image there is; want one of several")

    def _prepared(self, x, sigma, labels, options: dict):
        """The arguments of a call, checked: queries (B, C, H, W) and sigma (B,) float64, classes (B,), options."""
        queries = arguments.queries(x, self.image_shape)
        sigma = arguments.noise_levels(sigma, len(queries))
        arguments.finite_answer(queries, sigma)
        classes = arguments.query_labels(labels, len(queries), self.conditional)
        return queries, sigma, classes, self._checked(len(queries), **options)

    def _by_class(self, classes: list[int | None]):
        """For each class asked for: which queries (mask), and the bank's blocks that they draw on."""
        for label in dict.fromkeys(classes):
            yield np.array([c == label for c in classes]), self._bank.blocks_of(label)

    def _checked(self, count: int, **options) -> dict:
        """The per-call options for `count` queries, checked and completed; a machine without any allows none."""
        if options:
            want = f"one of: {', '.join(self.settings)}" if self.settings else "none"
            raise UserError(f"{', '.join(options)}: got an option that {type(self).__name__} has not, want {want}")
        return {}

    def _restricted(self, options: dict, chosen: np.ndarray) -> dict:
        """The options for some of the queries; only a machine with options a query needs to say more."""
        return options

    def _within(self, x, sigma, request, accuracy: Accuracy, **options) -> tuple[np.ndarray, np.ndarray]:
        """x0 and a bound on its error, both (B, C, H, W); a machine that leaves nothing out states none."""
        if accuracy.stated:
            raise UserError(f"return_bound: got True for {type(self).__name__}, which states no bound with these "
                            "settings, want False")
        x0 = self._denoise(x, sigma, request, **options)
        return x0, np.zeros_like(x0)

    def _pairs_an_image(self, **options) -> int:
        """Comparisons of one query with one training image."""
        return 1

    def _bytes_of_call(self, batch: int) -> int:
        """Queries and answers in float64, and the softmax states of those that are scanned at once."""
        values = int(np.prod(self.image_shape))
        return 8 * values * (4 * batch + 3 * CHUNKS * min(batch, QUERIES_AT_ONCE))

    def _moments(self, x: np.ndarray, sigma: np.ndarray, request: ScanOptions,
                 **options) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and variance, both (B, C, H, W); not every machine has them."""
        raise UserError(f"variance: got {type(self).__name__}, whose x0 is the mean of no one posterior; want a "
                        "machine of windows or of the whole image")

    def _with_pull_back(self, x: np.ndarray, sigma: np.ndarray, request: ScanOptions,
                        **options) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
        """x0, and the function from a cotangent a to J^T a, both (B, C, H, W); not every machine has it."""
        raise UserError(f"x: got a tensor that requires grad for {type(self).__name__}, which has no gradients; want "
                        "x.detach()")

    @abstractmethod
    def _denoise(self, x: np.ndarray, sigma: np.ndarray, request: ScanOptions, **options) -> np.ndarray:
        """x (B, C, H, W), sigma (B,) float64 -> (B, C, H, W)."""
