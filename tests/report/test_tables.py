import re

from roadshift.report.tables import (
    Cell,
    class_shares,
    cross_domain_table,
    folded,
    html_table,
    merged_table,
    share_percent,
    shares_sentence,
    transfer_table,
)
from tests.results import domain_scores, mix_scores, transfer_scores


def test_text_is_escaped_and_the_first_column_heads_the_rows():
    table = html_table(["a<b"], [["<i>", Cell("x&y", 1.0, "<note>")]], "A & B")
    assert "<caption>A &amp; B</caption>" in table
    assert '<th scope="col">a&lt;b</th>' in table
    assert '<th scope="row">&lt;i&gt;</th>' in table
    assert "x&amp;y<br><small>&lt;note&gt;</small>" in table


def test_what_is_folded_has_a_line_that_opens_it():
    assert folded("a <b>", "<table></table>") == (
        '<details class="more"><summary>a &lt;b&gt;</summary>\n<table></table>\n\n</details>'
    )


def test_dark_cells_have_light_text():
    light, dark = (html_table(["", ""], [["", Cell("1", shade)]]) for shade in (0.0, 1.0))
    assert "color:#1a1a1a" in light
    assert "color:#ffffff" in dark


def test_the_cross_domain_table_has_intervals_shades_and_gaps():
    scores = {
        "a": mix_scores({"a": domain_scores(0.5, 0.45, 0.55), "target": domain_scores(0.25)}),
        "b": mix_scores({"a": domain_scores(0.4, 0.35, 0.45), "target": domain_scores(None)}),
    }
    table = cross_domain_table(scores, {"a": "a", "b": "b"})
    assert "a = noon (3 images)" in table
    assert "50.0<br><small>45.0 to 55.0</small>" in table
    assert ">25.0</td>" in table
    assert "<td>–</td>" in table
    # The highest is the darkest.
    dark = table.split("50.0<br>")[0].rsplit("background:", 1)[1][:7]
    assert table.count(dark) == 1


def test_adapted_results_stand_in_columns_of_their_own():
    adapted = domain_scores(0.3, adapted={"tent": domain_scores(0.35)})
    scores = {
        "a": mix_scores({"target": adapted}),
        "b": mix_scores({"target": domain_scores(0.2)}),
    }
    table = cross_domain_table(scores, {"a": "a", "b": "b"})
    assert "target, tent (transductive)" in table
    assert table.index("30.0") < table.index("35.0") < table.index("20.0") < table.index("–")


def row(name, universal, pixels, because=""):
    return {
        "split": "test", "class": name, "universal": universal, "pixels": str(pixels),
        "share": "0", "ignored_because": because,
    }  # fmt: skip


AUDITS = {
    "a": [
        row("road", "road", 60),
        row("road", "lane_marking", 20),
        row("sky", "sky", 0),
        row("ignored: static", "static", 20, "no class of its own"),
    ],
    "b": [row("road", "road", 30), row("road", "road", 10), row("sky", "sky", 60)],
}


def test_shares_are_those_of_the_table_with_ignored_pixels_in_the_whole():
    shares = class_shares(AUDITS, ["road", "sky"])
    assert shares == {"a": {"road": 0.8, "sky": 0.0}, "b": {"road": 0.4, "sky": 0.6}}


def test_what_is_merged_and_what_is_ignored_by_name():
    table = merged_table({"road": ["road", "lane_marking"], "sky": ["sky"]}, AUDITS)
    assert '<th scope="row">road</th><td>road, lane_marking</td><td>80.00</td><td>40.00' in table
    assert '<th scope="row">sky</th><td>sky</td><td>0.00</td><td>60.00' in table
    assert "<td>no class of its own</td><td>20.00</td><td>0.00</td>" in table


def test_the_sentence_on_shares_rounds_as_the_table_does():
    shares = class_shares(AUDITS, ["road", "sky"])["b"]
    assert shares_sentence("b", {**shares, "pole": 0.00046}) == (
        "In **b** the rarest class is pole, with 0.05 % of the pixels; the most frequent, "
        "sky, has 60.00 %."
    )
    lacking = shares_sentence("b", {"road": 1.0, "traffic_sign": 0.0, "pole": 0.0})
    assert lacking == (
        "In **b** the rarest class is road, with 100.00 % of the pixels; the most frequent, road, "
        "has 100.00 %. No pixel is labelled as traffic sign, pole."
    )
    assert shares_sentence("b", {"road": 0.0}) == "In **b** no pixel is of a class."
    table = merged_table({"road": ["road"], "sky": ["sky"]}, AUDITS)
    assert f"<td>{share_percent(shares['sky'])}</td>" in table


def test_a_partial_label_has_a_row_with_the_name_that_straddles_its_classes():
    audits = {"c": [row("road or sky", "far_object", 4)]}
    table = merged_table({"road": ["road"], "sky": ["sky"]}, audits)
    assert "<td>far_object</td><td>100.00</td>" in table
    assert ">road or sky<" in table


def test_the_scores_that_may_choose_are_of_held_out_sources_and_val():
    sources = {"a": ["a"], "bc": ["b", "c"]}
    cells = {role: domain_scores(miou) for role, miou in zip("abc", (0.6, 0.4, 0.2), strict=True)}
    means = {"a": (0.3, 0.6), "bc": (0.6, 0.3)}
    html = transfer_table(
        {
            mix: transfer_scores(cells, own, held_out=means[mix][0], val=means[mix][1])
            for mix, own in sources.items()
        },
        {"a": "a", "bc": "b and c"},
    )
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    texts = [re.findall(r"<t[hd][^>]*>([^<]*)<", row) for row in rows]
    assert texts == [
        [
            "trained on",
            *(f"{role} held out = noon (3 images of train and val)" for role in "abc"),
            "held out, mean",
            "val of its own sources, mean",
        ],
        ["a", "", "40.0", "20.0", "30.0", "60.0"],
        ["b and c", "60.0", "", "", "60.0", "30.0"],
    ]
