"""Window and strength are chosen together; the residual test gets a strength above 0."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from compare.study.joint_fit import candidate_losses, joint_choice
from compare.study.sampling import Trajectory

PATCH_SIZES, STRENGTHS = (1, 3), (0.0, 0.1, 1.0)


def test_the_pair_with_the_smallest_loss_is_chosen():
    loss = np.array([[[5.0, 1.0], [4.0, 2.0], [1.0, 3.0]],
                     [[3.0, 2.0], [2.0, 4.0], [6.0, 1.0]]])  # (patch sizes, strengths, steps)
    share = np.array([[[0.0, 0.0], [0.3, 0.4], [0.2, 0.9]],
                      [[0.0, 0.0], [0.1, 0.5], [0.6, 0.1]]])
    found = joint_choice(loss, share, PATCH_SIZES, STRENGTHS)
    assert_array_equal(found.local_patch_size, [3, 1])
    assert_array_equal(found.patch_size, [1, 1])
    assert_array_equal(found.strength, [1.0, 0.0])  # step 1: a tie of (1, 0) and (3, 1) says no attention
    assert_array_equal(found.residual_strength, [1.0, 1.0])


class Known:
    """x0 = patch_size + strength, everywhere."""

    def denoise_strengths(self, x, sigma, strengths, *, patch_size):
        return [np.full_like(x, patch_size + strength) + x for strength in strengths]


def test_a_step_finds_the_network_it_was_made_from():
    rng = np.random.default_rng(0)
    phi, alpha_bar = rng.normal(size=(1, 4, 1, 3, 3)), np.array([0.5])
    path = Trajectory(np.array([1.0]), alpha_bar, phi, phi / np.sqrt(0.5) + 1.1)
    loss, share = candidate_losses({"known": Known()}, path, 0, PATCH_SIZES, STRENGTHS)["known"]
    assert loss.shape == share.shape == (2, 3)
    best = joint_choice(loss[..., None], share[..., None], PATCH_SIZES, STRENGTHS)
    assert (best.patch_size, best.strength) == (1, 0.1)
    assert_allclose(loss[0, 1], 0.0, atol=1e-12)
    assert_allclose(share[0], [0.0, 1.0, 1.0])
