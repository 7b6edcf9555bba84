"""Machines used in any order, as users do: built, asked, restricted, pickled, forked; compared with loops.

Hypothesis chooses the steps (docs: hypothesis.stateful). CI takes a few runs, always the same; `tests.campaign` as many
as there is time for.
"""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import theory.engine.posterior
from tests import strategies
from theory import UserError

CI = settings(max_examples=12, stateful_step_count=6, derandomize=True, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))

LOGIT_STEP = 2.0**-60
"""Of a logit: by how much sums of evidence may be off, here and in the twins, in machines whose pixels share it."""


def exactness(machine, x, sigma, large) -> float:
    """How far x0 may be from the twin's."""
    shared = getattr(machine, "strength", 0.0)
    logit = ((float(np.abs(x).max()) + 1.0) / sigma) ** 2 * x[0].size * (1.0 + shared * x[0, 0].size)
    return (1e-4 if large else 1e-6) + (min(1.0, LOGIT_STEP * logit) if shared else 0.0)


class MachineInUse(RuleBasedStateMachine):
    """One machine, and everything that must not change its answers."""

    def __init__(self):
        super().__init__()
        self.pairs = theory.engine.posterior.FLOAT64_PAIRS

    def teardown(self):
        theory.engine.posterior.FLOAT64_PAIRS = self.pairs

    @initialize(data=st.data(), images=strategies.training_sets(), name=st.sampled_from(sorted(strategies.MACHINES)),
                k=strategies.sizes, boundary=strategies.boundaries, strength=strategies.strengths,
                labelled=st.booleans())
    def build(self, data, images, name, k, boundary, strength, labelled):
        self.labels = np.arange(len(images)) % 2 if labelled else None
        self.build_machine, self.twin = strategies.MACHINES[name]
        self.images, self.k, self.boundary, self.strength = images, k, boundary, strength
        self.machine = self.build_machine(images, k, boundary, strength, self.labels)
        self.sigma = data.draw(strategies.sigmas)
        self.x = data.draw(strategies.queries(images, self.sigma))
        self.answer = self.machine.denoise(self.x, self.sigma)
        self.large = False

    @property
    def atol(self):
        return exactness(self.machine, self.x, self.sigma, self.large) + np.finfo(self.x.dtype).eps

    def expected(self, images=None, k=None, x=None):
        """The twin's answer; the machine's own of the same images alone, where there is no twin."""
        images, k = self.images if images is None else images, self.k if k is None else k
        x = (self.x if x is None else x).astype(np.float64)
        if self.twin is None:
            return self.build_machine(images, k, self.boundary, self.strength, None).denoise(x, self.sigma)
        asked = images, self.sigma, k, self.boundary, self.strength
        return np.array([self.twin(query, *asked) for query in x])

    def asked(self):
        """Called for each answer that is compared."""

    def same(self, found, expected):
        self.asked()
        assert found.dtype == self.x.dtype and found.shape == self.x.shape
        error = np.abs(found.astype(np.float64) - expected).max()
        assert error <= self.atol, f"{self.machine!r}: off by {error:.2g} at sigma {self.sigma:.3g}"

    @invariant()
    def it_is_a_mean_of_training_pixels(self):
        if hasattr(self, "answer"):
            assert np.isfinite(self.answer).all() and np.abs(self.answer).max() <= 1.0 + 1e-5

    @rule()
    def denoise(self):
        self.same(self.machine.denoise(self.x, self.sigma), self.expected())

    @rule(large=st.booleans())
    def make_calls_large(self, large):
        """Compare windows in float32, where that serves."""
        theory.engine.posterior.FLOAT64_PAIRS, self.large = (0 if large else self.pairs), large

    @rule(data=st.data())
    def ask_something_else(self, data):
        self.sigma = data.draw(strategies.sigmas)
        self.x = data.draw(strategies.queries(self.images, self.sigma))
        self.answer = self.machine.denoise(self.x, self.sigma)

    @precondition(lambda self: "patch_size" in self.machine.settings)
    @rule(k=strategies.sizes)
    def another_window(self, k):
        self.same(self.machine.denoise(self.x, self.sigma, patch_size=k), self.expected(k=k))

    @precondition(lambda self: self.labels is not None)
    @rule(label=st.integers(0, 1))
    def restrict_to_a_class(self, label):
        if label in self.labels:
            found = self.machine.denoise(self.x, self.sigma, labels=label)
            self.same(found, self.expected(self.images[self.labels == label]))

    @rule(image=st.integers(0, 3))
    def leave_out(self, image):
        if image < len(self.images) and len(self.images) > 1:
            found = self.machine.leave_out(self.x, self.sigma, image)
            self.same(found, self.expected(np.delete(self.images, image, axis=0)))

    @rule(tolerance=st.sampled_from([0.3, 1e-2, 1e-4]), stated=st.booleans())
    def ask_for_less(self, tolerance, stated):
        """Within the tolerance, and within the bound, or refused in one line."""
        found = self.accepted(self.x, tolerance=tolerance, return_bound=stated)
        if found is not None:
            x0, bound = found if stated else (found, tolerance)
            error = np.abs(x0.astype(np.float64) - self.expected())
            assert (error <= bound + (0.0 if stated else self.atol)).all()

    @rule(dtype=st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16]),
          backend=st.sampled_from(["numba", "torch"]))
    def ask_for_the_bound(self, dtype, backend):
        """It holds in every float type, rounding of the answer included."""
        x = torch.from_numpy(self.x.astype(np.float64)).clamp(-6e4, 6e4).to(dtype)
        found = self.accepted(x, return_bound=True, backend=backend)
        if found is not None:
            x0, bound = (value.double().numpy() for value in found)
            assert (np.abs(x0 - self.expected(x=x.double().numpy())) <= bound).all()

    def accepted(self, x, **options):
        """The answer, or None where it is refused in one line."""
        try:
            return self.machine.denoise(x, self.sigma, **options)
        except UserError as error:
            assert str(error).split(":")[0] in ("tolerance", "return_bound") and "\n" not in str(error)
            return None

    @precondition(lambda self: hasattr(self.machine, "attribute"))
    @rule(top=st.sampled_from([1, 3, 200]))
    def name_sources(self, top):
        found = self.machine.attribute(self.x, self.sigma, top=top)
        weight = found.weight.values
        assert np.isfinite(weight).all() and (weight >= 0).all() and (found.mass <= 1 + 1e-9).all()
        assert (np.diff(weight) <= 1e-12).all()
        self.same(found.x0.values.astype(self.x.dtype), self.expected())
        if top == 200:  # which is all of them
            np.testing.assert_allclose(found.mass, 1.0, atol=max(1e-4, self.atol))

    @rule()
    def pickle_it(self):
        again = pickle.loads(pickle.dumps(self.machine))
        np.testing.assert_array_equal(again.denoise(self.x, self.sigma), self.machine.denoise(self.x, self.sigma))
        self.machine = again

    @rule()
    def use_torch(self):
        self.same(self.machine.denoise(self.x.astype(self.x.dtype.newbyteorder("=")), self.sigma,
                                       backend="torch").astype(self.x.dtype), self.expected())

    @rule()
    def fork(self):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            found = pool.apply_async(self.machine.denoise, (self.x, self.sigma)).get(timeout=60)
        np.testing.assert_array_equal(found, self.machine.denoise(self.x, self.sigma))


MachineInUse.TestCase.settings = CI
TestMachineInUse = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning",
                                              "ignore::theory.ImageRangeWarning")(MachineInUse.TestCase)
