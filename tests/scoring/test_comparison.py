from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import Difference, paired_bootstrap
from roadshift.scoring.comparison import (
    TRANSDUCTIVE,
    Variant,
    VariantScore,
    compare_variants,
    comparison_rows,
    comparison_table,
)
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings

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
    assert cell.difference == pytest.approx((0.05, 0.05, 0.05))
    assert cell.verdict == "better"


def test_the_interval_goes_by_hand():
    # Two images, one gains 10 of 100 pixels and one loses 10: a resample draws the first twice
    # (a quarter of them), each once (half), or the second twice.
    base, other = images([50, 50], "ab"), images([60, 40], "ab")
    cell = by_name(variant("base", base), variant("other", other))["other"].cells["target"]
    assert cell.difference == pytest.approx((0, -0.1, 0.1))
    assert cell.verdict == ""


def test_images_are_paired_by_id_and_not_by_place():
    base = images([10, 40, 70, 80], "abcd")
    other = images([85, 75, 45, 15], "dcba")
    cell = by_name(variant("base", base), variant("other", other))["other"].cells["target"]
    assert cell.difference == pytest.approx((0.05, 0.05, 0.05))


def test_seeds_are_averaged_on_both_sides():
    rows = by_name(
        variant("base", images([40, 40], "ab"), images([44, 44], "ab")),
        variant("worse", images([30, 30], "ab"), images([40, 40], "ab")),
    )
    cell = rows["worse"].cells["target"]
    assert cell.by_seed == pytest.approx((0.3, 0.4))
    assert cell.miou == pytest.approx(0.35)
    assert cell.difference == pytest.approx((-0.07, -0.07, -0.07))
    assert cell.verdict == "worse"


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


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.02, "better"),
        (-0.02, -0.01, "worse"),
        (-0.01, 0.01, ""),
        (0.0, 0.1, ""),
        (-0.1, 0.0, ""),
        (0.0, 0.0, ""),
    ],
)
def test_a_verdict_needs_an_interval_that_leaves_out_zero(low, high, expected):
    assert VariantScore((0.5,), Difference(0.0, low, high)).verdict == expected
    assert VariantScore((0.5,), Difference(0.01, None, None)).verdict == ""


def test_the_table():
    rows = compared(
        variant("base", images([10, 40, 70, 80]), minutes=9.96),
        variant("gain", images([15, 45, 75, 85]), images([17, 47, 77, 87])),
    )
    assert comparison_table(rows, {"target": "target = ika"}) == (
        "| variant | question | target = ika | seeds | minutes |\n"
        "|---|---|---|---|---|\n"
        "| base | base? | 50.0 | 0 | 10.0 |\n"
        "| gain | gain? | 56.0 [55.0, 57.0]: +6.0 (+6.0 to +6.0) better | 0, 1 | – |\n"
    )
    assert list(comparison_rows(rows))[1] == {
        "variant": "gain", "domain": "target", "seeds": "0 1", "miou": 0.56, "difference": 0.06,
        "low": 0.06, "high": 0.06, "verdict": "better", "use": "",
        "transductive": "", "gap_closed": None, "minutes": None,
    }  # fmt: skip


def test_a_domain_without_a_pixel_has_no_cell():
    nothing = ImageMatrices(("a", "b"), np.zeros((2, 2, 2), np.int64))
    rows = compared(variant("base", nothing), variant("other", nothing))
    assert "| other | other? | – | 0 | – |" in comparison_table(rows, {"target": "target"})


def test_the_gap_closed_goes_from_the_base_to_the_oracle():
    base, half, oracle = (images([hits] * 4) for hits in (40, 50, 60))
    variants = [
        variant("base", base),
        variant("half", half),
        replace(variant("few", half), use="supervised"),
        replace(variant("oracle", oracle), use="supervised"),
    ]
    found = compared(*variants, oracle="oracle")
    assert [row.gap_closed for row in found] == pytest.approx([0, 0.5, 0.5, 1])
    head, _, *lines = comparison_table(found, {"target": "t"}).splitlines()
    assert head == (
        "| variant | question | t | t, with its labels | gap closed | seeds | minutes |"
    )
    assert lines[1].startswith("| half | half? | 50.0: +10.0 (+10.0 to +10.0) better |  | 50 % |")
    assert lines[3].startswith("| oracle | oracle? |  | 60.0: +20.0")
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
    assert [row.gap_closed for row in found] == pytest.approx([0, 0.5, 1])


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
    assert "| 40.0: +0.0 (+0.0 to +0.0) † |" in other
    assert [row["transductive"] for row in comparison_rows(rows)] == ["", "yes"]
