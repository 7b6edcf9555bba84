"""Machines and data made again from a result's record, on the toy result that the project ships."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from compare.result import schema as results
from compare.result.choose import choose_network, machine_beside
from compare.study.machines import reconstruct, training_set_of
from theory import AttentionScore, CosineSchedule, EquivariantLocalScore, IdealScore, LocalScore, ddim

RESULT = Path(__file__).parents[3] / "docs" / "results" / "toy" / "result.nc"


@pytest.fixture(scope="module")
def result():
    return results.load(RESULT)


@pytest.fixture(scope="module")
def training(result):
    return training_set_of(result)


def test_training_set_is_the_results_own(result, training):
    assert training.fingerprint == result.attrs["data_fingerprint"]
    with pytest.raises(ValueError, match="result: its training data was another toy than is found now"):
        training_set_of(result.assign_attrs(data_fingerprint="0"))


@pytest.mark.parametrize("name, kind", [("ideal", IdealScore), ("local k=5", LocalScore),
                                        ("els fitted to cnn", EquivariantLocalScore),
                                        ("identity fitted to cnn-identity", AttentionScore)])
def test_a_machine_draws_the_results_images_again(result, training, name, kind):
    _, machine, patch_sizes, strengths = reconstruct(result, name, training)
    assert type(machine) is kind
    drawn = ddim(machine, result.noise.values[:2], CosineSchedule(), result.sizes["step"], patch_sizes=patch_sizes,
                 strengths=strengths)
    assert_allclose(drawn, result.predicted.sel(machine=name)[:2], atol=1e-4)


def test_machines_that_cannot_be_made_are_refused(result, training):
    with pytest.raises(ValueError, match="machine: got 'els k=9', want one of: ideal, wiener"):
        reconstruct(result, "els k=9", training)
    with pytest.raises(ValueError, match="machine: got 'wiener', which names no training patches, want one of: ideal"):
        reconstruct(result, "wiener", training)


def test_networks_by_name_or_variant(result):
    assert choose_network(result, None) == "cnn/seed0/150"
    assert choose_network(result, "cnn-top1") == "cnn-top1/seed0/150"
    assert choose_network(result, "cnn-top1/seed2/20") == "cnn-top1/seed2/20"
    with pytest.raises(ValueError, match="network: got 'unet', want one of: cnn, cnn-top1"):
        choose_network(result, "unet")


def test_the_machine_to_hold_beside_a_network(result):
    assert machine_beside(result, "cnn/seed0/20") == "els fitted to cnn"
    assert machine_beside(result, "cnn-learned/seed1/150") == "uniform fitted to cnn-learned"
    others = result.sel(machine=["ideal", "wiener", "els k=3", "els k=5"])
    best = max(("els k=3", "els k=5"), key=lambda name: np.median(others.r2.sel(machine=name, network="cnn/seed0/20")))
    assert machine_beside(others, "cnn/seed0/20") == best
