"""The page in headless Chromium, as a person uses it."""

from dataclasses import replace
from functools import partial

import pytest
from PIL import Image

from tests.report.browser_page import CONTRASTS, choose, expected, opened, sources

pytestmark = pytest.mark.browser

SIZES = {"phone": (360, 740), "desktop": (1440, 900)}


@pytest.fixture
def open_page(browser, tmp_path):
    """(html, fragment, **options of the context) -> a page that has loaded, watched for trouble."""
    return partial(opened, browser, tmp_path / "index.html")


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
        assert page.locator("input:visible, select:visible").count() == 0


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
