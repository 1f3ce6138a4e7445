import numpy as np

from roadshift.scoring.numbers import (
    level_percent,
    percent,
    percent_interval,
    points,
    whole_percent,
)
from roadshift.scoring.results import ImageMatrices, target_use
from roadshift.scoring.tables import (
    best_mix,
    confusion_rows,
    domain_gap,
    markdown_table,
    summarize,
    write_confusion,
)
from tests.results import domain_scores, mix_scores

MATRIX = np.array([[5, 3], [0, 0]])


def test_confusion_rows_are_shares_of_the_actual_class():
    rows = list(confusion_rows(MATRIX, ["road", "sky"]))
    assert rows == [
        {"actual": "road", "predicted": "road", "pixels": 5, "recall": 0.625},
        {"actual": "road", "predicted": "sky", "pixels": 3, "recall": 0.375},
    ]


def test_the_confusion_file_counts_all_images_of_each_domain(tmp_path):
    matrices = np.array([[[5, 3], [0, 0]], [[1, 0], [1, 3]], [[0, 0], [0, 2]]])
    domains = {
        "a": ImageMatrices(("x", "y"), matrices[:2]),
        "b": ImageMatrices(("z",), matrices[2:]),
    }
    write_confusion(domains, ["road", "sky"], tmp_path / "confusion.csv")
    assert (tmp_path / "confusion.csv").read_text("utf-8") == (
        "domain,actual,predicted,pixels,recall\n"
        "a,road,road,6,0.6667\n"
        "a,road,sky,3,0.3333\n"
        "a,sky,road,1,0.25\n"
        "a,sky,sky,3,0.75\n"
        "b,sky,road,0,0.0\n"
        "b,sky,sky,2,1.0\n"
    )


def test_summary_is_the_nine_cells_and_the_gap():
    def scored(a, b, target):
        cells = {"a": a, "b": b, "target": target}
        return mix_scores({role: domain_scores(miou) for role, miou in cells.items()})

    scores = {
        "a": scored(0.6, 0.4, 0.3),
        "b": scored(0.2, 0.5, None),
        "ab": scored(0.6, 0.5, 0.45),
    }
    table = summarize(scores, {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}, "target")
    assert table["a"] == {
        "a": {"miou": 0.6}, "b": {"miou": 0.4}, "target": {"miou": 0.3}, "gap": 0.3,
    }  # fmt: skip
    assert table["b"]["gap"] is None
    assert table["ab"]["gap"] == 0.1


def test_the_gap_by_hand():
    cells = {"a": domain_scores(0.6), "b": domain_scores(0.5), "target": domain_scores(0.3)}
    assert domain_gap(cells, ["a", "b"], "target") == 0.25
    assert domain_gap({**cells, "b": domain_scores(None)}, ["a", "b"], "target") is None


def test_markdown_table_by_hand():
    domains = {
        "a": domain_scores(0.5123, 0.49, 0.531, data_set="x", images=47),
        "target": domain_scores(0.3, data_set="y", images=1),
    }
    assert markdown_table({"a": mix_scores(domains)}) == (
        "| trained on | a = x (47 images) | target = y (1 images) |\n"
        "|---|---|---|\n"
        "| a | 51.2 (49.0 to 53.1) | 30.0 |\n"
    )


def test_adapted_scores_have_columns_of_their_own_in_the_markdown_table():
    adapted = domain_scores(0.3, adapted={"tent": domain_scores(0.35)})
    scores = {
        "a": mix_scores({"target": adapted}),
        "b": mix_scores({"target": domain_scores(None)}),
    }
    assert markdown_table(scores) == (
        "| trained on | target = noon (3 images) | target, tent (transductive) |\n"
        "|---|---|---|\n"
        "| a | 30.0 | 35.0 |\n"
        "| b | – | – |\n"
    )


def test_the_summary_shows_an_adapted_network_beside_the_plain_one():
    adapted = {"adabn": domain_scores(0.35), "tent": domain_scores(None)}
    domains = {"a": domain_scores(0.6), "target": domain_scores(0.3, adapted=adapted)}
    assert summarize({"a": mix_scores(domains)}, {"a": ["a"]}, "target")["a"] == {
        "a": {"miou": 0.6},
        "target": {"miou": 0.3, "miou_adabn": 0.35, "miou_tent": None},
        "gap": 0.3,
    }


def test_a_training_that_saw_the_target_has_columns_of_its_own():
    tent = {"tent": domain_scores(0.45)}
    domains = {"a": domain_scores(0.6), "target": domain_scores(0.4, adapted=tent)}
    seen = {"labelled": 5, "unlabelled": 9}
    scores = {"plain": mix_scores(domains), "few": mix_scores(domains, target_images=seen)}
    table = summarize(scores, {"plain": ["a"], "few": ["a"]}, "target")
    assert table["few"] == {
        "a": {"miou": 0.6},
        "target": {"miou_supervised": 0.4, "miou_supervised_tent": 0.45},
        "gap_supervised": 0.2,
    }
    assert {"miou", "gap"} <= {*table["plain"], *table["plain"]["target"]}
    assert target_use({"unlabelled": 9}) == "unsupervised"
    assert target_use({}) == ""


def test_the_best_mix_is_the_first_of_the_highest_that_have_a_score():
    scores = {
        mix: mix_scores({"t": domain_scores(miou)})
        for mix, miou in {"a": None, "b": 0.2, "c": 0.3, "d": 0.3}.items()
    }
    assert best_mix(scores, "t") == "c"
    assert best_mix({mix: scores[mix] for mix in ("a", "b")}, "t") == "b"
    assert best_mix({"a": scores["a"]}, "t") is None


def test_numbers_are_written_for_people():
    assert (percent(0.5), percent(None)) == ("50.0", "–")
    assert (points(0.031), points(-0.2826), points(None)) == ("+3.1", "−28.3", "–")
    assert (percent_interval((0.602, 0.678)), percent_interval(None)) == ("60.2 to 67.8", "")
    assert (whole_percent(0.504), whole_percent(-0.25)) == ("50 %", "−25 %")
    assert whole_percent(None) == "–"
    assert (level_percent(0.95), level_percent(0.995)) == ("95 %", "99.5 %")
