from dataclasses import replace

import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.more_sources import MiouChange, more_sources
from roadshift.scoring.recipe_result import recipe_result
from roadshift.scoring.recipe_tables import more_sources_parts, recipe_page
from roadshift.scoring.recipes import Recipe
from tests.recipes import SETTINGS, image_matrices, scored_run


def recipe(mix, *hits, seeds=None, prefix="img"):
    """Networks of a mix that is named by its sources, with the share of pixels that each finds."""
    return Recipe(
        "roads",
        tuple(
            scored_run(
                f"roads-s{seed}",
                params={"seed": seed} | {f"mixes.{mix}.{source}": 1 for source in mix},
                matrices={"target": image_matrices((share,) * 3, seed=9, prefix=prefix)},
            )
            for seed, share in zip(seeds or range(len(hits)), hits, strict=True)
        ),
    )


def found(*recipes):
    by_mix = {
        "".join(k.split(".")[2] for k in r.runs[0].params if k.startswith("mixes.")): r
        for r in recipes
    }
    return more_sources(by_mix, settings=SETTINGS)


A, B = recipe("a", 0.5, 0.51, 0.52), recipe("b", 0.7, 0.72, 0.74)
AB = recipe("ab", 0.70, 0.71, 0.72)


def test_a_network_is_compared_with_those_of_some_of_its_sources():
    rows = found(A, B, AB)
    assert [(row.mix, row.than) for row in rows] == [("ab", "a"), ("ab", "b")]
    over_a, over_b = (row.domains["target"] for row in rows)
    mixes = recipe_result({"a": A, "ab": AB}, settings=SETTINGS).mixes
    a, ab = (mixes[mix].domains["target"].miou or 0.0 for mix in ("a", "ab"))
    assert over_a.difference == pytest.approx(ab - a, abs=2e-6)
    assert 0 < over_a.low < over_a.difference < over_a.high
    assert (over_a.verdict, over_b.verdict) == ("better", "not told apart")
    assert over_b.low < 0 < over_b.high


def test_neither_of_two_networks_of_other_sources_has_more():
    assert found(A, B) == []
    assert found(recipe("ab", 0.5), recipe("bc", 0.6)) == []


def test_fewer_sources_may_be_better():
    (row,) = found(recipe("a", 0.8, 0.81, 0.82), recipe("ab", 0.5, 0.51, 0.52))
    assert row.domains["target"].verdict == "worse"


def test_each_subset_of_three_sources_is_a_row():
    rows = found(A, AB, recipe("abc", 0.71, 0.72, 0.73), recipe("c", 0.4, 0.41, 0.42))
    pairs = [("ab", "a"), ("abc", "a"), ("abc", "ab"), ("abc", "c")]
    assert [(row.mix, row.than) for row in rows] == pairs


def test_few_seeds_are_no_verdict():
    (one,) = found(recipe("a", 0.5), recipe("ab", 0.7))
    assert one.domains["target"].verdict == "one run"
    (two,) = found(A, recipe("ab", 0.7, 0.71))
    assert two.domains["target"].verdict == "two runs"


def test_what_is_not_known_is_left_out():
    unknown = replace(A, runs=tuple(replace(run, params=None) for run in A.runs))
    assert more_sources({"a": unknown, "ab": AB}, settings=SETTINGS) == []


def test_other_images_are_refused():
    told = "mix a of roads-s0 and mix ab of roads-s0 were scored on different images of target"
    with pytest.raises(RoadshiftError, match=told):
        found(A, recipe("ab", 0.7, 0.71, 0.72, prefix="other"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ((0.02, 0.005, 0.033, "better"), "+2.0 (+0.5 to +3.3) better"),
        ((-0.02, None, None, ""), "−2.0"),
        ((None, None, None, ""), "–"),
    ],
)
def test_a_change_in_words(change, text):
    keys = ("difference", "low", "high", "verdict")
    assert MiouChange(**dict(zip(keys, change, strict=True))).text == text


def test_the_page_has_a_row_for_each_pair():
    result = recipe_result({"a": A, "b": B, "ab": AB}, settings=SETTINGS)
    (part,) = more_sources_parts(result)
    assert part.heads == ["networks", "target = dusk (6 images)"]
    over_a, over_b = (found.domains["target"].text for found in result.more_sources or [])
    assert part.rows == [["ab − a", over_a], ["ab − b", over_b]]
    assert "95 % interval over seeds and images. " in part.told
    page = recipe_page(result, "roads")
    assert f"## What more sources give\n\n{part.told}\n\n| networks | target" in page
    assert f"| ab − a | {over_a} |\n| ab − b | {over_b} |\n" in page
    assert not [*more_sources_parts(recipe_result({"a": A}, settings=SETTINGS))]


def test_the_interval_of_one_seed_is_over_images():
    one = {"a": recipe("a", 0.5), "ab": recipe("ab", 0.7)}
    (part,) = more_sources_parts(recipe_result(one, settings=SETTINGS))
    assert "95 % interval over images. " in part.told
    assert part.rows[0][1].endswith(" one run")


def test_all_pairs_are_judged_together():
    """The p-value of ab − b is between 0.01 and 0.05: enough beside a clear pair, not for five."""
    close = recipe("ab", 0.755, 0.765, 0.775)
    alone = found(B, close)[0].domains["target"]
    assert alone.verdict == "better"
    assert [row.domains["target"].verdict for row in found(A, B, close)] == ["better"] * 2
    others = [recipe(name, 0.755, 0.765, 0.775) for name in ("abc", "abd", "abe", "abf")]
    rows = {(row.mix, row.than): row.domains["target"] for row in found(B, close, *others)}
    assert rows["ab", "b"] == alone.model_copy(update={"verdict": "not told apart"})


def test_networks_of_the_target_alone_have_no_source():
    params = {"adapt.labelled.target_only": True}
    runs = [
        replace(each, runs=tuple(replace(r, params={**r.params, **params}) for r in each.runs))
        for each in (A, AB)
    ]
    assert found(*runs) == []
