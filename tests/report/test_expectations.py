"""The table of expected and true scores."""

import pytest

from roadshift.estimation.expected import DomainExpectation, Expected, MixExpectations
from roadshift.report.expectations import expected_table, missed_sentence


def domain(expected, true, *, known=True, name="set"):
    return DomainExpectation(
        data_set=name,
        miou=None if true is None else true / 2,
        pixel_accuracy=true,
        expected=Expected(
            images=3, pixel_accuracy=expected, pixel_accuracy_low=expected - 0.05,
            pixel_accuracy_high=expected + 0.05, miou=expected / 2, miou_low=0.1, miou_high=0.6,
            miou_is_known=known, miou_upper_bound=0.9, iou={"road": 0.5, "<sky>": None},
            by_estimator={},
        ),
    )  # fmt: skip


@pytest.fixture
def found():
    domains = {
        "a": domain(0.9, 0.91),
        "b": domain(0.8, 0.77, known=False),
        "target": domain(0.6, None),
    }
    return {"a": MixExpectations(mix="a", taxonomy="driving11", domains=domains)}


def test_every_cell_has_expected_and_true(found):
    table = expected_table(found, {"a": "<A>"}, ["a", "b", "target"])
    assert "&lt;A&gt;" in table
    assert "85.0 to 95.0" in table
    assert table.count("<tr>") == 4
    for text in ("90.0", "91.0", "80.0", "77.0", "60.0", "45.0", "–"):
        assert text in table
    # The mIoU of b is not known well enough.
    assert "40.0" not in table


def test_misses_are_told_for_own_domains_and_for_others(found):
    sentence = missed_sentence(found, {"a": ["a"]})
    assert "by 1.0 points on average on their own domains (−1.0 at most)" in sentence
    assert "by 3.0 points on average on the others (+3.0 at most)" in sentence
    alone = {"a": found["a"].model_copy(update={"domains": {"target": domain(0.6, None)}})}
    assert missed_sentence(alone, {"a": ["a"]}).startswith("No domain has labels")


def test_a_file_of_something_else_is_named(found, tmp_path):
    file = tmp_path / "a.json"
    found["a"].save(file)
    assert MixExpectations.load(file) == found["a"]
    file.write_text("{}")
    from roadshift.errors import RoadshiftError

    with pytest.raises(RoadshiftError, match=r"a\.json: not the expected scores of a mix"):
        MixExpectations.load(file)
