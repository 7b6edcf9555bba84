"""The inspector's page in a real browser against the dataset that it shows."""

import base64
import json
import time
import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compare.attribution.page import figure
from compare.attribution.page.document import PAGE_BYTES, page
from compare.attribution.page.subject import Subject, last_step_influence
from compare.attribution.trace import inspect_machine, mosaic, shares
from compare.report.plots import PALETTE
from tests.compare.chromium import chromium
from theory import AttentionScore, CosineSchedule, IdealScore, LocalScore

STEPS, H, W = 5, 4, 6
CLASSES = ("<!--<script>", "</script>", "{{view}}")


def subject_of(rng, machine, images, steps=STEPS, **options):
    phi_1 = rng.normal(size=(1, *images.shape[1:])).astype(np.float32)
    found = inspect_machine(machine, phi_1, CosineSchedule(), steps, patch_sizes=[3] * steps).isel(sample=0)
    return Subject(found, images, title="A sample", machine="a machine", **options)


@pytest.fixture(scope="module")
def subject():
    rng = np.random.default_rng(3)
    images = rng.uniform(-1, 1, (30, 3, H, W)).astype(np.float32)
    machine = AttentionScore(images, 3, attention="identity", strength=0.1)
    made = subject_of(rng, machine, images, labels=np.arange(30) % 3, classes=CLASSES, network="cnn/seed0/20",
                      generated=rng.uniform(-1, 1, (3, H, W)), notes=("made <here> & now",))
    return Subject(**{**vars(made), "left_out": last_step_influence(machine, made.found, 4)})


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("downloads")) as driver:
        yield driver


@pytest.fixture(scope="module")
def address(subject, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "sample.html"
    file.write_text(page(subject), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def opened(browser, address):
    """The page, opened anew at its last step."""
    browser.get_log("performance")
    browser.get("about:blank")
    browser.get(address + "#y=1&x=2&step=0")
    wait(lambda: browser.execute_script("return document.body.dataset.ready"))
    return browser


def wait(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "the page did not get ready"
        time.sleep(0.02)
    return value


def rows(browser):
    """(image, y, x, weight) of the listed patches."""
    return browser.execute_script("""return [...document.querySelectorAll("#patches tbody tr")].map((row) =>
        [row.dataset.image, row.dataset.y, row.dataset.x, row.dataset.weight].map(Number))""")


def check_rows(browser, subject, step, y, x):
    found = subject.found.sel(step=step, y=y, x=x)
    listed = np.array(rows(browser))
    for column, name in enumerate(("image", "source_y", "source_x")):
        assert_array_equal(listed[:, column], found[name])
    assert_allclose(listed[:, 3], found.weight, rtol=1e-3, atol=1e-7)
    assert f"row {y}, column {x}" in browser.find_element("id", "pixel-title").text


def click(browser, picture, y, x):
    """Click the middle of a pixel of a picture."""
    from selenium.webdriver import ActionChains

    canvas = browser.find_element("id", f"picture-{picture}")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    across, down = ((place + 0.5) / count - 0.5 for place, count in ((x, W), (y, H)))
    size = canvas.size
    ActionChains(browser).move_to_element_with_offset(
        canvas, round(across * size["width"]), round(down * size["height"])).click().perform()


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


@pytest.mark.slow
def test_no_console_errors_and_no_requests(opened, address):
    click(opened, "sources", 3, 0)
    assert opened.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = {one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith(("data:", "about:"))} <= {address}


@pytest.mark.slow
@pytest.mark.parametrize("picture, y, x", [("phi", 0, 0), ("sources", 3, 5), ("generated", 2, 1)])
def test_a_clicked_pixel_shows_the_patches_that_the_dataset_says(opened, subject, picture, y, x):
    click(opened, picture, y, x)
    check_rows(opened, subject, 0, y, x)
    assert opened.execute_script("return location.hash") == f"#y={y}&x={x}&step=0"
    names = [cell.text for cell in opened.find_elements("css selector", "#patches td.class")]
    assert names == [CLASSES[i % 3] for i in subject.found.sel(step=0, y=y, x=x).image.values]
    here = subject.found.sel(step=0, y=y, x=x)
    assert f"{100 * float(here.mass):.3g} %" in opened.find_element("id", "pixel-facts").text


@pytest.mark.slow
def test_pointing_shows_a_pixel_until_the_pointer_leaves(opened, subject):
    from selenium.webdriver import ActionChains

    ActionChains(opened).move_to_element_with_offset(opened.find_element("id", "picture-x0"), 1, 1).perform()
    check_rows(opened, subject, 0, 2, 3)
    ActionChains(opened).move_to_element(opened.find_element("id", "title")).perform()
    check_rows(opened, subject, 0, 1, 2)


@pytest.mark.slow
def test_keys_move_the_pixel_and_the_step(opened, subject):
    from selenium.webdriver import Keys

    press(opened, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT, ",", ",", ".")
    check_rows(opened, subject, 1, 1, 3)
    press(opened, *[Keys.ARROW_UP] * 9, *[Keys.ARROW_RIGHT] * 9, *"." * 9)
    check_rows(opened, subject, 0, 0, W - 1)


@pytest.mark.slow
def test_the_slider_changes_the_step(opened, subject):
    from selenium.webdriver import Keys

    slider = opened.find_element("id", "step")
    before = opened.find_element("id", "picture-x0").screenshot_as_base64
    slider.send_keys(Keys.HOME)
    check_rows(opened, subject, STEPS - 1, 1, 2)
    assert "t = 1 · σ = 80.2 · k = 3" in opened.find_element("id", "step-facts").text
    assert opened.find_element("id", "picture-x0").screenshot_as_base64 != before
    slider.send_keys(Keys.ARROW_RIGHT)
    check_rows(opened, subject, STEPS - 2, 1, 2)


@pytest.mark.slow
def test_the_hash_is_the_state(opened, subject, address):
    opened.get(address + "#y=3&x=4&step=2")
    wait(lambda: "row 3" in opened.find_element("id", "pixel-title").text)
    check_rows(opened, subject, 2, 3, 4)


@pytest.mark.slow
def test_pictures_have_the_datasets_colours(opened, subject):
    """The middle of each pixel of each canvas, but for those near the outline of the chosen one."""
    colours = opened.execute_script("""
        return Object.fromEntries(PICTURES.map(({ name, canvas }) => [name, [...Array(H * W).keys()].map((p) => {
          const s = canvas.width / W, y = Math.floor(p / W), x = p % W;
          const colour = canvas.getContext("2d").getImageData((x + 0.5) * s, (y + 0.5) * s, 1, 1).data;
          return [...colour].slice(0, 3); })]))""")
    step, best = subject.found.isel(step=0), subject.found.isel(step=0, rank=0)
    for name, image in (("phi", step.phi), ("x0", step.x0), ("drawn", subject.found.drawn),
                        ("mosaic", mosaic(subject.found, subject.images)[0]), ("generated", subject.generated)):
        expected = 127.5 * (np.clip(np.asarray(image), -1, 1) + 1.0)
        assert_allclose(np.array(colours[name]).reshape(H, W, 3), np.moveaxis(expected, 0, -1), atol=0.51)
    largest = shares(subject.found.expand_dims("sample")).image[0, : len(PALETTE)].values
    shown = np.array(colours["sources"]).reshape(H, W, 3)
    for image in np.unique(best.image):
        grey = (np.ptp(shown[best.image.values == image], axis=-1) < 2).all()
        assert grey == (image not in largest)
    assert_allclose(figure.sources(subject, 0) * 255, shown, atol=4)  # print and page agree


@pytest.mark.slow
def test_attention_and_contributors(opened, subject):
    found = subject.found.sel(step=0, y=1, x=2)
    shown = opened.execute_script("return attentionAt(0, 1, 2)")
    assert [(one["y"], one["x"]) for one in shown] == list(zip(found.other_y.values, found.other_x.values))
    assert_allclose([one["weight"] for one in shown], found.attention, rtol=1e-3)
    listed = opened.find_elements("css selector", "#contributors tbody tr")
    assert [int(row.find_elements("tag name", "td")[1].text) for row in listed] == subject.shares.image.values.tolist()
    changes = [row.find_elements("tag name", "td")[4].text for row in listed]
    assert_allclose(np.array(changes[:4], float), subject.left_out.total, rtol=0.06)
    assert set(changes[4:]) == {""}


@pytest.mark.slow
def test_download_holds_the_shown_numbers(opened, subject, tmp_path):
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    opened.find_element("id", "download").click()
    file = tmp_path / "y1-x2-step0.json"
    wait(file.is_file)
    held, found = json.loads(file.read_text()), subject.found.sel(step=0, y=1, x=2)
    assert [patch["image"] for patch in held["pixel"]["patches"]] == found.image.values.tolist()
    assert held["pixel"]["entropy"] == pytest.approx(float(found.entropy), rel=1e-3, abs=1e-6)
    assert held["step"]["sigma"] == float(found.sigma) and held["over_time"]["distinct_images"] == \
        subject.distinct.tolist()
    assert held["network"] == "cnn/seed0/20" and held["notes"] == ["made <here> & now"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500})
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_numbers_beyond_half_precision_reach_the_page(rng):
    """Effective numbers above 65,504 and weights below 6e-5, as they are, to three digits."""
    images = rng.uniform(-1, 1, (3, 1, 4, 5)).astype(np.float32)
    found = inspect_machine(IdealScore(images), rng.normal(size=(1, 1, 4, 5)).astype(np.float32), CosineSchedule(),
                            2).isel(sample=0)
    found["n_eff"] = found.n_eff * 0 + 123_456.0
    found["weight"] = found.weight * 0 + 3.21e-7
    arrays = json.loads(page(Subject(found, images, "a", "b")).split('id="view">')[1].split("</script>")[0])["arrays"]
    for name, wanted in (("effective", 123_456.0), ("weight", 3.21e-7)):
        held = np.frombuffer(zlib.decompress(base64.b64decode(arrays[name]["data"])), dtype=arrays[name]["type"])
        assert_allclose(held, wanted, rtol=5e-4)


def test_no_parts_and_minus_one(rng):
    """Fewer candidates than ranks, one channel, no labels, no network, a machine of whole images."""
    images = rng.uniform(-1, 1, (3, 1, 4, 5)).astype(np.float32)
    phi_1 = rng.normal(size=(1, 1, 4, 5)).astype(np.float32)
    found = inspect_machine(IdealScore(images), phi_1, CosineSchedule(), 2).isel(sample=0)
    text = page(Subject(found, images, title="<b>", machine="ideal"))
    assert "<title>&lt;b&gt;</title>" in text and text.count("</script>") == 2
    view = json.loads(text.split('id="view">')[1].split("</script>")[0])
    assert view["network"] is None and [image["class"] for image in view["images"]] == [None] * 3


def test_a_page_of_32_by_32_and_20_steps_stays_below_3_MB(rng):
    """Of colour noise, which does not compress; the training images with the most weight keep their pictures."""
    images = rng.uniform(-1, 1, (1000, 3, 32, 32)).astype(np.float32)
    made = subject_of(rng, LocalScore(images, 3), images, steps=20, network="a/seed0/20", generated=images[0])
    text = page(made)
    assert len(text.encode()) <= PAGE_BYTES < 3_000_000
    view = json.loads(text.split('id="view">')[1].split("</script>")[0])
    assert 100 < view["pictured"] < 1000
    totals = np.bincount(made.found.image.values.ravel(), made.found.weight.values.ravel(), 1000)
    assert view["images"][0]["id"] == totals.argmax()


def test_subject_refuses_what_does_not_fit(subject):
    fields = vars(subject)
    with pytest.raises(ValueError, match="found: got 1 samples, want one"):
        Subject(**{**fields, "found": subject.found.expand_dims("sample")})
    with pytest.raises(ValueError, match=r"images: got shape .*, want \(N, 3, 4, 6\)"):
        Subject(**{**fields, "images": subject.images[:, :1]})
    with pytest.raises(ValueError, match="generated: got it or network alone"):
        Subject(**{**fields, "network": None})


@pytest.mark.slow
def test_figure_for_print(subject, tmp_path):
    assert figure.save(tmp_path / "sample.png", subject).read_bytes().startswith(b"\x89PNG")
