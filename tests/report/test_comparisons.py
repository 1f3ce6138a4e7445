import numpy as np
import pytest

from roadshift.report.comparisons import (
    ablation_sentence,
    baseline_name,
    compare_adapted,
    compare_to_baseline,
    forest_rows,
)
from roadshift.scoring.results import ImageMatrices, MixMatrices
from roadshift.scoring.settings import EvaluateSettings

SETTINGS = EvaluateSettings(bootstrap_samples=50)


def scored(*hits):
    """Images of two classes of ten pixels each, of which some are recognized."""
    matrices = np.array([[[n, 10 - n], [10 - n, n]] for n in hits], np.int64)
    return ImageMatrices(tuple(f"p{k}" for k in range(len(hits))), matrices)


def test_networks_are_compared_with_one_on_every_plain_domain():
    matrices = {
        "a": MixMatrices(
            {"target": scored(5, 6, 5)}, adapted={"tent": {"target": scored(1, 1, 1)}}
        ),
        "ab": MixMatrices({"target": scored(8, 9, 8)}),
    }
    cells = compare_to_baseline(matrices, "a", settings=SETTINGS, seed=0)
    assert list(cells) == ["a", "ab"]
    assert list(cells["ab"]) == ["target"]
    # 16 of 30 pixels a class: 16 / 44; and 25 of 30: 25 / 35.
    difference = cells["ab"]["target"].difference
    assert difference is not None
    assert difference.difference == pytest.approx(25 / 35 - 16 / 44)
    assert cells["ab"]["target"].verdict == "better"


def test_an_adapted_network_is_compared_with_itself():
    matrices = MixMatrices(
        {"a": scored(5, 5), "target": scored(5, 5)}, adapted={"tent": {"target": scored(2, 3)}}
    )
    cells = compare_adapted(matrices, "tent", settings=SETTINGS, seed=0)
    assert list(cells) == ["target"]
    assert cells["target"].verdict == "worse"


def row(variant, difference="", verdict="", domain="target"):
    return {
        "variant": variant, "domain": domain, "miou": "0.5", "difference": difference,
        "low": difference, "high": difference, "verdict": verdict,
    }  # fmt: skip


ROWS = [
    row("plain"),
    row("plain", domain="a"),
    row("cast", "0.02", "better"),
    row("hue", "0.03", "better"),
    row("noise", "-0.01", "worse"),
    row("blur", "0.001"),
    row("blur", "0.09", "better", domain="a"),
]


def test_the_sentence_on_an_ablation_names_what_helps_best_first():
    assert baseline_name(ROWS) == "plain"
    assert ablation_sentence(ROWS, "plain", "target") == (
        "On the target, in points of mIoU against `plain`, better: `hue` (+3.0) and `cast` "
        "(+2.0); worse: `noise` (−1.0); undecided: 1 of 4."
    )


def test_an_ablation_of_its_base_alone_says_nothing():
    assert "No variant but `plain`" in ablation_sentence(ROWS[:2], "plain", "target")


def test_the_lines_of_a_forest_plot():
    lines = forest_rows(ROWS, "target")
    assert [name for name, _ in lines] == ["plain", "cast", "hue", "noise", "blur"]
    assert lines[0][1].difference is None
    assert lines[2][1].verdict == "better"
