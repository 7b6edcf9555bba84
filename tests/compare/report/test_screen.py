"""One screen of a result: its size, its numbers, and what it says."""

import json
from pathlib import Path

import pytest

from compare.report.screen import COLUMNS, EXPLAINED, LINES, as_json, rows, screen
from compare.result import summary
from tests.compare.synthetic_results import image_result, toy_result

FILES = {"table": Path("runs/a/table.txt"), "numbers": Path("runs/a/summary.csv"), "dataset": Path("runs/a/result.nc"),
         "figures": Path("runs/a/figures"), "gallery": "patchmosaic inspect runs/a --all --out runs/a/gallery"}


@pytest.fixture(scope="module")
def toy():
    return toy_result()


@pytest.mark.parametrize("explain", [False, True])
@pytest.mark.parametrize("make", [toy_result, image_result])
def test_fits_25_lines_of_100_columns(make, explain):
    lines = screen(make(), FILES, quick=True, explain=explain).splitlines()
    assert len(lines) <= LINES == 25 and max(map(len, lines)) <= COLUMNS == 100


def test_many_networks_with_long_names_fit_too(toy, monkeypatch):
    (row,) = rows(toy)
    many = [row._replace(network=f"{'x' * 40}{i}", best="y" * 60) for i in range(9)]
    monkeypatch.setattr("compare.report.screen.rows", lambda dataset: many)
    lines = screen(toy, FILES, quick=True, explain=True).splitlines()
    assert len(lines) <= LINES and max(map(len, lines)) <= COLUMNS and "and 3 more in the table" in lines


def test_rows_are_the_summarys_numbers(toy):
    (row,) = rows(toy)
    assert row.best == "uniform k=3 lambda=0.1"
    assert row.r2 == summary.machine_agreement(toy, "r2", row.best, "cnn")
    assert row.ceiling == summary.seed_ceiling(toy, "r2", "cnn") and not row.by_steps
    assert row.rate == summary.rate(toy, "consistent", summary.networks_of(toy, "cnn"))
    line = next(line for line in screen(toy, FILES, quick=False).splitlines() if line.startswith("cnn "))
    numbers = [row.rate, row.r2, row.ceiling, row.els, row.ideal]
    assert line.split()[1:2] + line.split()[-4:] == [f"{one.estimate:.2f}" for one in numbers]


def test_a_single_training_has_the_ceiling_of_its_own_steps():
    by_name = {row.network: row for row in rows(image_result())}
    assert by_name["resnet-identity"].by_steps and not by_name["resnet"].by_steps
    text = screen(image_result(), FILES, quick=False)
    assert f"~{by_name['resnet-identity'].ceiling.estimate:.2f}" in text and "consistent" not in text


def test_says_what_came_out_and_where_it_lies(toy):
    text = screen(toy, FILES, quick=False)
    assert text.startswith("2 trained networks and 8 closed forms drew 40 images each, from the same noise.")
    assert all(str(path) in text for path in FILES.values()) and "look" not in text
    assert "This is a look (--quick)" in screen(toy, FILES, quick=True)
    better = toy.copy()
    better["r2"] = toy.r2.where(toy.machine != "els fitted to cnn", 0.99)
    worse = toy.copy()
    worse["r2"] = toy.r2.where(toy.machine != "els fitted to cnn", 0.01)
    assert "For the network a formula that pieces patches together" in screen(better, FILES, quick=False)
    assert "For no network a formula" in screen(worse, FILES, quick=False)


def test_explains_every_column(toy):
    text = screen(toy, FILES, quick=False, explain=True)
    assert all(f"{name}: {said}" in text for name, said in EXPLAINED.items())


def test_json_has_the_numbers_with_intervals(toy):
    held, (row,) = json.loads(as_json(toy, FILES, quick=True)), rows(toy)
    assert held["quick"] is True and held["samples"] == 40 and held["files"]["table"] == "runs/a/table.txt"
    (one,) = held["networks"]
    assert one["best"] == row.best and one["r2"] == dict(zip(("estimate", "low", "high"), row.r2[:3]))
