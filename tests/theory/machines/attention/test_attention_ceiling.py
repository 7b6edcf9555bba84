"""The ceiling of attention (docs/theory/attention.md): the unordered set of all noisy patches is the noisy image."""

import numpy as np
import pytest


def patches(x, k, boundary):
    """All k x k patches of x (C, H, W) as arrays (C, k, k), in row-major order of their centres; padding as given."""
    r = k // 2
    mode = "constant" if boundary == "zeros" else "wrap"
    padded = np.pad(x, [(0, 0), (r, r), (r, r)], mode=mode)
    _, H, W = x.shape
    return [padded[:, a : a + k, b : b + k] for a in range(H) for b in range(W)]


def follows(left, right, axis):
    """Whether `right` is `left` one pixel on along the axis: what they share is the same noise."""
    k = left.shape[axis]
    shared = np.take(left, range(1, k), axis), np.take(right, range(k - 1), axis)
    return (shared[0] == shared[1]).all()


def line_of(first, bag, axis):
    """The patches that lead on from `first` until none does, or the line closes."""
    line = [first]
    while True:
        after = [p for p in bag if p is not line[-1] and follows(line[-1], p, axis)]
        if not after or after[0] is first:
            return line
        (following,) = after  # one and no more
        line.append(following)


def assembled(bag, boundary):
    """The noisy image from its patches in any order, by their overlaps alone; circular: from any one of them."""
    middle = bag[0].shape[1] // 2
    outside = lambda p, axis: not np.take(p, range(middle), axis).any()
    corner = bag[0] if boundary == "circular" else next(p for p in bag if outside(p, 1) and outside(p, 2))
    rows = [line_of(start, bag, 2) for start in line_of(corner, bag, 1)]
    return np.array([[p[:, middle, middle] for p in row] for row in rows]).transpose(2, 0, 1)


@pytest.mark.parametrize("shape, k", [((3, 4, 2), 3), ((1, 5, 6), 3), ((3, 6, 7), 5)], ids=str)
@pytest.mark.parametrize("sigma", [0.01, 50.0])
def test_zeros_padding_the_bag_of_patches_is_the_image(rng, shape, k, sigma):
    """Equal pixels everywhere, so only noise and border tell patches apart."""
    x = 1.0 + sigma * rng.normal(size=shape)
    bag = patches(x, k, "zeros")
    shuffled = [bag[i] for i in rng.permutation(len(bag))]
    np.testing.assert_array_equal(assembled(shuffled, "zeros"), x)


@pytest.mark.parametrize("shape, k", [((1, 5, 6), 3), ((3, 6, 7), 5)], ids=str)
def test_circular_padding_the_bag_of_patches_is_the_image_up_to_a_shift(rng, shape, k):
    x = 1.0 + 0.1 * rng.normal(size=shape)
    bag = patches(x, k, "circular")
    shuffled = [bag[i] for i in rng.permutation(len(bag))]
    found = assembled(shuffled, "circular")
    assert any((found == np.roll(x, (a, b), (1, 2))).all() for a in range(shape[1]) for b in range(shape[2]))
