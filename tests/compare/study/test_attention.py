"""The whole study on networks of a few training steps: what it writes agrees with the parts that it is made of."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare import attention as command
from compare.measure import residual
from compare.measure.agreement import agreement
from compare.measure.denoising_loss import noisy_training_images
from compare.result import attention as own
from compare.result import schema as results
from compare.result import summary
from compare.result.identity import machine as machine_of
from compare.result.published import CHANCE_CONSISTENT
from compare.study.config import AttentionConfig
from compare.study.machines import Machines
from compare.study.networks import SCHEDULE, expand_names, find_all, load_toy
from empirical.consistency import by_held_out_map
from empirical.toy import ToyLayout
from empirical.training.loop import train
from empirical.training.toy_config import TrainConfig
from theory import AttentionScore, EquivariantLocalScore, PairScore
from theory.samplers import ddim

pytestmark = pytest.mark.slow  # whole studies

OPTIONS = ["--quick", "--samples", "5", "--points", "6", "--steps", "3"]


@pytest.fixture(scope="module")
def stems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    made = [(attention, seed) for attention in (None, "learned") for seed in (0, 1)]
    return [str(train(TrainConfig(count=24, width=8, batch=16, steps=4, attention=attention, seed=seed),
                      folder / f"{attention}-{seed}")) for attention, seed in made]


@pytest.fixture(scope="module")
def run(stems, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "study"
    assert command.main(["--networks", *stems, *OPTIONS, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def loaded(stems):
    """Networks by variant, and their training set."""
    networks, training = load_toy(find_all(stems), "cpu")
    return {which: [one for one in networks if one.variant == which] for which in ("cnn", "cnn-learned")}, training


@pytest.fixture(scope="module")
def dataset(run):
    return results.read(run / "attention.nc")


def test_it_writes_dataset_table_and_figures(run):
    text = (run / "table.txt").read_text()
    assert "cnn-learned minus ELS" in text and "nan" not in text
    assert sorted(path.name for path in (run / "figures").iterdir()) == ["agreement.png", "ends.png", "loss.png",
                                                                               "residual.png"]


def test_chance_stands_first_among_the_rates(dataset, run):
    chance = json.loads(dataset.attrs["chance_json"])
    assert_allclose(chance["consistent"], CHANCE_CONSISTENT["one-to-one"], atol=4e-3)  # of 65,536 draws: sd 1e-3
    assert chance["clean"] == 1.0 and chance["novel"] > 1.0 - 24 / 65_536 - 1e-3
    assert "by_held_out_map" not in chance
    header, row = (run / "table.txt").read_text().split("\n\n")[1].splitlines()[1:4:2]
    assert row.split()[:3] == ["random", "colours", f"{chance['consistent']:.3f}"] and "held-out" not in header


def test_a_finished_run_is_left_alone(run, stems, capsys):
    before = (run / "attention.nc").read_bytes()
    assert command.main(["--networks", *stems, *OPTIONS, "--out", str(run)]) == 0
    assert (run / "attention.nc").read_bytes() == before
    assert "is done" in capsys.readouterr().err


def test_the_dataset_keeps_the_schema_and_says_where_it_came_from(dataset, stems):
    results.validate(dataset)
    config = json.loads(dataset.attrs["config_json"])
    assert config["networks"] == stems and set(config["weights"]) == set(stems)
    assert dataset.subject.values.tolist() == ["cnn-0", "cnn-1", "cnn-learned-0", "cnn-learned-1"]
    seeds = json.loads(dataset.attrs["seeds_json"])
    assert seeds["calibration_samples"][0] > seeds["evaluation_samples"][1]


def test_losses_and_products_are_those_of_the_denoisers(dataset, loaded):
    """At one step: made again from the networks and machines themselves."""
    (networks, training), i = loaded, 1
    x0, x, sigma = noisy_training_images(training.images, 6, 0, SCHEDULE, (i + 1) / 3)
    member, second = networks["cnn-learned"]
    made = member.denoiser.denoise(x, sigma)
    loss = dataset.network_loss.sel(subject=member.name).isel(step=i)
    assert_allclose(loss, ((made - x0) ** 2).mean(axis=(1, 2, 3)) / sigma**2, rtol=1e-5)

    fit = dataset.sel(fitted_variant="cnn-learned", fitted_form="pair").isel(step=i)
    els = dataset.patch_size.sel(machine="els fitted to cnn-learned").values[i]
    local = EquivariantLocalScore(training.images, int(els)).denoise(x, sigma)
    form = Machines(training)("joint_matching", "uniform")
    output = form.denoise(x, sigma, patch_size=int(els), strength=float(fit.fitted_residual_strength))
    for against, other in (("pair", output), ("another training seed", second.denoiser.denoise(x, sigma))):
        assert_products(dataset, member, against, i, residual.products(made, other, local, sigma))


@pytest.mark.parametrize("form, machine", [("own map", AttentionScore), ("own pair", PairScore)])
def test_every_training_seed_is_held_against_its_own_map(dataset, loaded, form, machine):
    """In the residual test, the loss and the samples; not that of the seed whose path the strengths are fitted on."""
    (networks, training), i = loaded, 1
    x0, x, sigma = noisy_training_images(training.images, 6, 0, SCHEDULE, (i + 1) / 3)
    fit = dataset.sel(fitted_variant="cnn-learned", fitted_form=form)
    k = int(dataset.patch_size.sel(machine="els fitted to cnn-learned").values[i])
    local = EquivariantLocalScore(training.images, k).denoise(x, sigma)
    names = own.machines_of(dataset, form, "cnn-learned")
    assert names == [f"{form} of seed {seed} fitted to cnn-learned" for seed in (0, 1)]
    for member, name in zip(networks["cnn-learned"], names):
        alone = machine(training.images, 5, attention=member.attention_map)
        output = alone.denoise(x, sigma, patch_size=k, strength=float(fit.fitted_residual_strength.values[i]))
        made = member.denoiser.denoise(x, sigma)
        assert_products(dataset, member, form, i, residual.products(made, output, local, sigma))
        best = alone.denoise(x, sigma, patch_size=int(fit.fitted_patch_size.values[i]),
                             strength=float(fit.fitted_strength.values[i]))
        assert_allclose(dataset.machine_loss.sel(machine=name).isel(step=i),
                        ((best - x0) ** 2).mean(axis=(1, 2, 3)) / sigma**2, rtol=1e-5)
        images = ddim(alone, dataset.noise.values, SCHEDULE, steps=3, patch_sizes=fit.fitted_patch_size.values,
                      strengths=fit.fitted_strength.values)
        assert_allclose(dataset.predicted.sel(machine=name), images, atol=1e-5)


@pytest.mark.parametrize("form, machine, attends, strength", [
    ("pair", PairScore, False, 1.0), ("uniform", AttentionScore, False, 1 / 25), ("own pair", PairScore, True, 1.0),
    ("own map", AttentionScore, True, 1 / 25)])
def test_forms_as_derived_know_nothing_of_the_fits(dataset, loaded, form, machine, attends, strength):
    (networks, training), i = loaded, 1
    x0, x, sigma = noisy_training_images(training.images, 6, 0, SCHEDULE, (i + 1) / 3)
    k = int(dataset.patch_size.sel(machine="els fitted to cnn-learned").values[i])
    local = EquivariantLocalScore(training.images, k).denoise(x, sigma)
    names = own.machines_of(dataset, f"{form} as derived", "cnn-learned")
    assert names == ([f"{form} of cnn-learned seed {seed} as derived" for seed in (0, 1)] if attends
                     else [f"{form} as derived"])
    for member, name in zip(networks["cnn-learned"], names if attends else 2 * names):
        attention = {"attention": member.attention_map} if attends else {}
        alone = machine(training.images, 5, strength=strength, **attention)
        output, made = alone.denoise(x, sigma), member.denoiser.denoise(x, sigma)
        assert_products(dataset, member, f"{form} as derived", i, residual.products(made, output, local, sigma))
        assert_allclose(dataset.machine_loss.sel(machine=name).isel(step=i),
                        ((output - x0) ** 2).mean(axis=(1, 2, 3)) / sigma**2, rtol=1e-5)
        drawn = ddim(alone, dataset.noise.values, SCHEDULE, steps=3)
        assert_allclose(dataset.predicted.sel(machine=name), drawn, atol=1e-5)
    path = dataset.path_yz.sel(subject="cnn-learned-0", form=f"{form} as derived")
    assert path.notnull().all()


def assert_products(dataset, member, form, i, expected):
    for product, values in expected._asdict().items():
        kept = dataset[f"point_{product}"].sel(subject=member.name, form=form).isel(step=i)
        assert_allclose(kept, values, rtol=1e-4, atol=1e-5)


def test_what_is_said_of_a_form_by_its_own_map_is_over_pairs_of_map_and_network(dataset):
    names = own.machines_of(dataset, "own map", "cnn-learned")
    networks = summary.networks_of(dataset, "cnn-learned", 10)
    r2 = np.stack([dataset.r2.sel(machine=name, network=network) for name, network in zip(names, networks)])
    assert summary.machine_agreement(dataset, "r2", names, "cnn-learned", 10).estimate == np.nanmedian(r2)
    els = dataset.r2.sel(machine="els fitted to cnn-learned", network=networks).transpose("network", "sample").values
    assert_allclose(summary.gain(dataset, names, "els fitted to cnn-learned", "cnn-learned").estimate,
                    np.nanmean(r2 - els), rtol=1e-6)
    assert own.machines_of(dataset, "pair", "cnn-learned") == ["pair fitted to cnn-learned"]
    assert_allclose(own.losses(dataset, names), dataset.machine_loss.sel(machine=names).mean("machine"))


def test_agreement_is_that_of_network_and_companion(dataset, loaded):
    (networks, training), i = loaded, 1
    _, x, sigma = noisy_training_images(training.images, 6, 0, SCHEDULE, (i + 1) / 3)
    member, second = networks["cnn-learned"]
    made, twin = member.denoiser.denoise(x, sigma), networks["cnn"][0]
    k = int(dataset.patch_size.sel(machine="els fitted to cnn-learned").values[i])
    local = EquivariantLocalScore(training.images, k).denoise(x, sigma)
    others = {"els": local, "another training seed": second.denoiser.denoise(x, sigma),
              "cnn of the same seed": twin.denoiser.denoise(x, sigma)}
    for companion, other in others.items():
        kept = dataset.sel(subject=member.name, form=companion).isel(step=i)
        assert_allclose(kept.point_r2, agreement(made, other).r2, rtol=1e-4)
        a, b = ((x - output).reshape(6, -1) for output in (made, other))
        cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert_allclose(kept.point_cosine_distance, 1.0 - cosine, rtol=1e-4, atol=1e-9)
    path = dataset.path_r2.sel(subject=member.name, form="els")
    assert path.shape == (4, 3) and ((path >= 0.0) & (path <= 1.0)).all()
    values = dataset.point_r2.sel(subject=["cnn-learned-0", "cnn-learned-1"], form="ideal").isel(step=i)
    assert_allclose(own.agreement_by_step(dataset, "cnn-learned", "ideal", "r2")[i], np.median(values), rtol=1e-6)
    assert dataset.point_r2.sel(subject="cnn-0", form="cnn of the same seed").isnull().all()


def test_samples_are_drawn_with_the_fitted_settings(dataset, loaded):
    networks, training = loaded
    fit = dataset.sel(fitted_variant="cnn-learned", fitted_form="identity")
    machine = Machines(training)("evidence_sharing", "identity")
    name = machine_of(dataset, kind="evidence_sharing", attention="identity", fitted_to="cnn-learned")
    images = ddim(machine, dataset.noise.values, SCHEDULE, steps=3, patch_sizes=fit.fitted_patch_size.values,
                  strengths=fit.fitted_strength.values)
    assert_allclose(dataset.predicted.sel(machine=name), images, atol=1e-5)


def test_every_closed_form_has_a_correction_in_the_residual_test(dataset):
    fitted = dataset.fitted_residual_strength.stack(which=[...])
    assert (fitted.dropna("which") > 0).all()
    by_map = {"own map", "own pair", "own map as derived", "own pair as derived"}
    assert set(own.forms_of(dataset, "cnn-learned")) - set(own.forms_of(dataset, "cnn")) == by_map
    assert set(own.against_of(dataset, "cnn-learned")) - set(own.against_of(dataset, "cnn")) == {
        *by_map, "cnn of the same seed"}


def test_own_map_is_the_networks(loaded):
    networks, training = loaded
    member, x = networks["cnn-learned"][0], np.random.default_rng(0).normal(size=(3, 3, 4, 2))
    alpha = member.attention_map(x, np.full(3, 0.8))
    assert_allclose(alpha.sum(axis=-1), 1.0)
    assert_array_equal(np.diagonal(alpha, axis1=1, axis2=2), 0.0)
    form = Machines(training)("evidence_sharing", "network", along=member)
    local = EquivariantLocalScore(training.images, 3).denoise(x, 0.8)
    assert_allclose(form.denoise(x, 0.8, patch_size=3, strength=0.0), local, atol=1e-9)
    assert np.abs(form.denoise(x, 0.8, patch_size=3, strength=0.3) - local).max() > 1e-3


def test_a_set_by_its_name_is_all_of_it():
    assert "toy/cnn-learned-2" in expand_names(["toy"]) and len(expand_names(["toy"])) == 12
    assert expand_names(["runs/a", "b"]) == ("runs/a", "b")


@pytest.mark.parametrize("wrong, said", [
    (["--networks", "nothing"], "nothing"),
    (["--networks", "mnist/resnet"], "toy networks"),
    (["--networks", "toy", "--samples", "0"], "samples"),
])
def test_user_errors_take_one_line(wrong, said, tmp_path, capsys):
    assert command.main([*wrong, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_networks_of_other_data_are_refused(stems, tmp_path, capsys):
    other = train(TrainConfig(count=25, width=8, batch=16, steps=2), tmp_path / "other")
    assert command.main(["--networks", *stems, str(other), "--quick", "--out", str(tmp_path / "out")]) == 2
    assert "one training set" in capsys.readouterr().err


def test_only_the_closed_forms_asked_for(stems, tmp_path):
    asked = ["--closed-forms", "own map", "uniform", "--patch-sizes", "3", "--networks", *stems, *OPTIONS]
    assert command.main([*asked, "--out", str(tmp_path)]) == 0
    dataset = results.read(tmp_path / "attention.nc")
    fitted = dataset.fitted_strength.notnull().all("step").transpose("fitted_variant", "fitted_form")
    assert dataset.fitted_form.values.tolist() == ["own map", "uniform"]
    assert fitted.values.tolist() == [[False, True], [True, True]]              # a CNN has no map of its own
    assert set(dataset.patch_size.sel(machine=dataset.setting == "fitted").values.ravel()) == {3}


@pytest.mark.parametrize("options, named", [
    ({"closed_forms": ("own map",)}, "closed_forms: got own map, want .* one at least beside own map and own pair"),
    ({"closed_forms": ("else",)}, "closed_forms: got else, want some of own map, "),
    ({"patch_sizes": (3, 4)}, "patch_sizes: got 3 4, want odd"),
])
def test_wrong_choices_are_named(options, named):
    with pytest.raises(ValueError, match=named):
        AttentionConfig(**options)


def test_held_out_maps_have_a_column_of_their_own(tmp_path):
    config = TrainConfig(count=24, width=8, batch=16, steps=4, layout=ToyLayout(held_out_maps=0.25))
    network = str(train(config, tmp_path / "network"))
    asked = ["--closed-forms", "uniform", "--patch-sizes", "3", "--networks", network, *OPTIONS]
    assert command.main([*asked, "--out", str(tmp_path / "study")]) == 0
    dataset = results.read(tmp_path / "study" / "attention.nc")
    flags = by_held_out_map(dataset.predicted.sel(machine="ideal").values, config.layout)
    assert_array_equal(dataset.by_held_out_map.sel(source="ideal"), flags)
    random = json.loads(dataset.attrs["chance_json"])
    assert 0.0 < random["by_held_out_map"] < random["consistent"]
    assert "by held-out maps only" in (tmp_path / "study" / "table.txt").read_text()
