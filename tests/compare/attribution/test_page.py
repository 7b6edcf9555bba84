"""The inspector's page in a real browser against the dataset that it shows."""

import base64
import json
import time
import zlib

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from compare.attribution.influence import redrawn
from compare.attribution.page import figure
from compare.attribution.page.document import PAGE_BYTES, page
from compare.attribution.page.subject import Subject, most_winning
from compare.attribution.trace import inspect_machine, mosaic, winners
from compare.report.plots import rgb
from tests.compare.chromium import accessibility, chromium
from theory import AttentionScore, CosineSchedule, IdealScore, LocalScore

STEPS, H, W = 5, 4, 6
CLASSES = ("<!--<script>", "</script>", "{{view}}")


def subject_of(rng, machine, images, steps=STEPS, **options):
    phi_1 = rng.normal(size=(1, *images.shape[1:])).astype(np.float32)
    found = inspect_machine(machine, phi_1, CosineSchedule(), steps, patch_sizes=[3] * steps, deviation=True)
    without = redrawn(machine, phi_1, CosineSchedule(), most_winning(found.isel(sample=0), 3), steps=steps,
                      patch_sizes=[3] * steps).isel(sample=0)
    return Subject(found.isel(sample=0), images, title="A sample", machine="a machine", without=without, **options)


@pytest.fixture(scope="module")
def subject():
    rng = np.random.default_rng(3)
    images = rng.uniform(-1, 1, (30, 3, H, W)).astype(np.float32)
    machine = AttentionScore(images, 3, attention="identity", strength=0.1)
    return subject_of(rng, machine, images, labels=np.arange(30) % 3, classes=CLASSES, network="cnn/seed0/20",
                      files=[f"images/{i:05}.png" for i in range(30)], generated=rng.uniform(-1, 1, (3, H, W)),
                      notes=("made <here> & now",), about="A closed form of 30 images.")


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
    return browser.execute_script("""return [...document.querySelectorAll("#patches li[data-image]")].map((row) =>
        [row.dataset.image, row.dataset.y, row.dataset.x, row.dataset.weight].map(Number))""")


def check_rows(browser, subject, step, y, x):
    found = subject.found.sel(step=step, y=y, x=x)
    listed = np.array(rows(browser))
    for column, name in enumerate(("image", "source_y", "source_x")):
        assert_array_equal(listed[:, column], found[name])
    assert_allclose(listed[:, 3], found.weight, rtol=1e-3, atol=1e-7)
    assert f"row {y}, column {x}" in browser.find_element("id", "pixel-title").text


def click(browser, canvas, y, x):
    """Click the middle of a pixel of a canvas."""
    from selenium.webdriver import ActionChains

    canvas = browser.find_element("id", canvas)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    across, down = ((place + 0.5) / count - 0.5 for place, count in ((x, W), (y, H)))
    size = canvas.size
    ActionChains(browser).move_to_element_with_offset(
        canvas, round(across * size["width"]), round(down * size["height"])).click().perform()


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def colours(browser, canvas):
    """(H, W, 3): the middle of each pixel of a canvas."""
    found = browser.execute_script("""
        const canvas = document.querySelector(arguments[0]), s = canvas.width / W;
        return [...Array(H * W).keys()].map((p) => [...canvas.getContext("2d").getImageData(
            Math.floor((p % W + 0.5) * s), Math.floor((Math.floor(p / W) + 0.5) * s), 1, 1).data].slice(0, 3))""",
                                   canvas)
    return np.array(found).reshape(H, W, 3)


def shown(image):
    return np.moveaxis(127.5 * (np.clip(np.asarray(image), -1, 1) + 1.0), 0, -1)


@pytest.mark.slow
def test_no_console_errors_and_no_requests(opened, address):
    """From opening through every button of the page."""
    click(opened, "sources", 3, 0)
    opened.execute_script("document.querySelectorAll('button:not(#download)').forEach((button) => button.click())")
    assert opened.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = {one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith(("data:", "about:"))} <= {address}


@pytest.mark.slow
@pytest.mark.parametrize("canvas, y, x", [("picture", 0, 0), ("sources", 3, 5), ("map-departure", 2, 1)])
def test_a_clicked_pixel_shows_the_patches_that_the_dataset_says(opened, subject, canvas, y, x):
    click(opened, canvas, y, x)
    check_rows(opened, subject, 0, y, x)
    assert opened.execute_script("return location.hash") == f"#y={y}&x={x}&step=0&picture=drawn"
    here = subject.found.sel(step=0, y=y, x=x)
    labels = opened.execute_script("return [...document.querySelectorAll('#patches .label')].map((p) => p.textContent)")
    assert labels == [f"{CLASSES[i % 3]} · images/{i:05}.png" for i in here.image.values]
    assert f"{100 * float(here.mass):.3g} %" in opened.find_element("id", "pixel-facts").text


@pytest.mark.slow
def test_winning_patches_are_enlarged_beside_their_place(opened, subject):
    """At least 120 pixels wide; the window's own pixels, and the whole training image, in that order."""
    here = subject.found.sel(step=0, y=1, x=2, rank=0)
    image, y, x = (int(here[name]) for name in ("image", "source_y", "source_x"))
    canvases = opened.find_elements("css selector", "#patches li[data-image]:nth-of-type(3) canvas")
    assert all(canvas.size["width"] >= 120 for canvas in canvases)
    window = opened.execute_script("""
        const canvas = document.querySelector("#patches li[data-image] canvas"), s = canvas.width / 3;
        return [...Array(9).keys()].map((p) => [...canvas.getContext("2d").getImageData(
            Math.floor((p % 3 + 0.5) * s), Math.floor((Math.floor(p / 3) + 0.5) * s), 1, 1).data].slice(0, 3))""")
    for dy, dx in ((-1, 0), (0, 0), (1, 1), (0, -1)):
        if 0 <= y + dy < H and 0 <= x + dx < W:
            wanted = shown(subject.images[image])[y + dy, x + dx]
            assert_allclose(window[(dy + 1) * 3 + dx + 1], wanted, atol=0.51)


@pytest.mark.slow
def test_pointing_shows_a_pixel_until_the_pointer_leaves(opened, subject):
    from selenium.webdriver import ActionChains

    ActionChains(opened).move_to_element_with_offset(opened.find_element("id", "picture"), 5, 5).perform()
    check_rows(opened, subject, 0, 2, 3)
    ActionChains(opened).move_to_element(opened.find_element("id", "title")).perform()
    check_rows(opened, subject, 0, 1, 2)


@pytest.mark.slow
def test_keys_alone_reach_everything(opened, subject):
    """Tab to the pictures, arrows for the pixel, comma and stop for the step; then every button by Tab."""
    from selenium.webdriver import Keys

    for _ in range(9):
        press(opened, Keys.TAB)
        if opened.switch_to.active_element.get_attribute("id") == "pictures":
            break
    press(opened, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_LEFT, ",", ",", ".")
    check_rows(opened, subject, 1, 1, 3)
    press(opened, *[Keys.ARROW_UP] * 9, *[Keys.ARROW_RIGHT] * 9, *"." * 9)
    check_rows(opened, subject, 0, 0, W - 1)
    reached = set()
    for _ in range(100):
        press(opened, Keys.TAB)
        reached.add(opened.switch_to.active_element.id)
    buttons = opened.find_elements("tag name", "button")
    assert len(buttons) > 20 and {button.id for button in buttons} <= reached


@pytest.mark.slow
def test_arrows_outside_the_pictures_scroll(opened, subject):
    from selenium.webdriver import Keys

    opened.find_element("id", "download").send_keys(Keys.ARROW_DOWN)
    check_rows(opened, subject, 0, 1, 2)


@pytest.mark.slow
def test_the_slider_changes_the_step(opened, subject):
    from selenium.webdriver import Keys

    slider = opened.find_element("id", "step")
    opened.find_element("css selector", "[data-picture=x0]").click()
    before = colours(opened, "#picture")
    slider.send_keys(Keys.HOME)
    check_rows(opened, subject, STEPS - 1, 1, 2)
    assert "t = 1 · σ = 80.2 · k = 3" in opened.find_element("id", "step-facts").text
    assert (colours(opened, "#picture") != before).any()
    slider.send_keys(Keys.ARROW_RIGHT)
    check_rows(opened, subject, STEPS - 2, 1, 2)


@pytest.mark.slow
def test_the_strip_plays_and_is_scrubbed(opened, subject):
    """A column a step with its own pictures; Play goes from the noise to the sample and stops there."""
    columns = opened.find_elements("css selector", "#strip button")
    assert [int(column.get_attribute("data-step")) for column in columns] == list(range(STEPS))[::-1]
    for step in (0, STEPS - 1):
        for canvas, values in ((1, subject.found.phi), (2, subject.found.x0)):
            assert_allclose(colours(opened, f"#strip [data-step='{step}'] canvas:nth-of-type({canvas})"),
                            shown(values[step]), atol=0.51)
    columns[0].click()
    check_rows(opened, subject, STEPS - 1, 1, 2)
    assert columns[0].get_attribute("aria-current") == "step"
    play = opened.find_element("id", "play")
    opened.execute_script("""window.seen = []; new MutationObserver(() => seen.push(state.step)).observe(
        document.getElementById("step-facts"), { childList: true })""")
    play.click()
    assert play.text == "Pause"
    wait(lambda: play.text == "Play")
    assert opened.execute_script("return seen") == list(range(STEPS - 1))[::-1]
    check_rows(opened, subject, 0, 1, 2)


@pytest.mark.slow
def test_the_hash_is_the_state(opened, subject, address):
    image = int(winners(subject.found.isel(step=2)).image[1])
    opened.get(f"{address}#y=3&x=4&step=2&picture=mosaic&image={image}")
    wait(lambda: "row 3" in opened.find_element("id", "pixel-title").text)
    check_rows(opened, subject, 2, 3, 4)
    assert opened.find_element("css selector", "[data-picture=mosaic]").get_attribute("aria-pressed") == "true"
    assert f"image {image} wins" in opened.find_element("id", "marked").text


@pytest.mark.slow
def test_pictures_have_the_datasets_colours(opened, subject):
    """The middle of each pixel, but for the letters and the outline of the chosen one; print and page agree."""
    step = subject.found.isel(step=0)
    for name, image in (("phi", step.phi), ("x0", step.x0), ("drawn", subject.found.drawn),
                        ("mosaic", mosaic(subject.found, subject.images)[0]), ("generated", subject.generated),
                        ("without", subject.without.without[0])):
        opened.find_element("css selector", f"[data-picture={name}]").click()
        assert_allclose(colours(opened, "#picture"), shown(image), atol=0.51)
    opened.execute_script("document.body.append(Object.assign(sourcesOf(0), { id: 'plain' }))")
    drawn = colours(opened, "#plain")
    for image in np.unique(step.image.isel(rank=0)):
        grey = (np.ptp(drawn[step.image.isel(rank=0).values == image], axis=-1) < 2).all()
        assert grey == (image not in subject.coloured[0])
    assert_allclose(figure.sources(subject, 0) * 255, drawn, atol=1)


@pytest.mark.slow
def test_borders_stand_where_the_source_changes(opened, subject):
    """Between two pixels of the map it is dark where their best patches are of two images."""
    image = subject.found.image.isel(step=0, rank=0).values
    dark = opened.execute_script("""
        const map = sourceMap(0, 768), s = map.width / W, context = map.getContext("2d");
        return [...Array(H * (W - 1)).keys()].map((p) => [...context.getImageData(
            (p % (W - 1) + 1) * s, Math.floor((Math.floor(p / (W - 1)) + 0.25) * s), 1, 1).data][1] < 90)""")
    assert_array_equal(np.array(dark).reshape(H, W - 1), image[:, 1:] != image[:, :-1])


@pytest.mark.slow
def test_images_are_listed_by_pixels_won_and_marked(opened, subject):
    found = winners(subject.found.isel(step=0))
    listed = np.array(opened.execute_script("""
        return [...document.querySelectorAll("#images tr[data-image]")].map((row) =>
        [row.querySelector(".name").textContent.match(/\\d+/)[0], row.dataset.won, row.dataset.mass].map(Number))"""))
    assert_array_equal(listed[:, 0], found.image)
    assert_allclose(listed[:, 1], found.won)
    assert_allclose(listed[:, 2], found.mass, rtol=1e-3)
    before = colours(opened, "#picture")
    opened.find_element("css selector", "#images tbody tr:nth-child(2) button").click()
    own = subject.found.image.isel(step=0, rank=0).values == int(found.image[1])
    same = (colours(opened, "#picture") == before).all(axis=-1)
    assert same[own].all() and not same[~own].any()
    assert f"wins {own.sum()} pixel" in opened.find_element("id", "marked").text
    press(opened, "\ue00c")  # Esc
    assert_array_equal(colours(opened, "#picture"), before)


@pytest.mark.slow
def test_the_sample_without_an_image_is_shown_beside_its_change(opened, subject):
    cards = opened.find_elements("css selector", "#redrawn article")
    without = subject.without
    assert len(cards) == without.sizes["left_out"] == 3
    for i, card in enumerate(cards):
        assert f"Without image {int(without.left_out[i])} " in card.text
        assert f"moves by {float(without.total[i]):.3g} " in card.text
        assert_allclose(colours(opened, f"#redrawn article:nth-of-type({i + 1}) figure:nth-of-type(2) canvas"),
                        shown(without.without[i]), atol=0.51)
    cards[1].find_element("tag name", "button").click()
    assert f"without image {int(without.left_out[1])}" in opened.find_element("id", "picture-caption").text
    largest = int(without.left_out[int(without.total.argmax("left_out"))])
    assert f"without image {largest}," in opened.find_element("id", "answer-without").text


@pytest.mark.slow
def test_maps_say_how_sure(opened, subject):
    """Beside each map stands its number at the chosen pixel; a larger number is a lighter colour."""
    here = subject.found.sel(step=0, y=1, x=2)
    departs = np.sqrt(((np.clip(subject.found.drawn, -1, 1) - subject.generated) ** 2).sum("channel"))
    wanted = {"entropy": here.entropy, "effective": here.n_eff_images, "departure": departs.sel(y=1, x=2)}
    for name, value in wanted.items():
        shown_ = opened.find_element("id", f"map-{name}").find_element("xpath", "..").text.splitlines()[-1]
        assert float(shown_.removeprefix("here ")) == pytest.approx(float(value), rel=0.01, abs=0.01)
    light = colours(opened, "#map-departure").sum(axis=-1)
    assert_array_equal(np.argsort(light.ravel())[-3:], np.argsort(departs.values.ravel())[-3:])


@pytest.mark.slow
def test_attention_of_the_pixel(opened, subject):
    found = subject.found.sel(step=0, y=1, x=2)
    others = opened.execute_script("return attentionAt(0, 1, 2)")
    assert [(one["y"], one["x"]) for one in others] == list(zip(found.other_y.values, found.other_x.values))
    assert_allclose([one["weight"] for one in others], found.attention, rtol=1e-3)
    assert f"{len(others)} of {H * W - 1} pixels" in opened.find_element("id", "attention").text


@pytest.mark.slow
def test_download_holds_the_shown_numbers(opened, subject, tmp_path):
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    opened.find_element("id", "download").click()
    file = tmp_path / "y1-x2-step0.json"
    wait(file.is_file)
    held, found = json.loads(file.read_text()), subject.found.sel(step=0, y=1, x=2)
    assert [patch["id"] for patch in held["pixel"]["patches"]] == found.image.values.tolist()
    assert held["pixel"]["entropy"] == pytest.approx(float(found.entropy), rel=1e-3, abs=1e-6)
    assert held["step"]["sigma"] == float(found.sigma) and held["over_time"]["distinct_images"] == \
        subject.distinct.tolist()
    assert held["network"] == "cnn/seed0/20" and held["notes"] == ["made <here> & now"]
    assert_allclose([one["total"] for one in held["without"]], subject.without.total, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1600])
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing(opened, width, scheme):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia",
                           {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500})
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        ground = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert accessibility(opened) == []
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_numbers_beyond_half_precision_reach_the_page(rng):
    """Effective numbers above 65,504, as exp(entropy), and weights below 6e-5, as they are, to three digits."""
    images = rng.uniform(-1, 1, (3, 1, 4, 5)).astype(np.float32)
    found = inspect_machine(IdealScore(images), rng.normal(size=(1, 1, 4, 5)).astype(np.float32), CosineSchedule(),
                            2).isel(sample=0)
    found["entropy"] = found.entropy * 0 + np.log(123_456.0)
    found["weight"] = found.weight * 0 + 3.21e-7
    arrays = json.loads(page(Subject(found, images, "a", "b")).split('id="view">')[1].split("</script>")[0])["arrays"]
    for name, wanted, number in (("entropy", 123_456.0, np.exp), ("weight", 3.21e-7, np.asarray)):
        held = np.frombuffer(zlib.decompress(base64.b64decode(arrays[name]["data"])), dtype=arrays[name]["type"])
        assert_allclose(number(held), wanted, rtol=5e-4)


def test_no_parts_and_minus_one(rng):
    """Fewer candidates than ranks, one channel, no labels, no network, a machine of whole images."""
    images = rng.uniform(-1, 1, (3, 1, 4, 5)).astype(np.float32)
    phi_1 = rng.normal(size=(1, 1, 4, 5)).astype(np.float32)
    found = inspect_machine(IdealScore(images), phi_1, CosineSchedule(), 2).isel(sample=0)
    text = page(Subject(found, images, title="<b>", machine="ideal"))
    assert "<title>&lt;b&gt;</title>" in text and text.count("</script>") == 2
    view = json.loads(text.split('id="view">')[1].split("</script>")[0])
    assert view["network"] is None and view["without"] == []
    assert [image["class"] for image in view["images"]] == [None] * 3


def test_a_page_of_32_by_32_and_20_steps_stays_below_3_MB(rng):
    """Of colour noise, which does not compress; the training images with the most weight keep their pictures."""
    images = rng.uniform(-1, 1, (1000, 3, 32, 32)).astype(np.float32)
    made = subject_of(rng, LocalScore(images, 3), images, steps=20, network="a/seed0/20", generated=images[0])
    text = page(made)
    assert len(text.encode()) <= PAGE_BYTES < 3_000_000
    view = json.loads(text.split('id="view">')[1].split("</script>")[0])
    assert 100 < view["pictured"] < 1000
    totals = np.bincount(made.found.image.values.ravel(), made.found.weight.values.ravel(), 1000)
    assert [one["id"] for one in view["images"][:4]][3] == next(
        i for i in np.argsort(-totals) if i not in made.without.left_out)
    assert {one["id"] for one in view["images"][:3]} == set(made.without.left_out.values.tolist())


def test_a_page_of_64_by_64_and_20_steps_names_fewer_patches_and_stays_below_3_MB(rng):
    images = rng.uniform(-1, 1, (12, 3, 64, 64)).astype(np.float32)
    found = inspect_machine(LocalScore(images, 3), rng.normal(size=(1, 3, 64, 64)).astype(np.float32), CosineSchedule(),
                            20, deviation=True).isel(sample=0)
    text = page(Subject(found, images, title="A sample", machine="a machine", network="n", generated=images[0]))
    assert len(text.encode()) <= PAGE_BYTES
    view = json.loads(text.split('id="view">')[1].split("</script>")[0])
    assert 1 <= view["top"] < 8 and view["pictured"] > 0


def test_subject_refuses_what_does_not_fit(subject):
    fields = vars(subject)
    with pytest.raises(ValueError, match="found: got 1 samples, want one"):
        Subject(**{**fields, "found": subject.found.expand_dims("sample")})
    with pytest.raises(ValueError, match=r"images: got shape .*, want \(N, 3, 4, 6\)"):
        Subject(**{**fields, "images": subject.images[:, :1]})
    with pytest.raises(ValueError, match="generated: got it or network alone"):
        Subject(**{**fields, "network": None})


@pytest.mark.slow
def test_figure_for_print(subject, tmp_path, drawn):
    """Columns are steps from the first noise to the last: noisy image, prediction, mosaic, source image."""
    figure.save(tmp_path / "sample.png", subject)
    upper, lower = drawn[0].subfigs
    panels = np.array(upper.axes).reshape(4, -1)
    shown = lambda axes: axes.images[0].get_array()
    for column, step in ((0, -1), (-2, 0)):
        assert panels[0, column].get_title() == f"t = {float(subject.found.t[step]):.2f}"
        assert_allclose(shown(panels[0, column]), rgb(subject.found.phi.values[step]))
        assert_allclose(shown(panels[1, column]), rgb(subject.found.x0.values[step]))
        assert_allclose(shown(panels[2, column]), rgb(subject.mosaic[step]))
    assert_allclose(shown(panels[0, -1]), rgb(subject.found.drawn.values))
    assert_allclose(shown(panels[1, -1]), rgb(subject.generated))
    entropy, images = lower.axes
    assert_allclose(entropy.lines[0].get_ydata(), subject.found.entropy.mean(("y", "x")))
    assert_allclose(images.lines[0].get_ydata(), subject.distinct)
    pixels = np.asarray(Image.open(tmp_path / "sample.png").convert("RGB"))
    assert (pixels != 255).any(axis=-1).mean() > 0.1
