"""Pictures of results and attributions, and the inspector in a notebook's frame."""

from pathlib import Path

import numpy as np
import pytest

import compare.notebook
from compare.result import schema
from tests.compare.chromium import chromium
from theory import IdealScore

RESULT = Path(__file__).parents[2] / "docs" / "results" / "toy" / "result.nc"


@pytest.fixture(scope="module")
def result():
    return schema.load(RESULT)


def test_a_result_shows_its_samples_and_its_table(result):
    html = result.patchmosaic._repr_html_()
    assert html.startswith('<img alt="" src="data:image/png;base64,') and "12 trained networks and 16 closed" in html
    assert "--verbose" not in html
    labels = [label.get_text() for label in result.patchmosaic.plot(3, "cnn-learned").axes[0].get_yticklabels()]
    assert labels == ["uniform fitted to cnn-learned", "network cnn-learned/seed0/150"]


def test_an_attribution_shows_mosaic_sources_and_entropy(rng):
    images = rng.uniform(-1, 1, (5, 1, 4, 6)).astype(np.float32)
    found = IdealScore(images).attribute(images[:2], 0.1, top=3)
    panels = found.attribution.plot(images, sample=1).axes
    assert [axes.get_title() for axes in panels[:4]] == ["mosaic", "posterior mean", "sources", "entropy (nats)"]
    np.testing.assert_allclose(panels[0].images[0].get_array()[..., 0], (images[1, 0] + 1) / 2, atol=1e-6)
    assert found.attribution._repr_html_().startswith("<img") and "xarray" in found.attribution._repr_html_()


@pytest.mark.slow
def test_the_inspector_runs_in_a_frame(result, tmp_path):
    """As a notebook shows it: sandboxed, by srcdoc, with no address of its own."""
    page = result.patchmosaic.inspect(3, left_out=0, top=2)
    assert isinstance(page, compare.notebook.Page) and page.save(tmp_path / "a.html").read_text() == page.text
    (tmp_path / "cell.html").write_text(f"<!DOCTYPE html><html><body>{page._repr_html_()}</body></html>")
    with chromium(tmp_path) as browser:
        browser.get((tmp_path / "cell.html").as_uri())
        browser.switch_to.frame(0)
        browser.execute_async_script("""const done = arguments[0], look = () => document.body.dataset.ready ? done()
            : setTimeout(look, 20); look()""")
        browser.find_element("css selector", "#strip button").click()
        assert browser.find_element("id", "step-facts").text.startswith("1 of 20")
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
