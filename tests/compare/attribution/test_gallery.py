"""The gallery of a run: its pages are made once, side by side or not, and its index sorts what the dataset says."""

import json
from pathlib import Path

import numpy as np
import pytest

from compare.inspect import main
from compare.report.plots import save_figure
from compare.result import schema
from compare.result.choose import machine_beside
from tests.compare.chromium import accessibility, chromium
from tests.compare.commands import status

RESULT = Path(__file__).parents[3] / "docs" / "results" / "toy" / "result.nc"
SAMPLES = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three samples, with its table and a figure."""
    folder = tmp_path_factory.mktemp("run")
    result = schema.load(RESULT).isel(sample=slice(SAMPLES))
    schema.write(result.assign_attrs(images_kept=SAMPLES), folder / "result.nc")
    (folder / "table.txt").write_text("a <table>\n")
    (folder / "figures").mkdir()
    save_figure(folder / "figures" / "one.png", lambda figure: figure.subplots(), (1, 1))
    return folder


@pytest.fixture(scope="module")
def gallery(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("gallery") / "made" / "here"
    assert main([str(run), "--all", "--left-out", "0", "--jobs", "1", "--out", str(out)]) == 0
    return out


def made_now(run, out, capsys, *options):
    assert main([str(run), "--all", "--left-out", "0", "--jobs", "1", "--out", str(out), *options]) == 0
    said = capsys.readouterr().out
    assert f"and {SAMPLES} pages" in said and "kB a sample" in said
    return int(said.split(" pages, ")[1].split(" of them")[0])


def test_pages_that_are_there_are_left(run, gallery, capsys):
    """One is gone, one was torn, one was made with other options."""
    assert {path.name for path in gallery.iterdir()} == {"index.html", *(f"sample-{i}.html" for i in range(SAMPLES))}
    before = {path: path.stat().st_mtime_ns for path in gallery.glob("sample-*")}
    assert made_now(run, gallery, capsys) == 0
    assert {path: path.stat().st_mtime_ns for path in gallery.glob("sample-*")} == before
    (gallery / "sample-1.html").unlink()
    (gallery / "sample-2.html").write_text("<!DOCTYPE html>")
    assert made_now(run, gallery, capsys) == 2
    assert made_now(run, gallery, capsys, "--top", "7") == SAMPLES
    assert made_now(run, gallery, capsys) == SAMPLES


@pytest.mark.slow
def test_two_processes_make_the_same_pages(run, gallery, tmp_path):
    assert main([str(run), "--all", "--left-out", "0", "--jobs", "2", "--out", str(tmp_path)]) == 0
    for page in gallery.glob("*.html"):
        assert (tmp_path / page.name).read_bytes() == page.read_bytes()


@pytest.mark.parametrize("more", [["--sample", "1"], ["--png"], ["--along", "cnn-0"]])
def test_what_is_of_one_sample_is_refused(run, more, tmp_path, capsys):
    assert status(main, [str(run), "--all", "--out", str(tmp_path / "gallery"), *more]) == 2
    assert f"{more[0]}: got it with --all, want it for one sample" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("downloads")) as driver:
        yield driver


@pytest.fixture
def opened(browser, gallery):
    browser.get((gallery / "index.html").as_uri())
    browser.execute_async_script("""const done = arguments[0], look = () => document.body.dataset.ready ? done()
        : setTimeout(look, 20); look()""")
    return browser


def columns(browser):
    return [int(link.text) for link in browser.find_elements("css selector", "#grid thead a")]


def choose(browser, name, text):
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("id", name)).select_by_visible_text(text)


@pytest.mark.slow
def test_sorted_by_what_the_dataset_says(opened, run):
    result = schema.load(run / "result.nc")
    network = "cnn/seed0/150"
    beside = machine_beside(result, network)
    assert columns(opened) == list(range(SAMPLES))
    choose(opened, "by", "r2")
    choose(opened, "of", "ideal")
    r2 = result.r2.sel(machine="ideal", network=network).values
    assert columns(opened) == np.argsort(-r2, kind="stable").tolist()
    assert [small.text for small in opened.find_elements("css selector", "#grid thead small")] == [
        f"{value:.2f}" for value in sorted(r2)[::-1]]
    opened.find_element("id", "falling").click()
    assert columns(opened) == np.argsort(r2, kind="stable").tolist()
    choose(opened, "by", "consistent")
    choose(opened, "of", "cnn-learned/seed1/150")
    flags = result.consistent.sel(source="cnn-learned/seed1/150").values.astype(int)
    assert columns(opened) == np.argsort(flags, kind="stable").tolist()
    rows = [row.text for row in opened.find_elements("css selector", "#grid tbody th")]
    assert rows[0] == network and rows[-1] == result.machine.values[-1] and beside in rows


@pytest.mark.slow
def test_pictures_are_those_of_the_result(opened, run):
    """Of a made network and a machine, in their places after sorting; the toy images' pixels as they are."""
    result = schema.load(run / "result.nc")
    shown = opened.execute_script("""
        return [...document.querySelectorAll("#grid tbody tr")].map((row) => [row.cells[0].textContent,
          [...row.cells[2].firstChild.getContext("2d").getImageData(0, 0, W, H).data].filter((_, i) => i % 4 < 3)])""")
    for name, pixels in (shown[0], shown[-1]):
        images = result.generated.sel(network=name) if name in result.network else result.predicted.sel(machine=name)
        wanted = 127.5 * (np.clip(np.moveaxis(images.values[1], 0, -1), -1, 1) + 1.0)
        np.testing.assert_allclose(pixels, wanted.ravel(), atol=0.51)


@pytest.mark.slow
def test_samples_are_linked_and_nothing_is_fetched(opened, gallery):
    assert opened.find_element("tag name", "pre").text == "a <table>"
    assert len(opened.find_elements("css selector", "#figures img")) == 1
    opened.find_elements("css selector", "#grid thead a")[1].click()
    assert opened.current_url.split("#")[0].endswith("sample-1.html")
    links = {link.get_attribute("rel"): link.get_attribute("href").split("/")[-1]
             for link in opened.find_elements("css selector", "#links a")}
    assert links == {"index": "index.html", "prev": "sample-0.html", "next": "sample-2.html"}
    assert opened.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = {one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"}
    assert all(url.startswith(("data:", "about:", gallery.as_uri())) for url in urls)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1600])
def test_the_index_fits_and_axe_finds_nothing(opened, width, scheme):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500})
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        assert accessibility(opened) == []
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
