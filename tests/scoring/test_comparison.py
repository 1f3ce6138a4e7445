from dataclasses import replace

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.bootstrap import Difference
from roadshift.scoring.comparison import (
    Cell,
    PictureScores,
    Variant,
    compare,
    comparison_rows,
    comparison_table,
)
from roadshift.scoring.settings import EvaluateSettings

SETTINGS = EvaluateSettings(bootstrap_samples=200)


def pictures(hits, ids="abcd", pixels=100):
    """Pictures of one class, `hits` of whose pixels are found: its IoU is their share."""
    matrices = np.zeros((len(hits), 2, 2), np.int64)
    matrices[:, 0, 0] = hits
    matrices[:, 0, 1] = pixels - matrices[:, 0, 0]
    return PictureScores.sorted(ids, matrices)


def variant(name, *scores, minutes=None):
    seeds = tuple(range(len(scores)))
    return Variant(name, f"{name}?", seeds, {"target": list(scores)}, minutes)


def rows(*variants):
    return {row.name: row for row in compare(variants, variants[0].name, SETTINGS, seed=0)}


def test_a_gain_on_every_picture_has_an_interval_without_width():
    base = pictures([10, 40, 70, 80])
    compared = rows(variant("base", base), variant("gain", pictures([15, 45, 75, 85])))
    assert compared["base"].cells["target"].miou == pytest.approx(0.5)
    assert compared["base"].cells["target"].difference is None
    cell = compared["gain"].cells["target"]
    assert cell.miou == pytest.approx(0.55)
    assert cell.difference == pytest.approx((0.05, 0.05, 0.05))
    assert cell.verdict == "better"


def test_the_interval_goes_by_hand():
    # Two pictures, one gains 10 of 100 pixels and one loses 10: a resample draws the first twice
    # (a quarter of them), each once (half), or the second twice.
    base, other = pictures([50, 50], "ab"), pictures([60, 40], "ab")
    cell = rows(variant("base", base), variant("other", other))["other"].cells["target"]
    assert cell.difference == pytest.approx((0, -0.1, 0.1))
    assert cell.verdict == ""


def test_pictures_are_paired_by_id_and_not_by_place():
    base = pictures([10, 40, 70, 80], "abcd")
    other = pictures([85, 75, 45, 15], "dcba")
    cell = rows(variant("base", base), variant("other", other))["other"].cells["target"]
    assert cell.difference == pytest.approx((0.05, 0.05, 0.05))


def test_seeds_are_averaged_on_both_sides():
    compared = rows(
        variant("base", pictures([40, 40], "ab"), pictures([44, 44], "ab")),
        variant("worse", pictures([30, 30], "ab"), pictures([40, 40], "ab")),
    )
    cell = compared["worse"].cells["target"]
    assert cell.by_seed == pytest.approx((0.3, 0.4))
    assert cell.miou == pytest.approx(0.35)
    assert cell.difference == pytest.approx((-0.07, -0.07, -0.07))
    assert cell.verdict == "worse"


def test_other_pictures_are_refused():
    base = variant("base", pictures([10, 40, 70, 80]))
    with pytest.raises(RoadshiftError, match=r"odd on target: .*'d' is in one of them only"):
        rows(base, variant("odd", pictures([10, 40, 70], "abc")))
    with pytest.raises(RoadshiftError, match=r"odd on target: .*same pictures and labels"):
        rows(base, variant("odd", pictures([10, 40, 70, 80], pixels=99)))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.01, 0.02, "better"), (-0.02, -0.01, "worse"), (-0.01, 0.01, ""), (0.0, 0.1, "")],
)
def test_a_verdict_needs_an_interval_that_leaves_out_zero(low, high, expected):
    assert Cell((0.5,), Difference(0.0, low, high)).verdict == expected
    assert Cell((0.5,), Difference(0.01, None, None)).verdict == ""


def test_the_table():
    compared = compare(
        [
            variant("base", pictures([10, 40, 70, 80]), minutes=9.96),
            variant("gain", pictures([15, 45, 75, 85]), pictures([17, 47, 77, 87])),
        ],
        "base",
        SETTINGS,
    )
    assert comparison_table(compared, {"target": "target = ika"}) == (
        "| variant | question | target = ika | seeds | minutes |\n"
        "|---|---|---|---|---|\n"
        "| base | base? | 50.0 | 0 | 10.0 |\n"
        "| gain | gain? | 56.0 [55.0, 57.0]: +6.0 (+6.0 to +6.0) better | 0, 1 | – |\n"
    )
    assert list(comparison_rows(compared))[1] == {
        "variant": "gain", "domain": "target", "seeds": "0 1", "miou": 0.56, "difference": 0.06,
        "low": 0.06, "high": 0.06, "verdict": "better", "use": "", "gap_closed": None,
        "minutes": None,
    }  # fmt: skip


def test_a_domain_without_a_pixel_has_no_cell():
    nothing = PictureScores.sorted("ab", np.zeros((2, 2, 2), np.int64))
    compared = compare([variant("base", nothing), variant("other", nothing)], "base", SETTINGS)
    assert "| other | other? | – | 0 | – |" in comparison_table(compared, {"target": "target"})


def test_the_gap_closed_goes_from_the_base_to_the_oracle():
    base, half, oracle = (pictures([hits] * 4) for hits in (40, 50, 60))
    variants = [
        variant("base", base),
        variant("half", half),
        replace(variant("few", half), use="labelled"),
        replace(variant("oracle", oracle), use="labelled"),
    ]
    found = compare(variants, "base", SETTINGS, oracle="oracle")
    assert [row.gap_closed for row in found] == pytest.approx([0, 0.5, 0.5, 1])
    head, _, *lines = comparison_table(found, {"target": "t"}).splitlines()
    assert head == (
        "| variant | question | t | t, its labels seen | gap closed | seeds | minutes |"
    )
    assert lines[1].startswith("| half | half? | 50.0: +10.0 (+10.0 to +10.0) better |  | 50 % |")
    assert lines[3].startswith("| oracle | oracle? |  | 60.0: +20.0")
    assert [row["use"] for row in comparison_rows(found)] == ["", "", "labelled", "labelled"]
    # The base is as good as the oracle: there is no gap to close.
    assert {row.gap_closed for row in compare(variants, "oracle", SETTINGS, oracle="base")} == {
        None
    }
