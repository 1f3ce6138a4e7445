from typing import Any

import numpy as np

from roadshift.scoring.tables import confusion_rows, markdown_table, summarize, target_use

MATRICES = np.array([[[3, 1], [0, 0]], [[2, 2], [0, 0]]])


def test_confusion_rows_are_shares_of_the_actual_class():
    rows = list(confusion_rows(MATRICES, ["road", "sky"]))
    assert rows == [
        {"actual": "road", "predicted": "road", "pixels": 5, "recall": 0.625},
        {"actual": "road", "predicted": "sky", "pixels": 3, "recall": 0.375},
    ]


def test_summary_is_the_nine_cells_and_the_gap():
    def domains(a, b, target):
        return {"a": {"miou": a}, "b": {"miou": b}, "target": {"miou": target}}

    scores = {
        "a": domains(0.6, 0.4, 0.3),
        "b": domains(0.2, 0.5, None),
        "ab": domains(0.6, 0.5, 0.45),
    }
    table = summarize(
        scores, {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}, "target", dict.fromkeys(scores, "")
    )
    assert table["a"] == {
        "a": {"miou": 0.6}, "b": {"miou": 0.4}, "target": {"miou": 0.3}, "gap": 0.3,
    }  # fmt: skip
    assert table["b"]["gap"] is None
    assert table["ab"]["gap"] == 0.1


def test_markdown_table_by_hand():
    def cell(name, pictures, miou, low, high):
        return {"data_set": name, "pictures": pictures, "miou": miou, "miou_low": low,
                "miou_high": high}  # fmt: skip

    scores = {
        "a": {"a": cell("x", 47, 0.5123, 0.49, 0.531), "target": cell("y", 1, 0.3, None, None)}
    }
    assert markdown_table(scores) == (
        "| trained on | a = x (47 pictures) | target = y (1 pictures) |\n"
        "|---|---|---|\n"
        "| a | 51.2 (49.0 to 53.1) | 30.0 |\n"
    )


def test_the_summary_shows_an_adapted_network_beside_the_plain_one():
    adapted = {"adabn": {"miou": 0.35}, "tent": {"miou": None}}
    domains: dict[str, dict[str, Any]] = {
        "a": {"miou": 0.6},
        "target": {"miou": 0.3, "adapted": adapted},
    }
    assert summarize({"a": domains}, {"a": ["a"]}, "target", {"a": ""})["a"] == {
        "a": {"miou": 0.6},
        "target": {"miou": 0.3, "miou_adabn": 0.35, "miou_tent": None},
        "gap": 0.3,
    }


def test_a_training_that_saw_the_target_has_columns_of_its_own():
    domains: dict[str, dict[str, Any]] = {
        "a": {"miou": 0.6},
        "target": {"miou": 0.4, "adapted": {"tent": {"miou": 0.45}}},
    }
    uses = {"plain": "", "few": target_use({"labelled": 5, "unlabelled": 9})}
    scores = {"plain": domains, "few": domains}
    table = summarize(scores, {"plain": ["a"], "few": ["a"]}, "target", uses)
    assert table["few"] == {
        "a": {"miou": 0.6},
        "target": {"miou_labelled": 0.4, "miou_labelled_tent": 0.45},
        "gap_labelled": 0.2,
    }
    assert {"miou", "gap"} <= {*table["plain"], *table["plain"]["target"]}
    assert target_use({"unlabelled": 9}) == "transductive"
    assert target_use({}) == ""
