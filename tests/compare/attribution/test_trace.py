"""Attribution along a trajectory against `ddim` and `attribute` called by themselves."""

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from compare.attribution.trace import distinct_images, inspect_machine, inspect_path, mosaic, shares, winners
from compare.study.sampling import trajectory
from tests.compare.fakes import Blur
from theory import AttentionScore, CosineSchedule, EquivariantLocalScore, IdealScore, WienerScore, ddim

SCHEDULE = CosineSchedule()
SIZES, STRENGTHS = [1, 3, 3, 5], [0.0, 0.1, 0.3, 0.3]


@pytest.fixture
def images(rng):
    return rng.uniform(-1, 1, (24, 3, 4, 5)).astype(np.float32)


@pytest.fixture
def phi_1(rng):
    return rng.normal(size=(2, 3, 4, 5)).astype(np.float32)


@pytest.fixture
def machine(images):
    return AttentionScore(images, 3, attention="identity")


@pytest.fixture
def found(machine, phi_1):
    return inspect_machine(machine, phi_1, SCHEDULE, 4, patch_sizes=SIZES, strengths=STRENGTHS, top=5)


def test_draws_what_ddim_draws(found, machine, phi_1):
    drawn = ddim(machine, phi_1, SCHEDULE, 4, patch_sizes=SIZES, strengths=STRENGTHS)
    assert_array_equal(found.drawn, drawn)
    assert_allclose(found.phi.isel(step=3), phi_1)
    assert_allclose(found.x0.isel(step=0), drawn, atol=1e-6)  # the last step's posterior mean is the sample
    assert found.step.values.tolist() == [0, 1, 2, 3] and found.t.values.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert_allclose(found.sigma, SCHEDULE.sigma(found.t.values))
    assert_array_equal(found.patch_size, SIZES)
    assert_array_equal(found.strength, STRENGTHS)


@pytest.mark.parametrize("step", range(4))
def test_every_step_is_attributed(found, machine, step):
    abar = float(SCHEDULE.alpha_bar((step + 1) / 4))
    x = found.phi.values[step] / abar**0.5
    alone = machine.attribute(x, ((1 - abar) / abar) ** 0.5, 5, patch_size=SIZES[step], strength=STRENGTHS[step])
    here = found.isel(step=step)
    for name in ("weight", "mass", "entropy", "n_eff_images", "x0"):
        assert_allclose(here[name], alone[name], atol=1e-4, rtol=1e-4)
    assert (here.image == alone.image).mean() > 0.99
    alpha = machine.attention_map(x, ((1 - abar) / abar) ** 0.5, patch_size=SIZES[step])
    rows = here.sel(sample=1, y=2, x=3)
    assert_allclose(rows.attention, alpha[1, 13, rows.other_y * 5 + rows.other_x], atol=1e-5)
    assert_allclose(rows.attention, np.sort(alpha[1, 13])[::-1][:8], atol=1e-5)


def test_a_networks_trajectory(images, phi_1):
    """Other points, same questions: at the machine's own points both ways of asking agree."""
    machine = EquivariantLocalScore(images, 3)
    own = inspect_machine(machine, phi_1, SCHEDULE, 4)
    path = trajectory(machine, phi_1, SCHEDULE, 4)
    again = inspect_path(machine, path, own.drawn.values, SCHEDULE)
    for name in ("weight", "entropy", "x0", "phi"):
        assert_allclose(again[name], own[name], atol=1e-4)
    network = trajectory(Blur(), phi_1, SCHEDULE, 4)
    other = inspect_path(machine, network, network.x0[0], SCHEDULE, patch_sizes=[3] * 4, labels=None)
    assert_allclose(other.phi, network.phi, atol=1e-6)
    assert_allclose(other.drawn, network.x0[0], atol=1e-6)
    assert np.abs(other.x0.values - network.x0).max() > 0.1
    with pytest.raises(ValueError, match="patch_sizes: got 3 values, want one for each of the 4 steps"):
        inspect_path(machine, network, network.x0[0], SCHEDULE, patch_sizes=[3] * 3)
    assert "attention" not in other


def test_the_mosaic_is_each_pixels_best_patch(found, images):
    made = mosaic(found, images)
    assert made.shape == (4, 2, 3, 4, 5)
    here = found.isel(step=1, sample=0, y=3, x=2, rank=0)
    assert_array_equal(made[1, 0, :, 3, 2], images[int(here.image), :, int(here.source_y), int(here.source_x)])


def test_a_copy_is_one_image(images, phi_1):
    found = inspect_machine(IdealScore(images), phi_1, SCHEDULE, 20)
    assert_array_equal(distinct_images(found), 1)
    last = found.isel(step=0)
    made = shares(last, top=3)
    assert_allclose(made.share[:, 0], 1.0, atol=1e-6)
    assert_allclose(images[made.image[:, 0]], found.drawn, atol=1e-5)
    assert (made.image[:, 2] == -1).all() or (made.share[:, 2] > 0).all()


def test_shares_and_distinct_images_count(found):
    made, one = shares(found, top=24), found.isel(sample=1)
    image, weight = one.image.values.ravel(), one.weight.values.ravel()
    for i, share in zip(made.image[1].values, made.share[1].values):
        assert_allclose(share, weight[image == i].sum() / (4 * 4 * 5), atol=1e-12)
    assert (np.diff(made.share) <= 0).all()
    assert_allclose(made.share.sum("contributor"), found.mass.mean(("step", "y", "x")), atol=1e-12)
    counts = distinct_images(found)
    assert counts[2, 0] == len(np.unique(found.image.isel(step=2, sample=0, rank=0)))


def test_netcdf_holds_it(found, tmp_path):
    found.to_netcdf(tmp_path / "found.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "found.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), found)
    assert all({"long_name", "units"} <= set(found[name].attrs) for name in found.variables)


def test_a_machine_that_names_no_patches_is_refused(images, phi_1):
    with pytest.raises(ValueError, match="^machine: got WienerScore"):
        inspect_machine(WienerScore(images), phi_1, SCHEDULE, 2)


def test_winners_count_best_patches_and_named_weights(found):
    one = found.isel(sample=1, step=2)
    made = winners(one)
    best = one.image.isel(rank=0).values
    counts = {int(image): (best == image).mean() for image in np.unique(best)}
    assert dict(zip(made.image.values.tolist(), made.won.values.tolist())) == counts
    assert (np.diff(made.won) <= 0).all() and float(made.won.sum()) == pytest.approx(1.0)
    for image, mass in zip(made.image.values, made.mass.values):
        named = (one.weight.values * (one.image.values == image)).sum(axis=-1)
        assert mass == pytest.approx(named.mean())


def test_deviation_is_the_root_of_the_posteriors_variance(images, phi_1):
    machine = EquivariantLocalScore(images, 3)
    made = inspect_machine(machine, phi_1, SCHEDULE, 2, top=1, deviation=True)
    x = made.phi.values[1].astype(np.float64) / float(SCHEDULE.alpha_bar(1.0)) ** 0.5
    wanted = np.sqrt(machine.variance(x, float(made.sigma[1])).mean(axis=1))
    assert_allclose(made.deviation[1], wanted, rtol=1e-4)
    assert "deviation" not in inspect_machine(machine, phi_1, SCHEDULE, 2, top=1)


def test_no_deviation_of_a_machine_that_has_no_posterior(machine, phi_1):
    assert "deviation" not in inspect_machine(machine, phi_1, SCHEDULE, 2, top=1, deviation=True)
