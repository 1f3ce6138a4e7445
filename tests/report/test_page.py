import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.report.advice import Advice, Finding, Step
from roadshift.report.page import HeatScale, Origin, breakable, luminance, page_html, readable_on
from roadshift.report.views import DomainViews, ShownPrediction
from roadshift.scoring.numbers import percent
from roadshift.scoring.tables import summarize
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")
SOURCES = {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}
NO_KINDS: dict = {"a": {}, "b": {}, "ab": {}}
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
            place = "own domain" if domain in mix else "held out"
            place = "shifted" if domain == "target" else place
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


def test_the_gap_has_the_sign_of_the_summary(parts):
    for sign, word in ((-0.1234, "+12.3"), (0.1234, "−12.3")):
        own = parts.scores["a"]["a"].miou
        parts.change("a", "target", miou=own + sign)
        table = summarize(parts.mix_scores(), SOURCES, "target")
        assert table["a"]["gap"] == pytest.approx(-sign, abs=1e-4)
        html = parts.html()
        assert re.findall(r'class="gap">([^<]*)<', html)[0] == word
        assert "own domains minus its mIoU on target" in Text(html).words


def class_order(html, mix):
    """The rows of a mix's table of classes: each class with what its last cell says."""
    table = html.partition(f'data-of="{mix}"')[2].partition("</table>")[0]
    rows = re.findall(r'</span>([\w<>]+)</th>.*?class="loss">([^<]*)<', table, re.DOTALL)
    return [(name.replace("<wbr>", ""), lost) for name, lost in rows]


def test_classes_are_sorted_by_what_they_lose_and_those_without_come_last(parts):
    names = [*TAXONOMY.classes]
    own: dict[str, float | None] = dict.fromkeys(names, 0.5)
    there: dict[str, float | None] = {
        **dict.fromkeys(names, 0.4),
        names[2]: 0.1,
        names[0]: 0.3,
        names[5]: 0.7,
    }
    own[names[3]] = there[names[4]] = None
    parts.change("a", "a", iou=own)
    parts.change("a", "target", iou=there)
    order = class_order(parts.html(), "a")
    assert [name for name, _ in order][:2] == [names[2], names[0]]
    assert order[0][1] == "+40.0"
    assert order[-3] == (names[5], "−20.0")
    assert order[-2:] == [(names[3], "–"), (names[4], "–")]
    assert len(order) == len(names)


def test_it_says_how_many_images_can_be_chosen_and_which_have_a_prediction(parts):
    views = parts.domains["target"].views
    kept = dict.fromkeys(SOURCES, ShownPrediction("data:image/png;", "data:image/png;"))
    every = [replace(image, predictions=kept) for image in views.images]
    parts.domains["target"] = replace(
        parts.domains["target"], views=replace(views, images=every, total=4)
    )
    text = Text(parts.html()).words
    assert "All 4 test images of target can be chosen." in text
    assert "images of target can be chosen. Not all have a prediction" not in text
    few = [every[0], replace(every[1], predictions={"a": kept["a"]})]
    parts.domains["target"] = replace(
        parts.domains["target"], views=replace(views, images=few, kinds=NO_KINDS)
    )
    text = Text(parts.html()).words
    assert (
        "2 of the 4 test images of target can be chosen, spread evenly. The other 2 are left out, "
        "so that the page stays below 5 MB. Not all have a prediction: the evaluate stage keeps "
        "those of a few images only (b: 1, ab: 1)." in text
    )


def test_a_domain_of_which_no_image_fits_is_said_to_have_none(parts):
    empty = DomainViews(images=[], kinds=NO_KINDS, total=4)
    parts.domains["target"] = replace(parts.domains["target"], views=empty)
    page = Text(parts.html())
    assert "No image of this domain fits into the page." in page.words
    assert not [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]


def article(html):
    return Text(html[html.rindex("<article>") : html.rindex("</article>")]).words


def test_own_images_have_words_of_their_own(parts):
    card = load_card("folder")
    parts.domains["target"] = replace(parts.domains["target"], card=card)
    html = parts.html()
    page = Text(html)
    assert "No training saw an image of target (own images)." in page.words
    assert article(html) == (
        "target own images Read from a folder, and published nowhere: this page shows 4 images of "
        "them to everyone who gets it. Images0 train, 0 val, 4 test"
    )
    assert "(folder)" not in page.words
    # Whoever sees the page need not be the one whose images it shows.
    assert not re.search(r"\byour?\b", page.words.replace("before you rely on it", ""))
    assert "street-scene" not in page.words


def test_a_card_of_a_folder_that_says_more_is_quoted(parts):
    changes = {"name": "mine", "title": "my camera", "publisher": "me", "notes": "in the rain"}
    card = load_card("folder").model_copy(update=changes)
    parts.domains["target"] = replace(parts.domains["target"], card=card)
    html = parts.html()
    assert "No training saw an image of target (mine)." in Text(html).words
    assert article(html).startswith(
        "target mine my cameraRead from a folder, and published nowhere"
    )
    assert article(html).endswith("Publisherme Notesin the rain")


def test_what_a_run_shows_and_what_to_try_are_on_the_page_and_escaped(parts):
    assert "What this run shows" not in parts.html()
    advice = Advice(
        seed=3, findings=[Finding("Gap", HOSTILE)], steps=[Step(HOSTILE, "dvc exp run -S seed=4")]
    )
    html = page_html(
        parts.mix_scores(),
        sources=SOURCES,
        target="target",
        domains=parts.domains,
        taxonomy=TAXONOMY,
        origin=parts.origin,
        confidence_level=0.95,
        advice=advice,
    )
    page = Text(html)
    assert page.tags.count("script") == 2
    assert page.words.count("alert('x')") == 2
    assert "One run, one seed (3)." in page.words
    assert "<code>dvc exp run -S seed=4</code>" in html


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


def test_a_domain_on_joined_classes_says_so_and_which_they_are(parts):
    plain = Text(parts.html()).words
    assert "joined" not in plain.lower()
    for row in parts.scores.values():
        iou = row["b"].iou | {"building": None, "vegetation": None}
        row["b"] = row["b"].model_copy(
            update={"iou": iou, "joined": {"building + vegetation": 0.5}}
        )
    text = Text(parts.html()).words
    assert text.count("4 images, joined classes") == len(parts.scores)
    assert "one class: building + vegetation." in text
    assert embedded(parts.html())["partial"] == {
        name: list(colour) for name, colour in TAXONOMY.partial_colours.items()
    }


def test_no_gap_is_told_from_an_own_domain_on_joined_classes_alone(parts):
    parts.scores["b"]["b"] = parts.scores["b"]["b"].model_copy(
        update={"joined": {"building + vegetation": 0.5}}
    )
    html = parts.html()
    assert re.findall(r'<td class="gap">(.*?)</td>', html).count("–") == 1
