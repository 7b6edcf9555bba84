"""Hypothesis strategies of what users hand to a machine: training images, queries, noise, options."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests import naive
from theory import (
    AttentionScore,
    ConsensusScore,
    EquivariantLocalScore,
    EquivariantScore,
    IdealScore,
    LocalScore,
    PairScore,
)

seeds = st.integers(0, 2**32 - 1)
sigmas = st.floats(-6, 4).map(lambda power: float(10.0**power))
sizes = st.sampled_from([1, 3, 5])
boundaries = st.sampled_from(["zeros", "circular"])
strengths = st.sampled_from([0.0, 0.1, 1.0])


@st.composite
def training_sets(draw, most: int = 4):
    """Images (N, C, H, W), float32: random, in copies, of two values, flat, or apart by a millionth."""
    shape = draw(st.tuples(st.integers(1, most), st.integers(1, 2), st.integers(2, 4), st.integers(2, 4)))
    images = np.random.default_rng(draw(seeds)).uniform(-1, 1, shape)
    change = draw(st.sampled_from(["none", "copies", "signs", "flat", "near", "coarse"]))
    changed = {"none": images, "copies": np.repeat(images[:1], len(images), axis=0), "signs": np.sign(images),
               "flat": 0 * images + images[:, :1, :1, :1], "near": np.clip(images[:1] + 1e-6 * images, -1, 1),
               "coarse": np.round(2 * images) / 2}[change]
    return changed.astype(np.float32)


@st.composite
def queries(draw, images, sigma):
    """x (1 or 2, C, H, W), of any float type: near the training set, at it, half way between, at 0, noise, far off."""
    count = draw(st.integers(1, 2))
    chosen = images[np.random.default_rng(draw(seeds)).integers(len(images), size=(2, count))].astype(np.float64)
    noise = np.random.default_rng(draw(seeds)).normal(size=chosen[0].shape)
    x = {"near": chosen[0] + sigma * noise, "at": chosen[0], "between": chosen.mean(axis=0), "zero": 0 * noise,
         "noise": noise, "far": 5 + chosen[0]}[draw(st.sampled_from(["near", "at", "between", "zero", "noise", "far"]))]
    dtype = np.dtype(draw(st.sampled_from(["f8", "f4", "f2", ">f8"])))
    largest = float(np.finfo(dtype).max)
    return np.clip(x, -largest, largest).astype(dtype)


def _attention(kind, twin):
    return (lambda images, k, boundary, strength, labels: kind(images, k, boundary, "uniform", strength, labels),
            lambda x, D, sigma, k, boundary, strength: twin(x, D, sigma, k, "uniform", strength, boundary))


MACHINES = {
    "ideal": (lambda images, k, boundary, strength, labels: IdealScore(images, labels),
              lambda x, D, sigma, k, boundary, strength: naive.ideal(x, D, sigma)),
    "equivariant": (lambda images, k, boundary, strength, labels: EquivariantScore(images, labels),
                    lambda x, D, sigma, k, boundary, strength: naive.equivariant(x, D, sigma)),
    "local": (lambda images, k, boundary, strength, labels: LocalScore(images, k, boundary, labels),
              lambda x, D, sigma, k, boundary, strength: naive.patch_machine(x, D, sigma, k, boundary, local=True)),
    "els": (lambda images, k, boundary, strength, labels: EquivariantLocalScore(images, k, boundary, labels),
            lambda x, D, sigma, k, boundary, strength: naive.patch_machine(x, D, sigma, k, boundary)),
    "attention": _attention(AttentionScore, naive.attention),
    "pair": _attention(PairScore, naive.pair),
    "consensus": (lambda images, k, boundary, strength, labels: ConsensusScore(images, k, boundary, strength, labels),
                  None),
}
"""How each machine is built, and its loop-only twin for one query; None where that needs more."""
