"""The page in headless Chromium, as a person uses it."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from PIL import Image

pytestmark = pytest.mark.browser

SIZES = {"phone": (360, 740), "desktop": (1440, 900)}


@pytest.fixture
def open_page(browser, tmp_path):
    """(html, fragment, **options of the context) -> a page that has loaded, watched for trouble."""

    @contextmanager
    def opened(html, fragment="", **options):
        file = tmp_path / "index.html"
        file.write_text(html, "utf-8")
        context = browser.new_context(**options)
        page = context.new_page()
        trouble, requests = [], []
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        try:
            page.goto(f"{file.as_uri()}{fragment}")
            yield page
            assert trouble == []
            left = [url for url in requests if not url.startswith(("data:", "blob:"))]
            assert {url.partition("#")[0] for url in left} == {file.as_uri()}
        finally:
            context.close()

    return opened


def choose(page, name, value):
    page.locator(f'label:has(input[name="{name}"][value="{value}"])').click()


def sources(page):
    """By layer, what it shows."""
    return {
        layer: page.locator(f'img[data-source="{layer}"]').last.get_attribute("src")
        for layer in ("image", "label", "prediction", "error")
    }


def expected(parts, mix, domain, kind):
    views = parts.domains[domain].views
    [shown] = [each for each in views.predictions[mix] if each.kind == kind]
    image = views.images[shown.image]
    return {
        "image": image.image,
        "label": image.label,
        "prediction": shown.prediction,
        "error": shown.error,
    }


def test_it_starts_with_both_sources_on_the_target(open_page, parts):
    with open_page(parts.html()) as page:
        assert sources(page) == expected(parts, "ab", "target", "median")
        assert page.locator("a[aria-current=true]").count() == 1
        assert page.locator("table.bars:visible").count() == 1


def test_mix_domain_and_sample_are_chosen_and_stand_in_the_hash(open_page, parts):
    with open_page(parts.html()) as page:
        choose(page, "mix", "b")
        choose(page, "domain", "a")
        choose(page, "kind", "worst")
        assert sources(page) == expected(parts, "b", "a", "worst")
        current = page.locator("a[aria-current=true]")
        assert current.get_attribute("data-mix") == "b"
        assert current.get_attribute("data-domain") == "a"
        assert page.locator("table.bars:visible").get_attribute("data-of") == "b"
        fragment = page.evaluate("location.hash")
        assert {"mix=b", "domain=a", "kind=worst"} <= {*fragment.lstrip("#").split("&")}
    with open_page(parts.html(), fragment) as page:
        assert sources(page) == expected(parts, "b", "a", "worst")


def test_a_link_of_another_run_opens_what_there_is(open_page, parts):
    with open_page(parts.html(), "#mix=c&domain=b&kind=__proto__&left=%22%3E") as page:
        assert sources(page) == expected(parts, "ab", "b", "median")


def test_a_cell_leads_to_its_images_and_back_leads_back(open_page, parts):
    with open_page(parts.html()) as page:
        choose(page, "kind", "best")
        page.locator('a[data-mix="a"][data-domain="b"]').click()
        page.wait_for_function("document.querySelector('input[value=b][name=domain]').checked")
        assert sources(page) == expected(parts, "a", "b", "best")
        page.go_back()
        page.wait_for_function("document.querySelector('input[value=target]').checked")
        assert sources(page) == expected(parts, "ab", "target", "best")


def shares(page):
    """The share of the width that the left and the right layer show."""
    left, right = (
        page.locator(f".layer.{side}").evaluate("e => getComputedStyle(e).clipPath")
        for side in ("left", "right")
    )
    return left, right


def test_the_divider_moves_by_keyboard(open_page, parts):
    with open_page(parts.html()) as page:
        slider = page.get_by_role("slider", name="Divider between the left and the right layer")
        slider.focus()
        assert slider.get_attribute("aria-valuetext") == "50 % image, 50 % prediction"
        for _ in range(10):
            page.keyboard.press("ArrowLeft")
        assert slider.get_attribute("aria-valuetext") == "40 % image, 60 % prediction"
        assert shares(page)[1] == "inset(0px 0px 0px 40%)"
        page.keyboard.press("Home")
        assert slider.input_value() == "0"
        page.keyboard.press("End")
        assert shares(page)[1] == "inset(0px 0px 0px 100%)"


def test_the_divider_is_dragged_on_the_image_which_reads_out_classes(open_page, parts):
    with open_page(parts.html()) as page:
        stage = page.locator("#stage")
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2, steps=3)
        page.mouse.up()
        assert page.locator("#reveal").input_value() == "25"
        page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
        # The leftmost eight columns of every label are ignored.
        said = page.locator("#here").text_content()
        assert said.startswith("Label: ignored. Prediction: ")
        assert said.removesuffix(".").split(": ")[-1] in parts.scores["ab"]["a"].iou
        # And it does not move when it is not dragged.
        assert page.locator("#reveal").input_value() == "25"


def test_layers_are_chosen_by_arrow_keys(open_page, parts):
    with open_page(parts.html()) as page:
        page.locator('input[name="right"][value="prediction"]').focus()
        page.keyboard.press("ArrowRight")
        assert page.locator(".layer.right").get_attribute("data-layer") == "error"
        choose(page, "left", "label")
        visible = page.locator(".layer").evaluate_all(
            "all => all.filter(e => getComputedStyle(e).visibility === 'visible')"
            ".map(e => e.dataset.layer)"
        )
        assert visible == ["label", "error"]
        choose(page, "left", "error")
        assert page.locator(".layer.left").evaluate("e => getComputedStyle(e).clipPath") == "none"


def test_a_class_is_seen_alone(open_page, parts):
    with open_page(parts.html()) as page:
        before = sources(page)
        button = page.get_by_role("button", name="road")
        button.focus()
        page.keyboard.press("Enter")
        assert button.get_attribute("aria-pressed") == "true"
        page.wait_for_function(
            "old => document.querySelector('img[data-source=label]').src !== old",
            arg=before["label"],
        )
        colours = page.evaluate(
            """async () => {
              const image = document.querySelector('img[data-source=prediction]');
              await image.decode();
              const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
              const context = canvas.getContext('2d');
              context.drawImage(image, 0, 0);
              const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
              const seen = new Set();
              for (let k = 0; k < data.length; k += 4) seen.add(data.slice(k, k + 3).join());
              return [...seen].sort();
            }"""
        )
        assert set(colours) <= {"128,64,128", "238,238,238", "24,24,24"}
        assert len(colours) == 2 or colours == ["24,24,24"]
        page.keyboard.press("Enter")
        page.wait_for_function(
            "old => document.querySelector('img[data-source=label]').src === old",
            arg=before["label"],
        )
        assert sources(page) == before


def test_the_theme_follows_the_system_until_one_is_chosen(open_page, parts):
    paper = "getComputedStyle(document.body).backgroundColor"
    with open_page(parts.html(), color_scheme="dark") as page:
        dark = page.evaluate(paper)
        choose(page, "theme", "light")
        light = page.evaluate(paper)
        assert light != dark
        page.reload()
        assert page.evaluate(paper) == light
    with open_page(parts.html(), color_scheme="light") as page:
        assert page.evaluate(paper) == light
        choose(page, "theme", "dark")
        assert page.evaluate(paper) == dark


CONTRASTS = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = (rgb) => {
    const [r, g, b] = rgb.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const under = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const [r, g, b, alpha = 1] = channels(getComputedStyle(e).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const shown = texts.currentNode.data.trim() && element.checkVisibility();
    if (!shown || element.closest("#stage")) continue;
    const pair = [channels(getComputedStyle(element).color), under(element)].map(luminance);
    const [darker, lighter] = pair.sort((x, y) => x - y);
    found.push([(lighter + 0.05) / (darker + 0.05), texts.currentNode.data.trim()]);
  }
  return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_has_the_contrast_of_wcag_aa(open_page, parts, theme):
    with open_page(parts.html(), color_scheme=theme) as page:
        for details in page.locator("details").all():
            details.locator("summary").click()
        found = page.evaluate(CONTRASTS)
        assert len(found) > 100
        assert [entry for entry in found if entry[0] < 4.5] == []


def test_everything_that_can_be_operated_has_a_name(open_page, parts):
    with open_page(parts.html()) as page:
        tree = page.locator("body").aria_snapshot()
        for name in ("Theme", "Trained on", "Shown on", "Left", "Right"):
            assert f'group "{name}"' in tree
        nameless = [
            line.strip()
            for line in tree.splitlines()
            if line.strip().lstrip("- ").rstrip(":")
            in ("link", "button", "radio", "slider", "group", "table", "img")
        ]
        assert nameless == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_fits_phone_and_desktop_in_both_themes(open_page, parts, tmp_path, theme, size):
    cell = parts.scores["ab"]["target"]
    parts.change("ab", "target", adapted={"adabn": cell, "tent": cell})
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    with open_page(parts.html(), color_scheme=theme, viewport=viewport) as page:
        for details in page.locator("details").all():
            details.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        file = tmp_path / f"{size}-{theme}.png"
        page.screenshot(path=file, full_page=True)
        with Image.open(file) as shot:
            assert shot.width == width
            # Both themes show more than paper, and the paper is theirs.
            red, green, blue = shot.convert("RGB").getpixel((2, 2))
            assert (red + green + blue > 600) == (theme == "light")


def test_without_javascript_one_sample_and_all_tables_are_there(open_page, parts):
    with open_page(parts.html(), java_script_enabled=False) as page:
        assert page.locator("table.bars:visible").count() == 3
        assert page.locator("figure:visible").count() == 4
        assert page.locator("input:visible").count() == 0


def test_hostile_names_are_shown_and_do_nothing(open_page, parts):
    hostile = "</script><script>document.title='gotcha'</script><img src=x onerror=alert(1)>"
    domain = parts.domains["target"]
    images = [replace(each, id=f"{hostile}{k}") for k, each in enumerate(domain.views.images)]
    card = domain.card.model_copy(update={"name": hostile})
    parts.domains["target"] = replace(domain, card=card, views=replace(domain.views, images=images))
    with open_page(parts.html()) as page:
        choose(page, "kind", "best")
        assert hostile in page.locator("#which").text_content()
        assert hostile in page.title()
