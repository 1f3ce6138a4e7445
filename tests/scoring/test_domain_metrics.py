import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from roadshift.scoring.bootstrap import bootstrap_miou
from roadshift.scoring.calibration import calibration_sums, no_pixels
from roadshift.scoring.domain_metrics import score_domain
from roadshift.scoring.results import DomainScores, ImageMatrices
from roadshift.scoring.settings import EvaluateSettings
from roadshift.taxonomy import PartialLabel

NAMES = ["road", "car", "train"]
MATRICES = np.array([[[6, 0, 0], [1, 2, 0], [0, 0, 0]], [[5, 1, 1], [0, 2, 0], [0, 0, 0]]])


def score(
    ids=("x", "y"), matrices=MATRICES, settings=None, calibration=None, seed=0, partial_labels=()
):
    return score_domain(
        ImageMatrices(tuple(ids), matrices),
        calibration or no_pixels(),
        data_set="noon",
        class_names=NAMES,
        settings=settings or EvaluateSettings(),
        seed=seed,
        partial_labels=partial_labels,
    )


def test_report_by_hand():
    label = np.zeros((1, 3), np.uint8)
    calibration = calibration_sums(label, label, np.full((1, 3), 0.9))
    result = score(calibration=calibration)
    # Sum: road 11 hits, 13 true, 12 predicted; car 4 hits, 5 true, 5 predicted.
    assert result.images == 2
    assert result.iou == {"road": round(11 / 14, 4), "car": round(4 / 6, 4), "train": None}
    assert result.miou == round((11 / 14 + 4 / 6) / 2, 4)
    assert result.miou_low <= result.miou <= result.miou_high
    assert result.classes_scored == 2
    assert result.classes_absent == ["train"]
    assert result.pixel_accuracy == round(15 / 18, 4)
    assert result.mean_accuracy == round((11 / 13 + 4 / 5) / 2, 4)
    assert result.frequency_weighted_iou == round((13 * 11 / 14 + 5 * 4 / 6) / 18, 4)
    assert result.calibration_error == 0.1


def test_report_is_json_without_nan():
    for result in (score(), score(matrices=np.zeros((2, 3, 3), np.int64))):
        json.dumps(result.model_dump(), allow_nan=False)
        assert DomainScores.model_validate_json(result.model_dump_json()) == result


def test_nothing_to_score_is_null():
    result = score(matrices=np.zeros((2, 3, 3), np.int64))
    assert result.classes_scored == 0
    assert result.classes_absent == NAMES
    for key in ("miou", "miou_low", "miou_high", "pixel_accuracy", "mean_accuracy"):
        assert getattr(result, key) is None
    assert result.frequency_weighted_iou is None
    assert result.calibration_error is None


def test_no_image_at_all():
    assert score(ids=(), matrices=np.zeros((0, 3, 3), np.int64)).images == 0


def test_order_of_images_changes_nothing():
    matrices = np.random.default_rng(0).integers(0, 99, (9, 3, 3))
    ids = [f"image{i}" for i in range(9)]
    order = np.random.default_rng(1).permutation(9)
    assert score([ids[i] for i in order], matrices[order]) == score(ids, matrices)


def test_the_interval_has_the_resamples_the_level_and_the_seed_that_are_asked():
    matrices = np.random.default_rng(0).integers(0, 99, (5, 3, 3))
    settings = EvaluateSettings(bootstrap_samples=30, confidence_level=0.7)
    found = score(list("abcde"), matrices, settings, seed=3).interval
    assert found == pytest.approx(bootstrap_miou(matrices, samples=30, seed=3, level=0.7), abs=6e-5)
    for option in ({"samples": 31}, {"seed": 0}, {"level": 0.95}):
        options: dict[str, Any] = {"samples": 30, "seed": 3, "level": 0.7, **option}
        assert found != pytest.approx(bootstrap_miou(matrices, **options), abs=6e-5)


def test_without_bootstrap_there_is_no_interval():
    result = score(settings=EvaluateSettings(bootstrap_samples=0))
    assert result.miou is not None
    assert result.miou_low is None
    assert result.miou_high is None


def test_inputs_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="shape"):
        score(ids=("x",))
    with pytest.raises(ValueError, match="twice"):
        score(ids=("x", "x"))


@pytest.mark.parametrize(
    "values",
    [
        {"bootstrap_samples": -1},
        {"bootstrap_samples": 100_001},
        {"confidence_level": 0.0},
        {"confidence_level": 1.0},
        {"calibration_bins": 0},
        {"samples": 5},
    ],
)
def test_settings_refuse_what_makes_no_sense(values):
    with pytest.raises(ValidationError):
        EvaluateSettings(**values)


def test_default_settings():
    settings = EvaluateSettings()
    assert settings.bootstrap_samples == 4000
    assert settings.confidence_level == 0.95
    assert settings.calibration_bins == 15


CAR_OR_TRAIN = (PartialLabel.of(3, (1, 2), NAMES),)


def test_a_domain_with_partial_labels_is_scored_on_joined_classes():
    result = score(partial_labels=CAR_OR_TRAIN)
    # As counted with `scored_ids`, what is car or train has the place of car.
    assert result.joined == {"car + train": round(4 / 6, 4)}
    assert result.iou == {"road": round(11 / 14, 4), "car": None, "train": None}
    assert result.joined_parts == {"car", "train"}
    assert result.miou == round((11 / 14 + 4 / 6) / 2, 4)
    assert (result.classes_scored, result.classes_absent) == (2, [])
    assert result.calibration_error is None


def test_a_joined_class_without_a_pixel_is_absent():
    matrices = np.zeros((2, 3, 3), np.int64)
    matrices[:, 0, 0] = 5
    result = score(matrices=matrices, partial_labels=CAR_OR_TRAIN)
    assert result.joined == {"car + train": None}
    assert (result.classes_scored, result.classes_absent) == (1, ["car + train"])


def test_joined_classes_are_in_the_file_only_where_there_are_any():
    for result in (score(), score(partial_labels=CAR_OR_TRAIN)):
        content = json.loads(result.model_dump_json())
        assert ("joined" in content) == ("joined" in result.model_dump()) == bool(result.joined)
        assert DomainScores.model_validate(content) == result
