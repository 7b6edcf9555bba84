"""The study with machines in the networks' place: what is fitted and measured must then come out exactly."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from compare.measure.agreement import agreement
from compare.measure.nearest import nearest
from compare.result import schema as results
from compare.study import sampling
from compare.study.config import ImageConfig
from compare.study.folder import RunFolder
from compare.study.images import image_study
from compare.study.networks import NetworkEntry, TrainingSet, Validation
from compare.study.pipeline import FITS_ALONE, carry_out
from compare.study.sampling import calibration_samples, initial_noise, sample_labels
from tests.compare.fakes import Scheduled
from theory import AttentionScore, CosineSchedule, EquivariantLocalScore, IdealScore, ddim

pytestmark = pytest.mark.slow  # whole studies

SCHEDULE = CosineSchedule()
SIZES, STRENGTHS = [3, 5, 3, 5], [0.0, 0.3, 0.05, 0.0]
CONFIG = ImageConfig(samples=3, seed=13, steps=4, network_steps=(4, 8), calibration_samples=2, patch_sizes=(1, 3, 5),
                     strengths=(0.0, 0.05, 0.3), rules=("mse", "validation", "entropy"), diagnosed=2)
RECORD = {"dataset": "made", "published": "mnist", "boundary": "zeros", "conditional": True}


def training(boundary="zeros"):
    rng = np.random.default_rng(3)
    images, labels = rng.uniform(-1, 1, size=(14, 1, 6, 7)).astype(np.float32), np.array([2, 5] * 7)
    others = Validation(rng.uniform(-1, 1, size=(2, 1, 6, 7)).astype(np.float32), np.array([5, 2]), "test split")
    return TrainingSet(images, labels, boundary, "fingerprint", others)


def networks(data):
    """Machines with k(t) and lambda(t) of their own, in the networks' place."""
    els = EquivariantLocalScore(data.images, 3, data.boundary, data.labels)
    attend = AttentionScore(data.images, 3, data.boundary, "identity", labels=data.labels)
    return [NetworkEntry("resnet", 0, Scheduled(els, SCHEDULE, SIZES), None, 5),
            NetworkEntry("resnet", 1, Scheduled(els, SCHEDULE, [3] * 4), None, 5),
            NetworkEntry("resnet-identity", 0, Scheduled(attend, SCHEDULE, SIZES, STRENGTHS), "identity", 5)]


def study(path, data=None, config=CONFIG, **options):
    data = training() if data is None else data
    made = image_study(networks(data), data, config, RECORD | {"boundary": data.boundary}, **options)
    folder = RunFolder(path, config.to_json())
    try:
        return carry_out(made, folder, "none")
    finally:
        folder.close()


def alone(which, data, config, path):
    return carry_out(image_study(which, data, config, RECORD), RunFolder(path, {}), "", stages=FITS_ALONE)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "images"
    result = study(path, snapshots={5: networks(training())[1], 10: networks(training())[0]})
    results.save(result, path / "result.nc")
    return path, results.load(path / "result.nc")


def test_fits_are_what_the_networks_do(finished):
    """Entry i belongs to t = (i + 1) / steps, in the fits and in the machines made of them."""
    _, result = finished
    for rule in ("cosine", "mse"):
        assert_array_equal(result.fitted_patch_size.sel(fitted_variant="resnet", rule=rule), SIZES)
    assert_array_equal(result.patch_size.sel(machine="els fitted to resnet"), SIZES)
    assert_array_equal(result.patch_size.sel(machine="ideal"), 0)
    assert_array_equal(result.t, [0.25, 0.5, 0.75, 1.0])
    losses = result.patch_size_loss.sel(fitted_variant="resnet", rule="cosine")
    assert_allclose(losses.min("candidate_patch_size"), 0.0, atol=1e-9)
    assert_array_equal(result.fitted_patch_size_by_draw.sel(fitted_variant="resnet", rule="mse"), [SIZES] * 2)


def test_windows_tried_outwards_are_those_of_all(tmp_path, monkeypatch):
    """Five candidates, of which some are never tried: the same k(t), by every rule, as from all of them."""
    data, which = training(), networks(training())[:1]
    monkeypatch.setattr("compare.study.windows.candidate_sizes", lambda *_: [1, 3, 5, 7, 9])
    some = alone(which, data, replace(CONFIG, patch_sizes=None, rules=()), tmp_path / "some")
    of_all = alone(which, data, replace(CONFIG, patch_sizes=(1, 3, 5, 7, 9), rules=()), tmp_path / "all")
    assert_array_equal(some.fitted_patch_size, of_all.fitted_patch_size)
    assert_array_equal(some.fitted_patch_size_by_draw.sel(rule=["cosine", "mse"]),
                       of_all.fitted_patch_size_by_draw.sel(rule=["cosine", "mse"]))
    for rule in ("cosine", "validation"):
        assert some.patch_size_loss.sel(rule=rule).isnull().any()
        assert of_all.patch_size_loss.sel(rule=rule).notnull().all()


def test_attention_is_found_where_the_window_is_known(tmp_path):
    """With k(t) of the attention network itself as the only candidate, lambda(t) is found at every step."""
    data = training()
    network = networks(data)[2]
    fixed = replace(network, denoiser=Scheduled(network.denoiser.machine, SCHEDULE, [3] * 4, STRENGTHS))
    config = replace(CONFIG, patch_sizes=(3,), rules=())
    result = carry_out(image_study([fixed], data, config, RECORD), RunFolder(tmp_path / "run", {}), "")
    assert_array_equal(result.fitted_strength.sel(attention_variant="resnet-identity"), STRENGTHS)
    assert_array_equal(result.strength.sel(machine="identity fitted to resnet-identity"), STRENGTHS)
    drawn = result.pearson_r.sel(machine="identity fitted to resnet-identity", network="resnet-identity/seed0/4")
    assert_allclose(drawn, 1.0, atol=1e-5)


def test_a_machine_with_the_network_s_windows_draws_its_images(finished):
    _, result = finished
    same = result.pearson_r.sel(machine="els fitted to resnet")
    assert_allclose(same.sel(network="resnet/seed0/4"), 1.0, atol=1e-5)
    assert same.sel(network="resnet/seed0/8").min() < 0.999 and same.sel(network="resnet/seed1/4").min() < 0.999
    assert_allclose(result.path_pearson_r.sel(machine="els fitted to resnet", fitted_variant="resnet"), 1.0, atol=1e-9)
    assert np.isnan(result.path_pearson_r.sel(machine="els fitted to resnet", fitted_variant="resnet-identity")).all()
    assert result.path_pearson_r.sel(machine="ideal").notnull().all()


def test_training_is_followed(finished):
    _, result = finished
    along = result.snapshot_pearson_r.sel(machine="els fitted to resnet")
    assert result.snapshot_step.values.tolist() == [5, 10]
    finest = result.pearson_r.sel(machine="els fitted to resnet", network=["resnet/seed1/8", "resnet/seed0/8"])
    assert_allclose(along.transpose("snapshot_step", "sample"), finest.transpose("network", "sample"), rtol=1e-12)


def test_noise_and_labels_are_those_of_the_samples(finished):
    _, result = finished
    assert_array_equal(result.noise, initial_noise(13, range(3), (1, 6, 7)))
    assert_array_equal(result.label, sample_labels(13, range(3), [2, 5]))
    assert result.label.values.tolist() == [2, 2, 5]  # no palindrome: labels in the wrong order show
    assert not np.isin(initial_noise(13, calibration_samples(2), (1, 6, 7)), result.noise).any()


def test_machines_draw_on_the_sample_s_class_alone(finished):
    """As a machine does that knows nothing but the images of that class."""
    _, result = finished
    data = training()
    for sample, label in enumerate(result.label.values):
        alone = IdealScore(data.images[data.labels == label])
        image = ddim(alone, result.noise.values[sample : sample + 1], SCHEDULE, steps=4)
        assert_allclose(result.predicted.sel(machine="ideal", sample=sample), image[0], atol=1e-3)


def test_numbers_follow_from_the_stored_images(finished):
    _, result = finished
    again = agreement(result.predicted.values[:, None], result.generated.values[None])
    for name in again._fields:
        assert_allclose(result[name], getattr(again, name), rtol=1e-9)
    assert_array_equal(result.predicted, results.round_mantissa(result.predicted.values))
    index, distance = nearest(result.generated.values[0], training().images)
    assert_array_equal(result.nearest_image.sel(source="resnet/seed0/4"), index)
    assert_allclose(result.nearest_distance.sel(source="resnet/seed0/4"), distance)


def test_machines_have_names_that_tell_their_kind(finished):
    _, result = finished
    assert result.machine.values.tolist() == [
        "ideal", "wiener", "els by validation", "els by entropy",
        "local fitted to resnet", "els by mse fitted to resnet", "els fitted to resnet",
        "local fitted to resnet-identity", "els by mse fitted to resnet-identity", "els fitted to resnet-identity",
        "identity fitted to resnet-identity"]


def test_taken_up_again_it_is_the_same(finished, tmp_path):
    """Without its result and with half of the parts, only what is missing is done again, to the same numbers."""
    path, result = finished
    copied = tmp_path / "again"
    (copied / "parts").mkdir(parents=True)
    for i, file in enumerate(sorted([path / "config.json", *(path / "parts").iterdir()])):
        if i % 2 == 0 or file.name == "config.json":
            (copied / file.relative_to(path)).write_bytes(file.read_bytes())
    again = study(copied, snapshots={5: networks(training())[1], 10: networks(training())[0]})
    xr.testing.assert_identical(again.drop_attrs(deep=False), result.drop_attrs(deep=False))


def test_groups_of_samples_do_not_show(finished, tmp_path, monkeypatch):
    _, result = finished
    monkeypatch.setattr(sampling, "GROUP", 2)
    again = study(tmp_path / "again", config=replace(CONFIG, rules=()))
    for name in ("ideal", "els fitted to resnet"):
        assert_allclose(again.predicted.sel(machine=name), result.predicted.sel(machine=name), atol=2e-3)


def test_circular_networks_get_circular_machines(tmp_path):
    data = training("circular")
    result = study(tmp_path / "run", data, config=replace(CONFIG, rules=()))
    assert_allclose(result.pearson_r.sel(machine="els fitted to resnet", network="resnet/seed0/4"), 1.0, atol=1e-5)


def test_without_validation_images(tmp_path):
    data = replace(training(), validation=None)
    result = study(tmp_path / "run", data, config=replace(CONFIG, rules=("mse",)))
    assert result.rule.values.tolist() == ["cosine", "mse", "local"]
    with pytest.raises(ValueError, match="^rules: got mse, entropy, but there are no validation images; want"):
        study(tmp_path / "other", data, config=replace(CONFIG, rules=("mse", "entropy")))


def test_unconditional_results_have_no_label(tmp_path):
    data = replace(training(), labels=None, validation=None)
    result = study(tmp_path / "run", data, config=replace(CONFIG, rules=()))
    assert "label" not in result.coords
    assert_allclose(result.pearson_r.sel(machine="els fitted to resnet", network="resnet/seed0/4"), 1.0, atol=1e-5)


def test_the_windows_tried_reach_to_the_receptive_field_or_the_image(tmp_path):
    data = replace(training(), validation=None)
    wide = [replace(network, receptive_field=None) for network in networks(data)[:1]]
    for which, want in ((networks(data)[:1], [3, 5]), (wide, [3, 5])):
        found = alone(which, data, replace(CONFIG, patch_sizes=None, rules=()),
                      tmp_path / str(which[0].receptive_field))
        assert found.candidate_patch_size.values.tolist() == want
        assert_array_equal(found.fitted_patch_size.sel(rule="cosine", fitted_variant="resnet"), SIZES)
        assert found.step.values.tolist() == [0, 1, 2, 3] and found.t.values.tolist() == [0.25, 0.5, 0.75, 1.0]
