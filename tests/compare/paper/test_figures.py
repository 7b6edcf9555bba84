"""Figures by the numbers behind them, and the command that writes them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch import nn

from compare.figures import main
from compare.paper import black_white, locality
from compare.paper.catalogue import FIGURES
from compare.paper.source import Source
from compare.report import grid
from compare.result import schema as results
from compare.result.summary import most_steps
from empirical import consistency
from tests.compare.commands import quick_help, status
from tests.compare.paper.conftest import SAMPLES, SIDE, TOY

REAL = ["kg1", "kg4", "kg5", "kg6", "kg7", "kg10-12", "kg23-24"]


@pytest.fixture(scope="module")
def data(source):
    """name -> the figure's dataset, made once."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = FIGURES[name].data(source)
        return made[name]

    return of


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_drawn_from_its_dataset_alone(name, data, tmp_path, drawn):
    figure, dataset = FIGURES[name], data(name)
    assert all({"long_name", "units"} <= set(dataset[variable].attrs) for variable in dataset.data_vars)
    dataset.to_netcdf(tmp_path / "numbers.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "numbers.nc", engine="h5netcdf") as again:
        files = figure._replace(data=lambda source: again.load()).save(Source(tmp_path), tmp_path)
    assert [file.name for file in files] == [f"{name}.nc", f"{name}.pdf", f"{name}.png"]
    assert files[1].read_bytes().startswith(b"%PDF") and len(drawn) == 2 and drawn[0] is drawn[1]
    pixels = np.asarray(Image.open(files[2]).convert("RGB"))
    shown = [artist for axes in drawn[0].axes for artist in (*axes.images, *axes.lines, *axes.collections)]
    assert shown and (pixels != 255).any(axis=-1).mean() > 0.01


def drawn(name, dataset):
    figure = Figure()
    FIGURES[name].draw(figure, dataset)
    figure.draw_without_rendering()
    return figure


@pytest.mark.slow
def test_files_carry_their_caption(data, tmp_path):
    figure = FIGURES["fktb4"]._replace(data=lambda source: data("fktb4"))
    _, pdf, png = figure.save(Source(tmp_path), tmp_path)
    assert Image.open(png).text["Description"] == figure.caption
    assert f"/Subject ({figure.caption})".encode() in pdf.read_bytes()


@pytest.mark.slow
def test_numbers_below_images_say_what_they_are(data):
    (axes,) = drawn("kg3", data("kg3")).axes
    assert axes.get_xlabel() == "below: share of pixels like the majority of their window"
    (axes,) = drawn("kg1", data("kg1")).axes
    assert axes.get_xlabel() == ""


@pytest.mark.slow
def test_every_column_of_the_scatter_ends_in_tick_labels(data):
    four = xr.concat([data("kg10-12")] * 2, "panel").isel(panel=slice(4))
    labelled = [axes for axes in drawn("kg10-12", four).axes if axes.axison
                and axes.xaxis.get_tick_params()["labelbottom"]]
    assert len(labelled) == min(3, four.sizes["panel"])


@pytest.mark.slow
def test_windows_have_a_panel_each_and_published_ones_another_colour(data):
    found = data("kg4")
    panels = [axes for axes in drawn("kg4", found).axes if axes.get_title().startswith("fashion") and axes.lines]
    assert [axes.get_title() for axes in panels] == ["fashion-resnet\nresnet", "fashion-unet\nunet"]
    assert all(len({line.get_color() for line in axes.lines}) == len(axes.lines) for axes in panels)


@pytest.mark.slow
def test_counts_have_whole_ticks_and_categories_no_line(data):
    images = drawn("entropy", data("entropy")).axes[1]
    assert all(tick == round(tick) for tick in images.get_yticks())
    assert all(line.get_linestyle() == "None" for axes in drawn("lambda", data("lambda")).axes
               for line in axes.lines if len(line.get_xdata()) > 2)


@pytest.mark.slow
def test_the_same_numbers_give_the_same_files(data, tmp_path):
    figure = FIGURES["fktb4"]._replace(data=lambda source: data("fktb4"))
    before = [file.read_bytes() for file in figure.save(Source(tmp_path), tmp_path)[1:]]
    assert [file.read_bytes() for file in figure.save(Source(tmp_path), tmp_path)[1:]] == before


@pytest.mark.slow
def test_pairs_are_the_results_own(data, source):
    rows, result = data("kg5"), source.results["fashion-resnet"]
    assert rows.row.values.tolist() == ["fashion-resnet: ELS", "resnet", "fashion-unet: ELS", "unet"]
    els, network, shown = "els fitted to resnet", "resnet/seed0/150", slice(rows.image.shape[1])
    assert_array_equal(rows.image[1, :, 2], result.generated.sel(network=network)[shown, 0])
    assert_array_equal(rows.image[0, :, 0], result.predicted.sel(machine=els)[shown, 0])
    assert_allclose(rows.value[1], result.pearson_r.sel(machine=els, network=network)[shown])
    assert np.isnan(rows.value[0]).all()
    assert data("kg1").row.values.tolist() == rows.row.values.tolist()
    assert np.isnan(data("kg1").value).all()


@pytest.mark.slow
def test_attention_networks_stand_beside_their_twins(data):
    for name in ("kg6", "kg23-24"):
        assert data(name).row.values.tolist() == ["fashion-unet: ELS", "unet-identity", "unet, no attention"]
    assert data("kg6").sizes["sample"] == 3 < data("kg23-24").sizes["sample"]  # quick or not, the one shows more


@pytest.mark.slow
def test_architectures_have_local_and_equivariant_machines(data):
    rows = data("kg7")
    assert rows.row.values.tolist() == ["fashion-resnet: resnet", "LS", "ELS", "fashion-unet: unet", "LS", "ELS"]
    assert (rows.value[2] > rows.value[1]).all() and np.isnan(rows.value[0]).all()


@pytest.mark.slow
def test_scatter_holds_r_of_both_machines(data, source):
    found, result = data("kg10-12"), source.results["fashion-unet"]
    r = result.pearson_r.sel(network="unet/seed0/150")
    assert_allclose(found.els.sel(panel="fashion-unet, unet"), r.sel(machine="els fitted to unet"))
    assert_allclose(found.ideal.sel(panel="fashion-unet, unet"), r.sel(machine="ideal"))
    assert found.sizes == {"panel": 2, "sample": SAMPLES}


def test_sensitivity_is_the_jacobian():
    """Of a convolution: its kernel's absolute values, turned about the centre, and nothing beyond."""
    network = nn.Conv2d(2, 2, 3, padding=1)
    face = type("Face", (nn.Module,), {"forward": lambda self, phi, t: self.conv(phi)})()
    face.conv = network
    found = locality.sensitivity(face, np.random.default_rng(0).normal(size=(3, 2, 7, 7)), 0.5)
    kernel = network.weight.detach().sum(dim=0).abs().sum(dim=0).numpy()
    assert_allclose(found[2:5, 2:5], kernel / kernel.max(), rtol=1e-5)
    assert found.sum() == pytest.approx(found[2:5, 2:5].sum())


@pytest.mark.slow
def test_locality_has_maps_and_both_curves(data):
    found = data("kg4")
    assert found.network.values.tolist() == ["resnet-0"]
    assert found.sensitivity.shape == (1, len(locality.TIMES), SIDE, SIDE)
    assert (found.sensitivity.max(("y", "x")) == 1).all()
    assert found.patch_size.sel(curve="fashion-resnet, resnet").values.tolist() == [3] * 5 + [5] * 5 + [7] * 5 + [9] * 5
    assert found.patch_size.sel(curve="KG: fashion-mnist, resnet").values[[0, -1]].tolist() == [3, 17]


@pytest.mark.slow
def test_black_and_white_mosaics_follow_the_majority(data):
    image = -np.ones((1, 1, 6, 6))
    image[0, 0, 2:4, 1:5] = 1.0  # a 2 x 4 bar: with k = 3 its four corners have 4 of 9 neighbours
    assert black_white.locally_consistent(image, 3)[0] == pytest.approx(32 / 36)
    assert black_white.locally_consistent(np.full((1, 1, 6, 6), 0.5), 3)[0] == 0.0
    found = data("kg3")
    assert (found.value > 0.9).all() and (np.abs(found.image) > 0.9).mean() > 0.9


@pytest.mark.slow
def test_ideal_samples_have_one_source_and_mosaics_several(data):
    found = data("kg2").isel(step=-1)
    count = [len(np.unique(found.image.isel(machine=i))) for i in range(3)]
    assert count[0] == 1 and count[1] > 3 and count[2] > 3
    local = found.isel(machine=1)
    assert (local.source_y == local.y).all() and not (found.isel(machine=2).source_y == found.y).all()


@pytest.mark.slow
def test_toy_figures_show_the_toy_set(data, source):
    training = source.toy_set
    assert_allclose(data("fktb1").image[0], training.images[:8])
    made = data("fktb4")
    assert_allclose(made.image, training.layout.render(made.key.values, made.value.values))
    samples = data("fktb5")
    assert_array_equal(samples.marked[3], consistency.consistent(samples.image.values[3], training.layout))


@pytest.mark.slow
def test_consistency_table_is_the_results(data, source):
    found, result = data("fktb-table"), source.toy
    of_learned = result.consistent.sel(source=[f"cnn-learned/seed{s}/150" for s in range(3)])
    assert found.network.sel(variant="cnn-learned", end="estimate") == pytest.approx(float(of_learned.mean()))
    machine = result.consistent.sel(source="top1 k=3 lambda=0.1")
    assert found.machine.sel(variant="cnn-top1", end="estimate") == pytest.approx(float(machine.mean()))
    plain = result.consistent.sel(source="els k=3")  # a network without attention stands beside ELS
    assert found.stated.sel(variant="cnn") == "els k=3"
    assert found.machine.sel(variant="cnn", end="estimate") == pytest.approx(float(plain.mean()))
    assert found.published.sel(variant="cnn-learned") == 0.6403 and found.attrs["network_steps"] == 150


@pytest.mark.slow
def test_strength_zero_is_els(data, source):
    found, result = data("lambda"), source.toy
    els = result.sel(machine="els k=3", network="cnn/seed0/150", source="els k=3").isel(sample=slice(8))
    assert found.consistent.sel(strength=0.0, end="estimate") == pytest.approx(float(els.consistent.mean()))
    assert found.r2.sel(strength=0.0, variant="cnn", end="estimate") == pytest.approx(float(els.r2.median()), abs=1e-3)
    assert found.attrs["network_steps"] == most_steps(result)


@pytest.mark.slow
def test_entropy_falls_from_ln_n_and_the_ideal_score_has_one_source(data):
    found = data("entropy")
    assert_allclose(found.entropy[:, -1], np.log(found.attrs["training_images"]), atol=0.5)
    assert (found.entropy[:, 0] < found.entropy[:, -1]).all()
    assert_array_equal(found.distinct[0], 1)
    assert (found.distinct[1:, 0] > 1).all()


@pytest.mark.slow
def test_attention_maps_are_means_of_attention(data):
    found = data("attention-maps").attention
    assert_allclose(found.sum("attended"), 1.0, atol=1e-5)
    assert_allclose(np.diagonal(found, axis1=-2, axis2=-1), 0.0, atol=1e-7)
    top = found.sel(source="network, top1").values * 8
    assert_allclose(top, np.round(top), atol=1e-5)  # of 8 images, each attends to one pixel


@pytest.mark.slow
def test_context_names_a_pixel_whose_entropy_falls(data):
    found = data("fktb3")
    y, x = found.attrs["pixel_y"], found.attrs["pixel_x"]
    assert found.attention.sum() == pytest.approx(1.0) and found.attention[y, x] == 0.0
    assert found.entropy.sel(machine="attention") < found.entropy.sel(machine="ELS") - 0.5


@pytest.mark.slow
def test_toy_mosaic_is_put_together_from_its_sources(data):
    found = data("fktb2")
    for y in range(found.sizes["y"]):
        for x in range(found.sizes["x"]):
            one = found.isel(y=y, x=x)
            from_image = found.training.sel(used=int(one.image))[:, int(one.source_y), int(one.source_x)]
            assert_array_equal(found.mosaic[:, y, x], from_image)


def test_grid_lays_rows_out():
    rows = [grid.Row("a", np.zeros((3, 1, 4, 2))), grid.Row("b", np.ones((2, 3, 4, 2)), np.array([0.5, 1.0]))]
    found = grid.grid(rows)
    assert found.image.shape == (2, 2, 3, 4, 2) and found.value.values[1].tolist() == [0.5, 1.0]
    assert np.isnan(found.value.values[0]).all() and not found.marked.any()


@pytest.mark.slow
def test_command_writes_one_and_leaves_out_what_it_cannot(source, tmp_path, capsys, monkeypatch):
    assert main(["fktb-table", "fktb4", "--results", str(source.results_folder), "--out", str(tmp_path / "one")]) == 0
    assert len(list((tmp_path / "one").iterdir())) == 6
    assert capsys.readouterr().out.splitlines()[0] == "Written:"
    with xr.open_dataset(tmp_path / "one" / "fktb4.nc", engine="h5netcdf") as found:
        assert found.attrs["caption"] == FIGURES["fktb4"].caption and found.attrs["quick"] == 0
    (tmp_path / "toy").mkdir()
    results.save(source.toy, tmp_path / "toy" / "result.nc")
    few = {name: FIGURES[name] for name in ("kg5", "fktb4", "kg6")}
    monkeypatch.setattr("compare.paper.catalogue.FIGURES", few)
    assert main(["all", "--results", str(tmp_path), "--out", str(tmp_path / "all"), "--quick"]) == 0
    out, err = capsys.readouterr()
    assert "fktb4.pdf" in out and err.count("\n") == 2
    assert err.startswith("python -m compare.figures: left out kg5: --results: found none in ")


def test_without_a_clone_the_runs_of_the_folder_are_drawn(tmp_path, capsys, monkeypatch):
    """What needs no result needs none; a run is given by its folder, or found below runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("compare.paper.source.CLONE", tmp_path / "no-clone")
    assert main(["fktb4", "--out", "a"]) == 0
    assert status(main, ["fktb5", "--out", "b"]) == 2
    assert "--results: found none in runs/*/result.nc" in capsys.readouterr().err
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    results.save(results.load(TOY), tmp_path / "runs" / "mine" / "result.nc")
    assert main(["fktb5", "--out", "b"]) == 0
    assert main(["fktb5", "--out", "c", "--results", str(tmp_path / "runs" / "mine")]) == 0
    assert (tmp_path / "b" / "fktb5.png").read_bytes() == (tmp_path / "c" / "fktb5.png").read_bytes()


@pytest.mark.parametrize("wrong", [[], ["kg99"], ["kg5", "all"], ["kg5"], ["kg4", "--networks", "docs"]])
def test_user_errors_take_one_line(wrong, tmp_path, capsys):
    assert status(main, [*wrong, "--results", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("python -m compare.figures: error: ") and err.count("\n") == 1 and not out


def test_list_and_help(capsys):
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FIGURES)
    assert "--quick" in quick_help("compare.figures")


def test_networks_of_the_toy_set_are_not_image_networks(source):
    assert [name for name, *_ in source.networks()] == ["resnet-0"]
    record = json.loads((source.networks_folder / "resnet-0.json").read_text())
    name, network, images, labels = next(source.networks())
    assert images.shape == (20, 1, SIDE, SIDE) and labels is None and record["config"]["size"] == SIDE
    assert isinstance(network, torch.nn.Module)


def test_networks_whose_images_are_not_at_hand_are_left_out(source, tmp_path, capsys):
    for suffix in (".json", ".safetensors"):
        stem = source.networks_folder / f"resnet-0{suffix}"
        for name in ("here", "gone"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"resnet{suffix}").write_bytes(stem.read_bytes())
    record = json.loads((tmp_path / "gone" / "resnet.json").read_text())
    record["config"]["dataset"] = "npz:nowhere.npz"
    (tmp_path / "gone" / "resnet.json").write_text(json.dumps(record))
    found = replace(source, networks_folder=tmp_path)
    assert [name for name, *_ in found.networks()] == ["here/resnet"]
    assert capsys.readouterr().err.startswith("gone/resnet is left out: ")
    shutil.rmtree(tmp_path / "here")
    with pytest.raises(ValueError, match="--data-dir: found the training images of no network"):
        list(found.networks())
