import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from roadshift.report.page import HeatScale, Origin, breakable, luminance, readable_on
from roadshift.scoring.numbers import percent

HOSTILE = """</script><script>alert('x')</script><img src=x onerror=alert(1)>"'&<!-- {{ 7 * 7 }}"""


class Text(HTMLParser):
    """The elements of a page, and the text in each of its table's cells."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.text += " " if tag in ("td", "th") else ""
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_data(self, data):
        self.text += data

    @property
    def words(self):
        return " ".join(self.text.split())


def embedded(html):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_every_cell_has_its_score_interval_and_count(parts):
    text = Text(parts.html()).words
    for mix, row in parts.scores.items():
        for domain, cell in row.items():
            low, high = percent(cell.miou_low), percent(cell.miou_high)
            place = "own domain" if domain in mix else "shifted"
            assert f"{percent(cell.miou)} {low} to {high} 4 images {place}" in text


def test_the_same_arguments_give_the_same_bytes(parts):
    assert parts.html() == parts.html()


def test_nothing_is_loaded_and_only_the_pages_own_script_may_run(parts):
    page = Text(parts.html())
    [policy] = [v for _, _, v in page.attributes if v and v.startswith("default-src")]
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", policy)
    loads = [(tag, name, value) for tag, name, value in page.attributes if name == "src"]
    assert loads
    assert all(tag == "img" and value.startswith("data:image/") for tag, _, value in loads)
    assert [v for tag, name, v in page.attributes if (tag, name) == ("link", "href")] == ["data:,"]


def test_a_class_that_the_labels_lack_is_said_to_be_absent(parts):
    assert parts.scores["ab"]["a"].classes_absent == ["fence"]
    assert "fence" not in parts.scores["ab"]["b"].classes_absent
    text = Text(parts.html()).words
    cell = percent(parts.scores["ab"]["b"].iou["fence"])
    assert f"fence absent {cell}" in text


def test_a_domain_without_any_score_is_shown_as_such(parts):
    for mix in parts.scores:
        parts.change(mix, "target", miou=None, miou_low=None, miou_high=None)
    assert "– no interval 4 images shifted" in Text(parts.html()).words


def test_adapted_scores_stand_apart_and_only_where_there_are_some(parts):
    assert "Transductive" not in parts.html()
    cell = parts.scores["ab"]["target"]
    adapted = cell.model_copy(update={"miou": cell.miou + 0.0312})
    parts.change("ab", "target", adapted={"adabn": adapted})
    text = Text(parts.html()).words
    assert "Transductive on every domain, sources included" in text
    assert f"ab, adabn – – {percent(cell.miou + 0.0312)} +3.1" in text


def test_it_says_what_training_saw_of_the_target(parts):
    assert "No training saw an image of target (synthetic_dusk)." in Text(parts.html()).words
    parts.target_images = {"b": {"labelled": 1}, "ab": {"labelled": 5, "unlabelled": 9}}
    text = Text(parts.html()).words
    assert "No training saw" not in text
    assert "b saw 1 labelled image (supervised); ab saw " in text
    expected = "5 labelled images (supervised) and 9 unlabelled images (unsupervised adaptation)."
    assert expected in text


def test_it_says_what_it_is_of(parts):
    text = Text(parts.html()).words
    assert f"git log --all -S{'0f' * 16} -- dvc.lock" in text
    assert "seed: 0" in text
    for domain in parts.domains.values():
        assert domain.card.licence in text
        assert " ".join(domain.card.title.split()) in text


def test_hostile_names_stay_text(parts):
    tame = Text(parts.html())
    domain = parts.domains["target"]
    card = domain.card.model_copy(
        update=dict.fromkeys(("name", "title", "publisher", "licence", "citation"), HOSTILE)
        | {"homepage": "javascript:alert(1)", "notes": HOSTILE}
    )
    images = [replace(each, id=f"{HOSTILE}{k}") for k, each in enumerate(domain.views.images)]
    parts.domains["target"] = replace(domain, card=card, views=replace(domain.views, images=images))
    parts.origin = Origin(HOSTILE, {HOSTILE: HOSTILE}, {HOSTILE: HOSTILE})
    html = parts.html()
    page = Text(html)
    own = [tag for tag in page.tags if tag not in ("wbr", "dt", "dd")]
    # A card with notes and a home has these, too, and no other elements.
    assert own == [tag for tag in tame.tags if tag not in ("wbr", "dt", "dd")]
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "javascript:alert(1)" not in [v for _, name, v in page.attributes if name == "href"]
    assert page.words.count("alert('x')") > 6
    shown = embedded(html)["domains"]["target"]["images"]
    assert [image["id"] for image in shown] == [image.id for image in images]


@pytest.mark.parametrize(
    ("shares", "low", "high"),
    [
        ([0.284, 0.58], 20, 60),
        ([0.3, None], 30, 40),
        ([0.7], 70, 80),
        ([1.0], 90, 100),
        ([None], 0, 100),
    ],
)
def test_the_scale_spans_whole_tens(shares, low, high):
    scale = HeatScale.over(shares)
    assert (scale.low, scale.high) == (low, high)


def test_text_on_every_shade_has_the_contrast_of_wcag_aa():
    scale = HeatScale(0, 100)
    for share in np.linspace(0, 1, 101):
        colour = scale.colour(float(share))
        text = luminance((0, 0, 0) if readable_on(colour) == "#000000" else (255, 255, 255))
        lighter, darker = sorted((luminance(colour), text), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_lightness_rises_with_the_share():
    scale = HeatScale(0, 100)
    shades = [luminance(scale.colour(k / 100)) for k in range(101)]
    assert shades == sorted(shades)


def test_luminance_is_that_of_wcag():
    assert luminance((255, 255, 255)) == pytest.approx(1)
    # 128 / 255 is 0.2159 linear.
    assert luminance((128, 128, 128)) == pytest.approx(0.2159, abs=1e-4)
    assert luminance((255, 0, 0)) == pytest.approx(0.2126)


def test_a_name_may_be_broken_and_is_escaped():
    assert breakable("a_b/<c>") == "a_<wbr>b/<wbr>&lt;c&gt;"
