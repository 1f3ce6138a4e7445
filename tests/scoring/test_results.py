import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.scoring.results import (
    ExamplePredictions,
    ImageMatrices,
    MixMatrices,
    MixScores,
)
from tests.results import domain_scores, mix_scores

MATRICES = np.arange(8).reshape(2, 2, 2)


def test_scores_come_back_as_they_were_saved(tmp_path):
    adapted = {"tent": domain_scores(0.35)}
    scores = mix_scores(
        {"a": domain_scores(0.5, 0.4, 0.6), "target": domain_scores(None, adapted=adapted)},
        target_images={"labelled": 2},
    )
    scores.save(tmp_path / "ab.json")
    found = MixScores.load(tmp_path / "ab.json")
    assert found == scores
    assert list(found.domains) == ["a", "target"]
    assert found.target_use == "supervised"
    assert found.domains["a"].interval == (0.4, 0.6)
    assert found.domains["target"].interval is None


def test_matrices_come_back_in_the_order_of_scoring(tmp_path):
    file = tmp_path / "ab.npz"
    plain, tent = ImageMatrices(("q", "p"), MATRICES), ImageMatrices(("q", "p"), 2 * MATRICES)
    MixMatrices({"t": plain}, {"tent": {"t": tent}}).save(file)
    found = MixMatrices.load(file)
    assert list(found.domains) == ["t"]
    assert found.domains["t"].ids == found.adapted["tent"]["t"].ids == ("q", "p")
    np.testing.assert_array_equal(found.adapted["tent"]["t"].matrices, 2 * MATRICES)
    np.testing.assert_array_equal(found.domains["t"].total, [[4, 6], [8, 10]])
    by_id = found.domains["t"].sorted()
    assert by_id.ids == ("p", "q")
    np.testing.assert_array_equal(by_id.matrices, MATRICES[::-1])


def test_predictions_come_back_by_role_and_id(tmp_path):
    file = tmp_path / "ab.npz"
    small, large = np.zeros((2, 3), np.uint8), np.full((4, 5), 255, np.uint8)
    ExamplePredictions({"a": {"q/1": small, "p": large}, "target": {}}).save(file)
    found = ExamplePredictions.load(file).domains
    assert {role: list(predictions) for role, predictions in found.items()} == {
        "a": ["q/1", "p"],
        "target": [],
    }
    np.testing.assert_array_equal(found["a"]["q/1"], small)
    np.testing.assert_array_equal(found["a"]["p"], large)


@pytest.mark.parametrize("kind", [MixScores, MixMatrices, ExamplePredictions])
@pytest.mark.parametrize("content", [None, b"PK\x03\x04 cut short", b"", b"{}"])
def test_what_is_missing_or_damaged_is_named_with_what_to_do(kind, content, tmp_path):
    file = tmp_path / "ab.file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RoadshiftError) as caught:
        kind.load(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: {'missing' if content is None else 'not the '}")
    assert message.endswith("; run dvc repro")
    assert "\n" not in message


def test_matrices_without_their_ids_are_refused(tmp_path):
    file = tmp_path / "ab.npz"
    arrays = {"t/matrices": MATRICES}
    np.savez(file, allow_pickle=False, **arrays)
    with pytest.raises(RoadshiftError, match=r"confusion matrices of a mix .*t/ids.* is missing"):
        MixMatrices.load(file)


def test_a_score_with_an_unknown_key_is_refused_by_its_name(tmp_path):
    file = tmp_path / "ab.json"
    content = mix_scores({"a": domain_scores(0.5)}).model_dump_json()
    file.write_text(content.replace('"miou":', '"mio":', 1), "utf-8")
    with pytest.raises(RoadshiftError, match=r"domains\.a\.mio: unknown key"):
        MixScores.load(file)
