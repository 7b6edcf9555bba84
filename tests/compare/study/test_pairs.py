"""Rows of images: what attention adds to networks, held against closed forms, from networks to table."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from compare import attention, run
from compare.measure.difference import cosine, explained, products, slope
from compare.report.pairs import REPORT
from compare.result import pairs, schema, summary
from compare.study.differences import pairs_of
from empirical import checkpoint
from empirical.adapters import NetworkDenoiser
from empirical.datasets import load
from empirical.pairs import PairsLayout
from empirical.training import sample_grid
from empirical.training.image_config import ImageTrainConfig
from empirical.training.loop import train
from theory import CosineSchedule, EquivariantLocalScore, IdealScore
from theory.errors import UserError

LAYOUT = PairsLayout(side=6, gap=3, pool=8, values=3, held_out=0.3)
OPTIONS = ["--quick", "--samples", "6", "--steps", "10", "--jobs", "2"]


def test_differences_by_hand():
    rng = np.random.default_rng(0)
    a, g = rng.standard_normal((2, 5, 3, 4, 4))
    found = products(a, g)
    sums = [sum(float(u * v) for u, v in zip(p.ravel(), q.ravel())) for p, q in ((a, a), (a, g), (g, g))]
    np.testing.assert_allclose([part.sum() for part in found], sums)
    aa, ag, gg = sums
    np.testing.assert_allclose([cosine(*found), slope(*found), explained(*found)],
                               [ag / np.sqrt(aa * gg), ag / gg, 1 - ((a - g) ** 2).sum() / aa])
    assert cosine(*products(a, 3 * a)) == pytest.approx(1) and slope(*products(a, 2 * a)) == pytest.approx(0.5)
    assert np.isnan(cosine(*products(a, 0 * a)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bars and crosses, and two training seeds of a tiny network without and with attention."""
    home = tmp_path_factory.mktemp("pairs")
    (home / "set").mkdir()
    rng = np.random.default_rng(0)
    for i in range(9):
        pixels = np.zeros((6, 6), np.uint8)
        pixels[rng.integers(6)] = pixels[:, rng.integers(6)] = 255
        Image.fromarray(pixels).save(home / "set" / f"{i}.png")
    drawn, sample_grid.EVAL_SAMPLES = sample_grid.EVAL_SAMPLES, 4
    for rule in (None, "learned"):
        for seed in (0, 1):
            train(recipe(home, rule, seed), home / f"{rule}-{seed}", device="cpu")
    sample_grid.EVAL_SAMPLES = drawn
    return home


def recipe(home, rule, seed) -> ImageTrainConfig:
    return ImageTrainConfig.preset(dataset=f"pairs:folder:{home}/set", attention=rule, seed=seed, layout=LAYOUT,
                                   subset=64, width=8, steps=12, batch=8)


@pytest.fixture(scope="module")
def result(folder):
    networks = [str(folder / f"{rule}-{seed}") for seed in (0, 1) for rule in (None, "learned")]
    assert attention.main(["--dataset", f"pairs:folder:{folder}/set", "--networks", *networks, *OPTIONS, "--out",
                           str(folder / "run")]) == 0
    return schema.read(folder / "run" / "result.nc")


@pytest.mark.slow
def test_everything_asked_is_there(folder, result):
    assert result.sizes["network_pair"] == 2 and result.pair_seed.values.tolist() == [0, 1]
    assert set(result.role.values.tolist()) == {"theory", "null", "ceiling"}
    asked = result.cosine.notnull().any(["form", "network_pair", "where"])
    assert result.t.values[asked.values].tolist() == [0.4, 0.9]
    own = result.cosine.sel(form=result.network_pair.values).isel(step=3)
    assert (np.isnan(own.sel(where="own path").values) == np.eye(2, dtype=bool)).all()
    assert (folder / "run" / "figures" / "samples.png").stat().st_size > 0
    for flag in ("consistent", "clean", "novel"):
        assert result[flag].sizes == {"source": result.sizes["source"], "sample": 6}
    assert result.attrs["chance"] == pytest.approx(1 / 3)


@pytest.mark.slow
def test_a_difference_as_a_user_would_compute_it(folder, result):
    data = load(f"pairs:folder:{folder}/set", layout=LAYOUT, count=64)
    networks = [NetworkDenoiser(checkpoint.load(folder / f"{rule}-1")[0], CosineSchedule())
                for rule in ("learned", None)]
    held_out = recipe(folder, None, 0)
    images = load(held_out.dataset, layout=LAYOUT, split="test").subset(4, 0).images
    from compare.study.sampling import initial_noise

    step = 3
    sigma = float(CosineSchedule().sigma((step + 1) / 10))
    x = images + sigma * initial_noise(0, range(1_000_002, 1_000_006), images.shape[1:])
    k = int(result.patch_size.sel(machine=result.machine_kind == "equivariant_local").values[0, step])
    added = networks[0].denoise(x, sigma) - networks[1].denoise(x, sigma)
    local = EquivariantLocalScore(data.images, k).denoise(x, sigma)
    for form, other in (("ideal", IdealScore(data.images).denoise(x, sigma)),
                        ("els, window 2 wider", EquivariantLocalScore(data.images, k + 2).denoise(x, sigma))):
        expected = products(added, other - local)
        row = result.sel(form=form, network_pair="resnet-learned-1 - resnet-1", where="held-out images").isel(step=step)
        for measure in (cosine, slope, explained):
            assert row[measure.__name__].item() == pytest.approx(measure(*expected), rel=1e-5)


@pytest.mark.slow
def test_numbers_take_the_training_seed_as_the_unit(result):
    rates = [result.consistent.sel(source=name).mean().item() for name in result.network.values
             if name.startswith("resnet-learned")]
    found = pairs.rate(result, "resnet-learned")
    assert found.estimate == pytest.approx(np.mean(rates)) and found.n == 2
    ceiling = pairs.ceiling(result, "cosine", "resnet-learned", "own path")
    for seed in (0, 1):
        other = result.cosine.sel(network_pair=f"resnet-learned-{seed} - resnet-{seed}", where="own path",
                                  form=f"resnet-learned-{1 - seed} - resnet-{1 - seed}")
        assert ceiling[seed] == pytest.approx(other.mean().item())
    text = REPORT.text(result)
    assert f"{found.estimate:.2f}" in text and "other pairs of networks" in text


@pytest.mark.slow
def test_hypotheses_are_judged_as_registered(result, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "docs")
    from page_tables import hypotheses

    judged = {one.name: one.judge(result) for one in hypotheses.HYPOTHESES}
    assert list(judged) == ["H1", "H2", "H3", "H3b", "H4", "H5", "H8"]
    form, networks = hypotheses.primary(result), summary.networks_of(result, "resnet-learned")
    assert form == "uniform fitted to resnet as derived"
    rates = result.consistent.mean("sample")
    difference = (rates.sel(source=form) - rates.sel(source=networks)).values
    half = 12.7062 * difference.std(ddof=1) / np.sqrt(2)  # Student's t, one degree of freedom
    low, high = difference.mean() - half, difference.mean() + half
    said = {name: finding.numbers.replace("\N{NO-BREAK SPACE}", " ") for name, finding in judged.items()}
    assert said["H1"] == f"{difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
    assert judged["H1"].holds == (low >= -0.15 and high <= 0.15)
    r2 = result.r2.sel(machine=["els fitted to resnet", form], network=summary.networks_of(result, "resnet"))
    assert said["H4"].startswith(f"{(r2[0] - r2[1]).mean().item():+.2f} [")
    for judge in judged.values():
        assert hypotheses.outcome([judge, judge._replace(holds=not judge.holds)]) == "holds in part"
    table = hypotheses.hypotheses_table({"bars": result})
    assert table.count("**holds**") + table.count("**fails**") == 8


def test_strength_beside_the_derived_one(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "docs")
    from page_tables import hypotheses

    dataset = xr.Dataset({"fitted_share_along": ("step", [1.0, 0.0, 0.4, 1.0]),
                          "derived_share": ("step", [1.0, 0.05, 0.1, 1.0])},
                         {"t": ("step", [0.25, 0.5, 0.75, 1.0]), "candidate_share": [0.0, 0.1, 1.0]})
    assert hypotheses.strength(dataset) == (True, "2.00")  # of steps 1 and 2; 0 counts as 0.05
    assert not hypotheses.strength(dataset.assign(derived_share=0.9 * dataset.derived_share)).holds


@pytest.mark.slow
def test_it_resumes_to_the_same_numbers(folder, result):
    (folder / "run" / "result.nc").unlink()
    for part in sorted((folder / "run" / "parts").glob("difference*"))[::2]:
        part.unlink()
    networks = [str(folder / f"{rule}-{seed}") for seed in (0, 1) for rule in (None, "learned")]
    assert attention.main(["--dataset", f"pairs:folder:{folder}/set", "--networks", *networks, *OPTIONS, "--out",
                           str(folder / "run")]) == 0
    again = schema.read(folder / "run" / "result.nc")
    for name in result.data_vars:
        np.testing.assert_array_equal(again[name], result[name])


@pytest.mark.slow
def test_run_judges_rows_too(folder):
    out = folder / "images"
    assert run.main(["--dataset", f"pairs:folder:{folder}/set", "--checkpoint", str(folder / "None-0"), *OPTIONS[:3],
                     "--jobs", "2", "--out", str(out)]) == 0
    made = schema.read(out / "result.nc")
    assert made.consistent.sizes["source"] == made.sizes["source"] and made.attrs["chance"] == pytest.approx(1 / 3)
    assert made.consistent.sel(source="ideal").all()  # the ideal score draws training images
    assert "values drawn by themselves, exact" in (out / "table.txt").read_text()


def test_networks_with_attention_need_their_match(folder, capsys):
    from compare.study.image_inputs import given_networks
    from compare.study.networks import image_networks, load_network

    stems = [folder / "None-0", folder / "learned-1"]
    networks = image_networks([load_network(stem, "cpu") for stem in stems], given_networks(stems, 2, None).training)
    with pytest.raises(UserError, match="got resnet-learned-1, want networks with attention, each beside one without"):
        pairs_of(networks)


@pytest.mark.parametrize("arguments, message", [
    (["--dataset", "mnist"], "--dataset: got mnist, want toy or pairs:NAME"),
    (["--training-seeds", "1"], "--training-seeds: got it with --dataset toy, want it for the other"),
    (["--dataset", "pairs:mnist", "--closed-forms", "pair"], "--closed-forms: got it with --dataset pairs:mnist"),
    (["--dataset", "pairs:mnist", "--networks", "a", "--training-steps", "3"], "want one of the two"),
])
def test_options_of_the_other_study(capsys, arguments, message):
    assert attention.main(arguments) == 2
    assert message in capsys.readouterr().err
