from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import paired_bootstrap
from roadshift.scoring.comparison import (
    TRANSDUCTIVE,
    Variant,
    _cell,
    compare_two,
    compare_variants,
    comparison_rows,
    comparison_table,
)
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings
from roadshift.scoring.verdicts import holm, seeds_apart

SETTINGS = EvaluateSettings(bootstrap_samples=200)


def images(hits, ids="abcd", pixels=100):
    """Images of one class, `hits` of whose pixels are found: its IoU is their share."""
    matrices = np.zeros((len(hits), 2, 2), np.int64)
    matrices[:, 0, 0] = hits
    matrices[:, 0, 1] = pixels - matrices[:, 0, 0]
    return ImageMatrices(tuple(ids), matrices)


def variant(name, *scores, minutes=None):
    seeds = tuple(range(len(scores)))
    return Variant(
        name=name,
        question=f"{name}?",
        seeds=seeds,
        scores={"target": list(scores)},
        minutes=minutes,
    )


def compared(*variants, baseline="base", **options):
    return compare_variants(variants, baseline, settings=SETTINGS, **options)


def by_name(*variants):
    return {row.variant.name: row for row in compared(*variants)}


def test_a_gain_on_every_image_has_an_interval_without_width():
    base = images([10, 40, 70, 80])
    rows = by_name(variant("base", base), variant("gain", images([15, 45, 75, 85])))
    assert rows["base"].cells["target"].miou == pytest.approx(0.5)
    assert rows["base"].cells["target"].difference is None
    cell = rows["gain"].cells["target"]
    assert cell.miou == pytest.approx(0.55)
    assert cell.difference is not None
    assert cell.difference[:3] == pytest.approx((0.05, 0.05, 0.05))
    assert cell.verdict == "one run"


def test_images_are_paired_by_id_and_not_by_place():
    base = images([10, 40, 70, 80], "abcd")
    other = images([85, 75, 45, 15], "dcba")
    cell = by_name(variant("base", base), variant("other", other))["other"].cells["target"]
    assert cell.difference is not None
    assert cell.difference[:3] == pytest.approx((0.05, 0.05, 0.05))


def test_seeds_are_averaged_on_both_sides():
    rows = by_name(
        variant("base", images([40, 40], "ab"), images([44, 44], "ab")),
        variant("worse", images([30, 30], "ab"), images([40, 40], "ab")),
    )
    cell = rows["worse"].cells["target"]
    assert cell.by_seed == pytest.approx((0.3, 0.4))
    assert cell.miou == pytest.approx(0.35)
    assert cell.difference is not None
    # As Welch's interval of the seeds (0.40, 0.44) and (0.30, 0.40), since all images are equal.
    assert cell.difference[:3] == pytest.approx((-0.07, -0.46773, 0.32773), abs=1e-5)
    assert cell.verdict == "two runs"


def test_the_interval_has_the_resamples_the_level_and_the_seed_that_are_asked():
    base, other = images([10, 40, 70, 80]), images([35, 20, 90, 70])
    settings = EvaluateSettings(bootstrap_samples=30, confidence_level=0.7)
    rows = compare_variants(
        [variant("base", base), variant("other", other)], "base", settings=settings, seed=3
    )
    expected = paired_bootstrap(base.matrices, other.matrices, samples=30, seed=3, level=0.7)
    assert rows[1].cells["target"].difference == expected
    for option in ({"samples": 31}, {"seed": 0}, {"level": 0.95}):
        options: dict[str, Any] = {"samples": 30, "seed": 3, "level": 0.7, **option}
        assert paired_bootstrap(base.matrices, other.matrices, **options) != expected


def test_other_images_are_refused():
    base = variant("base", images([10, 40, 70, 80]))
    with pytest.raises(RoadshiftError, match=r"odd on target: .*'d' is in one of them only"):
        by_name(base, variant("odd", images([10, 40, 70], "abc")))
    with pytest.raises(RoadshiftError, match=r"odd on target: .*same images and labels"):
        by_name(base, variant("odd", images([10, 40, 70, 80], pixels=99)))


def thrice(name, hits, spread=0, ids="abcd"):
    """A variant by three seeds, which differ by `spread` pixels of 100 in every image."""
    return variant(name, *(images([hit + k * spread for hit in hits], ids) for k in (-1, 0, 1)))


def test_a_verdict_needs_three_seeds_of_both():
    base, more = [40, 44, 48, 52], [50, 54, 58, 62]
    three, gain = thrice("base", base), thrice("gain", more)
    two = variant("base", *(images(base) for _ in range(2)))
    one = variant("base", images(base))
    for reference, expected in ((three, "better"), (two, "two runs"), (one, "one run")):
        cell = by_name(reference, gain)["gain"].cells["target"]
        assert cell.verdict == expected
        assert by_name(reference, gain)["base"].cells["target"].verdict == ""
    assert (
        by_name(three, variant("gain", images(more)))["gain"].cells["target"].verdict == "one run"
    )
    assert by_name(gain, three)["base"].cells["target"].verdict == ""


def test_one_seed_three_times_is_one_run():
    base = thrice("base", [40, 44, 48, 52])
    again = replace(thrice("again", [50, 54, 58, 62]), seeds=(0, 0, 0))
    assert by_name(base, again)["again"].cells["target"].verdict == "one run"


def test_a_verdict_is_an_interval_that_leaves_out_zero_of_three_seeds():
    for change in range(-12, 13, 3):
        base = thrice("base", [40, 44, 48, 52, 60, 41], 2, "abcdef")
        other = thrice("other", [h + change for h in (40, 45, 47, 52, 61, 41)], 2, "abcdef")
        cell = by_name(base, other)["other"].cells["target"]
        assert cell.difference is not None
        _, low, high, _ = cell.difference
        assert low is not None
        assert high is not None
        expected = "better" if low > 0 else "worse" if high < 0 else "not told apart"
        assert cell.verdict == expected


def test_two_data_sets_with_the_same_ids_are_drawn_apart():
    generator = np.random.default_rng(4)
    first, second = (images(generator.integers(0, 90, 20), [f"{k:02}" for k in range(20)])
                     for _ in range(2))  # fmt: skip
    taller = images(generator.integers(0, 90, 20), [f"{k:02}" for k in range(20)], pixels=200)

    def spread(other_set):
        base = Variant(name="base", scores={"a": [first], "b": [other_set]})
        gain = Variant(name="gain", scores={"a": [second], "b": [other_set]})
        weights = {"a": 0.5, "b": 0.5}
        estimate = compare_two(base, gain, weights, samples=500, seed=0)
        assert estimate is not None
        return estimate.resampled

    # What is drawn of b does not depend on a: b's part is 0 here, so the mean is half of a's part.
    alone = compare_two(
        Variant(name="base", scores={"a": [first]}), Variant(name="gain", scores={"a": [second]}),
        {"a": 1.0}, samples=500, seed=0,
    )  # fmt: skip
    assert alone is not None
    np.testing.assert_allclose(spread(taller), alone.resampled / 2)
    cells = [_cell([first], [second], 0.5), _cell([taller], [taller], 0.5)]
    assert cells[0].images != cells[1].images
    assert cells[0].images == _cell([first], [second], 0.5).images


def test_seeds_that_lie_far_apart_are_not_told_apart():
    base = [40, 44, 48, 52]
    near = by_name(thrice("base", base, 1), thrice("other", [hit - 9 for hit in base], 1))["other"]
    far = by_name(thrice("base", base, 9), thrice("other", [hit - 9 for hit in base], 9))["other"]
    assert near.cells["target"].verdict == "worse"
    assert far.cells["target"].verdict == "not told apart"
    assert far.cells["target"].by_seed == pytest.approx((0.28, 0.37, 0.46))


def test_no_verdict_without_an_interval():
    alone = [variant(name, *(images([hit], "a"),) * 3) for name, hit in (("base", 4), ("other", 9))]
    cell = by_name(*alone)["other"].cells["target"]
    assert cell.difference == (pytest.approx(0.05), None, None, None)
    assert cell.verdict == ""


@pytest.mark.parametrize(
    ("p_values", "expected"),
    [
        ({}, set()),
        ({0: 0.05}, {0}),
        ({0: 0.051}, set()),
        # By Holm the least of three is held against 0.05 / 3, the next against 0.05 / 2.
        ({0: 0.016, 1: 0.025, 2: 0.05}, {0, 1, 2}),
        ({0: 0.017, 1: 0.001, 2: 0.9}, {0, 1}),
        ({0: 0.017, 1: 0.02, 2: 0.03}, set()),
        ({0: 0.9, 1: 0.03, 2: 0.01}, {2}),
    ],
)
def test_the_rows_of_a_table_are_judged_together(p_values, expected):
    assert holm(p_values, 0.05) == expected


def test_a_difference_is_a_verdict_only_if_it_holds_beside_the_other_rows():
    base = [40, 44, 48, 52, 60, 41]
    ids = "abcdef"

    def run(name, change, spread):
        runs = [images([h + change + k * spread for h in base], ids) for k in (-1, 0, 1)]
        return variant(name, *runs)

    reference, near = run("base", 0, 2), run("near", 5, 2)
    verdict = by_name(reference, near)["near"].cells["target"].verdict
    assert verdict == "better"
    others = [run(f"other{k}", 0, 2) for k in range(20)]
    crowded = by_name(reference, near, *others)["near"].cells["target"]
    assert crowded.verdict == "not told apart"


def test_the_noise_floor_is_how_far_two_seeds_lie_apart():
    assert seeds_apart([0.40, 0.43, 0.46]) == pytest.approx(0.04)
    assert seeds_apart([0.40]) is None
    assert seeds_apart([0.40, None]) is None


def test_the_table():
    base, more = images([10, 40, 70, 80]), images([15, 45, 75, 85])
    rows = compared(
        replace(variant("base", *[base] * 3), minutes=9.96),
        variant("gain", *[more] * 3),
        variant("once", more),
    )
    assert comparison_table(rows, {"target": "target = ika"}) == (
        "| variant | question | target = ika | seeds | minutes |\n"
        "|---|---|---|---|---|\n"
        "| base | base? | 50.0 [50.0, 50.0, 50.0] | 0, 1, 2 | 10.0 |\n"
        "| gain | gain? | 55.0 [55.0, 55.0, 55.0]: +5.0 (+5.0 to +5.0) better | 0, 1, 2 | – |\n"
        "| once | once? | 55.0: +5.0 (+5.0 to +5.0) one run | 0 | – |\n"
    )
    assert list(comparison_rows(rows))[1] == {
        "variant": "gain", "domain": "target", "seeds": "0 1 2", "miou": 0.55,
        "miou_by_seed": "0.550000 0.550000 0.550000", "difference": 0.05,
        "low": 0.05, "high": 0.05, "verdict": "better", "use": "",
        "transductive": "", "gap_closed": None, "gap_low": None,
        "gap_high": None, "minutes": None, "processor_minutes": None,
    }  # fmt: skip


def test_processor_minutes_have_a_column_where_they_were_measured():
    base, more = images([10, 40, 70, 80]), images([15, 45, 75, 85])
    rows = compared(
        replace(variant("base", base), minutes=9.96, processor_minutes=15.04),
        replace(variant("other", more), minutes=3.0),
    )
    lines = comparison_table(rows, {"target": "target"}).splitlines()
    assert lines[0].endswith("| seeds | minutes | processor minutes |")
    assert lines[2].endswith("| 0 | 10.0 | 15.0 |")
    assert lines[3].endswith("| 0 | 3.0 | – |")
    assert [row["processor_minutes"] for row in comparison_rows(rows)] == [15.04, None]


def test_a_domain_without_a_pixel_has_no_cell():
    nothing = ImageMatrices(("a", "b"), np.zeros((2, 2, 2), np.int64))
    rows = compared(variant("base", nothing), variant("other", nothing))
    assert "| other | other? | – | 0 | – |" in comparison_table(rows, {"target": "target"})


def test_in_a_race_the_gap_is_that_of_the_same_seeds():
    def seeds(name, *hits):
        return variant(name, *(images([each] * 4) for each in hits))

    base, half = seeds("base", 40, 40, 40, 10), seeds("half", 50, 50, 50)
    oracle = seeds("oracle", 60, 60, 60, 60)
    found = compared(base, half, oracle, oracle="oracle", looks=2)
    assert found[1].gap_closed.value == pytest.approx(0.5)
    assert compared(base, half, oracle, oracle="oracle")[1].gap_closed.value != pytest.approx(0.5)


def test_the_gap_closed_goes_from_the_base_to_the_oracle():
    base, half, oracle = (images([hits] * 4) for hits in (40, 50, 60))
    variants = [
        variant("base", base),
        variant("half", half),
        replace(variant("few", half), use="supervised"),
        replace(variant("oracle", oracle), use="supervised"),
    ]
    found = compared(*variants, oracle="oracle")
    assert [row.gap_closed for row in found] == [
        (0, None, None), pytest.approx((0.5, 0.5, 0.5)), pytest.approx((0.5, 0.5, 0.5)),
        (1, None, None),
    ]  # fmt: skip
    head, _, *lines = comparison_table(found, {"target": "t"}).splitlines()
    assert head == (
        "| variant | question | t | t, with its labels | gap closed | seeds | minutes |"
    )
    assert lines[1].startswith(
        "| half | half? | 50.0: +10.0 (+10.0 to +10.0) one run |  | 50 % (50 % to 50 %) |"
    )
    assert lines[3].startswith("| oracle | oracle? |  | 60.0: +20.0")
    assert " | 100 % | " in lines[3]
    assert [row["use"] for row in comparison_rows(found)] == ["", "", "supervised", "supervised"]
    # The base is as good as the oracle: there is no gap to close.
    without = compared(*variants, baseline="oracle", oracle="base")
    assert {row.gap_closed for row in without} == {None}


def test_an_oracle_as_good_as_the_base_leaves_no_gap_to_close():
    base, better = images([40] * 4), images([50] * 4)
    variants = [variant("base", base), variant("oracle", base), variant("better", better)]
    assert {row.gap_closed for row in compared(*variants, oracle="oracle")} == {None}


def test_the_gap_closed_is_the_targets():
    def scored(name, source, target):
        scores = {"source": [images([source] * 4)], "target": [images([target] * 4)]}
        return Variant(name=name, scores=scores)

    found = compared(
        scored("base", 80, 40), scored("half", 90, 50), scored("oracle", 20, 60), oracle="oracle"
    )
    assert [row.gap_closed and row.gap_closed.value for row in found] == [0, 0.5, 1]


def test_the_rows_have_the_decimals_that_they_promise():
    base, other = images([1], "a", pixels=3), images([2], "a", pixels=3)
    found = compared(variant("base", base), variant("other", other, minutes=1.23456))
    row = list(comparison_rows(found))[1]
    assert (row["miou"], row["difference"], row["minutes"]) == (0.666667, 0.333333, 1.23)
    assert row["low"] is None


def test_cells_of_a_network_adapted_to_the_scored_images_are_marked():
    plain = images([40] * 4)
    adapted = replace(variant("tent", plain), transductive=True)
    rows = compared(variant("base", plain), adapted)
    assert TRANSDUCTIVE == "†"
    base, other = comparison_table(rows, {"target": "t"}).splitlines()[2:]
    assert "| 40.0 |" in base
    assert "| 40.0: +0.0 (+0.0 to +0.0) one run † |" in other
    assert [row["transductive"] for row in comparison_rows(rows)] == ["", "yes"]
