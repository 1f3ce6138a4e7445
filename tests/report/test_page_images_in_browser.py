"""The choice of an image on the page, in headless Chromium."""

from dataclasses import replace
from functools import partial

import pytest

from tests.report.browser_page import CONTRASTS, choose, expected, layers_of, opened, sources

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(browser, tmp_path):
    """(html, fragment, **options of the context) -> a page that has loaded, watched for trouble."""
    return partial(opened, browser, tmp_path / "index.html")


def page_image(page, parts, role):
    """The image of a domain that the page says it shows."""
    shown = page.locator("#which").text_content()
    return next(image for image in parts.domains[role].views.images if image.id == shown)


def keep_predictions_of(parts, role, *places):
    """Lets the images of a domain at other places have no prediction."""
    domain = parts.domains[role]
    images = [
        image if place in places else replace(image, predictions={})
        for place, image in enumerate(domain.views.images)
    ]
    parts.domains[role] = replace(domain, views=replace(domain.views, images=images))
    return images


def listed(page):
    """The ids in the list of images, in order."""
    return page.locator("#image option").evaluate_all("all => all.map(each => each.value)")


def test_every_image_can_be_chosen_and_is_drawn_only_then(open_page, parts):
    views = parts.domains["target"].views
    with open_page(parts.html()) as page:
        ranked = sorted(views.images, key=lambda image: -image.mious["ab"])
        assert listed(page) == [image.id for image in ranked]
        for image in views.images:
            page.get_by_label("Any image, by the same mIoU").select_option(image.id)
            assert sources(page) == layers_of(image, "ab")
            assert page.locator("#which").text_content() == image.id
            # Of all images only the chosen one is in the document.
            assert page.locator("img[src]").count() <= 5
            fragment = page.evaluate("location.hash")
            assert {"kind=chosen", f"image={image.id}"} <= {*fragment.lstrip("#").split("&")}
    with open_page(parts.html(), fragment) as page:
        assert sources(page) == layers_of(views.images[-1], "ab")


def test_a_chosen_image_stays_for_another_network(open_page, parts):
    image = parts.domains["target"].views.images[1]
    with open_page(parts.html()) as page:
        page.locator("#image").select_option(image.id)
        choose(page, "mix", "a")
        assert sources(page) == layers_of(image, "a")
        choose(page, "kind", "worst")
        assert sources(page) == expected(parts, "a", "target", "worst")
        assert "image=" not in page.evaluate("location.hash")
        # The worst image is the last of the list, and 'chosen' keeps it.
        assert page.locator("#image").input_value() == listed(page)[-1]
        choose(page, "kind", "chosen")
        assert sources(page) == expected(parts, "a", "target", "worst")
        choose(page, "domain", "b")
        assert page.locator("#which").text_content() == listed(page)[0]


def test_images_are_gone_through_by_keyboard(open_page, parts):
    with open_page(parts.html()) as page:
        choose(page, "kind", "best")
        before, after = (page.get_by_role("button", name=f"Image {n}") for n in ("before", "after"))
        assert before.is_disabled()
        after.focus()
        page.keyboard.press("Enter")
        assert page.locator("#which").text_content() == listed(page)[1]
        before.focus()
        page.keyboard.press("Enter")
        assert page.locator("#which").text_content() == listed(page)[0]
        page.locator("#image").focus()
        page.keyboard.press("End")
        assert page.locator("#which").text_content() == listed(page)[-1]
        assert after.is_disabled()


def test_an_image_without_a_prediction_is_shown_with_its_label(open_page, parts):
    images = keep_predictions_of(parts, "target", 0)
    with open_page(parts.html()) as page:
        page.locator("#image").select_option(images[1].id)
        assert sources(page) == layers_of(images[1], "ab")
        assert page.locator("#unpredicted").is_visible()
        assert "no prediction" in page.locator("#image option:checked").text_content()
        assert page.locator(".layer.right").get_attribute("data-layer") == "label"
        assert page.locator('input[name="right"][value="error"]').is_disabled()
        slider = page.get_by_role("slider", name="Divider between the left and the right layer")
        assert slider.get_attribute("aria-valuetext") == "50 % image, 50 % label"
        stage = page.locator("#stage")
        stage.scroll_into_view_if_needed()
        box = stage.bounding_box()
        page.wait_for_timeout(200)
        page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
        assert page.locator("#here").text_content() == "Label: ignored."
        # What was chosen comes back with the next prediction.
        page.locator("#image").select_option(images[0].id)
        assert page.locator(".layer.right").get_attribute("data-layer") == "prediction"
        assert not page.locator("#unpredicted").is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_what_cannot_be_chosen_can_still_be_read(open_page, parts, theme):
    images = keep_predictions_of(parts, "target", 0)
    with open_page(parts.html(), color_scheme=theme) as page:
        page.locator("#image").select_option(images[1].id)
        assert page.locator('input[name="right"][value="prediction"]').is_checked()
        found = page.evaluate(CONTRASTS)
        assert "prediction" in [text for _, text in found]
        assert [entry for entry in found if entry[0] < 4.5] == []


def test_images_without_a_label_can_be_chosen_too(open_page, parts):
    domain = parts.domains["target"]
    views = replace(
        domain.views,
        images=[replace(i, mious=dict.fromkeys(i.mious)) for i in domain.views.images],
        kinds={mix: {} for mix in domain.views.kinds},
    )
    parts.domains["target"] = replace(domain, views=views)
    with open_page(parts.html()) as page:
        assert page.locator('input[name="kind"]:enabled').count() == 1
        page.locator("#image").select_option(views.images[2].id)
        assert sources(page) == layers_of(views.images[2], "ab")
        assert page.locator("#image option:checked").text_content().startswith("– ")


def test_a_domain_of_which_no_image_fits_breaks_nothing(open_page, parts):
    domain = parts.domains["target"]
    views = replace(domain.views, images=[], kinds={mix: {} for mix in domain.views.kinds})
    parts.domains["target"] = replace(domain, views=views)
    with open_page(parts.html()) as page:
        assert page.locator("#nothing").is_visible()
        assert not page.locator("#stage").is_visible()
        choose(page, "domain", "a")
        assert sources(page) == layers_of(page_image(page, parts, "a"), "ab")
        assert page.locator("#stage").is_visible()
