import numpy as np
import pytest

from roadshift.report.comparisons import compare_adapted, compare_to_baseline
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
    assert cells["ab"]["target"].verdict == "one run"


def test_an_adapted_network_is_compared_with_itself():
    matrices = MixMatrices(
        {"a": scored(5, 5), "target": scored(5, 5)}, adapted={"tent": {"target": scored(2, 3)}}
    )
    cells = compare_adapted(matrices, "tent", settings=SETTINGS, seed=0)
    assert list(cells) == ["target"]
    difference = cells["target"].difference
    assert difference is not None
    assert difference.difference == pytest.approx(5 / 35 - 10 / 30)
