"""The command end to end on the toy result that the project ships."""

import json
from pathlib import Path

import numpy as np
import pytest

from compare.inspect import main
from compare.result import schema as results
from tests.compare.commands import quick_help, status

RESULT = str(Path(__file__).parents[2] / "docs" / "results" / "toy" / "result.nc")


def test_page_and_figure_of_a_sample(tmp_path, capsys):
    out = tmp_path / "three.html"
    assert main([RESULT, "--sample", "3", "--network", "cnn-top1", "--top", "4", "--out", str(out), "--png"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Written:", str(out), str(tmp_path / "three.png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["three.html", "three.png"]
    view = json.loads(out.read_text().split('id="view">')[1].split("</script>")[0])
    assert view["machine"] == "top1 fitted to cnn-top1" and view["network"] == "cnn-top1/seed0/150"
    result = results.load(RESULT).sel(sample=3, machine=view["machine"], network=view["network"])
    assert view["agreement"]["r2"] == pytest.approx(float(result.r2), abs=1e-3)
    assert view["strength"] == result.strength.values.tolist()
    assert view["patchSize"] == result.patch_size.values.tolist()
    assert view["top"] == 4 and len(view["without"]) == 4
    assert "4,096 images of toy, 4 x 2 pixels each" in view["about"] and "ELS with attention" in view["about"]
    apart = float(view["notes"][3].split()[-1].rstrip("."))
    assert apart < 1e-4 and np.isfinite(apart)


def test_default_machine_and_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([RESULT, "--machine", "ideal", "--left-out", "0"]) == 0
    view = json.loads((tmp_path / "sample-0.html").read_text().split('id="view">')[1].split("</script>")[0])
    assert view["machine"] == "ideal" and set(view["patchSize"]) == {0} and view["without"] == []
    assert all(sum(place >= 0 for place in step) == 1 for step in view["coloured"])  # of one image


def test_along_a_networks_trajectory(tmp_path):
    out = tmp_path / "page.html"
    assert main([RESULT, "--sample", "2", "--network", "cnn/seed0/20", "--along", "cnn-0", "--out", str(out)]) == 0
    view = json.loads(out.read_text().split('id="view">')[1].split("</script>")[0])
    assert view["drawnBy"] == "the network" and view["agreement"]["r2"] == pytest.approx(1.0, abs=1e-4)
    assert "Along the trajectory of cnn-0" in view["notes"][3]


@pytest.mark.parametrize("wrong", [
    [RESULT, "--along", "cnn-9"],
    [], [RESULT, "--sample", "64"], [RESULT, "--sample", "40"],
    [RESULT, "--sample", "-1"], [RESULT, "--network", "unet"], ["missing.nc"],
    [RESULT, "--machine", "els k=9"], [RESULT, "--machine", "wiener"], [RESULT, "--top", "0"],
    [RESULT, "--left-out", "-1"], [RESULT, "--out", "no/such/folder/page.html"], [RESULT, "--sample", "three"],
])
def test_user_errors_take_one_line(wrong, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert status(main, wrong) == 2
    out, err = capsys.readouterr()
    assert err.startswith("python -m compare.inspect: error: ") and err.count("\n") == 1 and not out
    assert not list(tmp_path.iterdir())


def test_a_runs_folder_is_its_result(tmp_path):
    out = tmp_path / "page.html"
    assert main([str(Path(RESULT).parent), "--left-out", "0", "--top", "1", "--out", str(out)]) == 0
    view = json.loads(out.read_text().split('id="view">')[1].split("</script>")[0])
    assert view["top"] == 1 and view["network"] in results.load(RESULT).network.values


@pytest.mark.parametrize("run, says", [
    ("attention-toy", "RUN: found no result.nc in "), ("attention-toy/attention.nc", "want a result of compare.run")])
def test_results_without_patches_are_one_line(run, says, capsys):
    assert status(main, [str(Path(RESULT).parents[1] / run)]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_a_result_of_compare_own_asks_for_its_training_images(tmp_path, capsys):
    config = {"dataset": "own", "boundary": "zeros", "conditional": False}
    own = results.load(RESULT).assign_attrs(config_json=json.dumps(config))
    results.save(own, tmp_path / "result.nc")
    out = tmp_path / "page.html"
    assert status(main, [str(tmp_path), "--out", str(out)]) == 2
    assert "--train: got none, want the training images of this result of compare_own" in capsys.readouterr().err
    assert status(main, [str(tmp_path), "--out", str(out), "--train", "toy"]) == 0
    view = json.loads(out.read_text().split('id="view">')[1].split("</script>")[0])
    assert view["images"] and view["machine"] in own.machine.values


def test_help_is_quick():
    assert "--sample 3" in quick_help("compare.inspect")
