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
    cross_domain_columns,
    domain_gap,
    held_out,
    held_out_mean,
    markdown_table,
    summarize,
    write_confusion,
)
from roadshift.taxonomy import PartialLabel
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


def test_the_confusion_file_has_joined_classes_under_the_names_of_their_parts(tmp_path):
    matrices = np.array([[[5, 3, 0], [2, 4, 0], [0, 0, 0]]])
    domains = {role: ImageMatrices(("x",), matrices) for role in ("a", "b")}
    names = ["road", "car", "train"]
    joined = {"b": (PartialLabel.of(3, (1, 2), names),), "a": ()}
    write_confusion(domains, names, tmp_path / "confusion.csv", partial_labels=joined)
    rows = (tmp_path / "confusion.csv").read_text("utf-8").splitlines()
    assert rows[1:4] == ["a,road,road,5,0.625", "a,road,car,3,0.375", "a,road,train,0,0.0"]
    assert [row for row in rows if row.startswith("b,")] == [
        "b,road,road,5,0.625",
        "b,road,car + train,3,0.375",
        "b,car + train,road,2,0.3333",
        "b,car + train,car + train,4,0.6667",
    ]


def joined(miou):
    return domain_scores(miou).model_copy(update={"joined": {"car + train": miou}})


def test_the_gap_leaves_out_own_domains_on_joined_classes():
    cells = {"a": domain_scores(0.6), "c": joined(0.9), "target": domain_scores(0.4)}
    assert domain_gap(cells, ["a", "c"], "target") == 0.2
    assert domain_gap(cells, ["c"], "target") is None
    assert domain_gap({**cells, "target": joined(0.4)}, ["a", "c"], "target") == 0.5


def test_a_column_on_joined_classes_says_so():
    plain, said = (
        cross_domain_columns({"a": mix_scores({"c": score})})[0].title
        for score in (domain_scores(0.5), joined(0.5))
    )
    assert said == plain.replace(" images)", " images, joined classes)") != plain


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


THREE = {"a": ["a"], "bc": ["b", "c"], "ac": ["a", "c"]}


def test_the_sources_that_a_network_never_saw_are_held_out_for_it():
    assert {mix: held_out(mix, THREE) for mix in THREE} == {
        "a": ["b", "c"], "bc": ["a"], "ac": ["b"],
    }  # fmt: skip
    # d is a source of no network, so it is held out for none.
    assert held_out("ab", {"a": ["a"], "ab": ["a", "b"]}) == []


def test_the_mean_on_held_out_sources_by_hand():
    cells = {"a": domain_scores(0.6), "b": domain_scores(0.4), "c": domain_scores(0.3)}
    assert held_out_mean(cells, ["b", "c"]) == 0.35
    assert held_out_mean(cells, []) is None
    assert held_out_mean({**cells, "b": domain_scores(None)}, ["b", "c"]) is None
    # A mean over joined classes does not compare.
    assert held_out_mean({**cells, "c": joined(0.9)}, ["b", "c"]) == 0.4
    assert held_out_mean({**cells, "c": joined(0.9)}, ["c"]) is None


def test_the_summary_has_the_mean_on_held_out_sources_of_three_or_more():
    cells = {role: domain_scores(miou) for role, miou in zip("abc", (0.6, 0.4, 0.3), strict=True)}
    row = mix_scores({**cells, "target": domain_scores(0.2)})
    table = summarize(dict.fromkeys(THREE, row), THREE, "target")
    assert {mix: each["held_out"] for mix, each in table.items()} == {
        "a": 0.35, "bc": 0.6, "ac": 0.4,
    }  # fmt: skip
    assert (
        "held_out" not in summarize({"a": row, "c": row}, {"a": ["a"], "c": ["c"]}, "target")["a"]
    )


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
